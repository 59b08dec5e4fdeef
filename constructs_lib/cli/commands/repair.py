"""`cqrs redrive`, `cqrs skip` and `cqrs drop`: parked handlers, and those that are gone."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from constructs_lib.cli.context import Result
from constructs_lib.cli.errors import RefusedError, UsageError
from constructs_lib.cli.modules import chosen_modules, one_module, plain_name
from constructs_lib.cli.progress import progress
from constructs_lib.cli.screen import Line, Table, brief, say
from constructs_lib.cli.walk import MANY, Walk, positions, scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.cli.context import Context
    from constructs_lib.cli.resume import Position

__all__ = ["drop", "redrive", "skip"]

_AT_ONCE = 4
_KEY = ("module", "pk", "sk", "handler")
_STOPPING = "stopping after the handlers under way; Ctrl-C again stops at once"


@dataclass(frozen=True, slots=True)
class _Target:
    """A parked handler."""

    module: str
    pk: str
    sk: str | None
    handler: str


def redrive(context: Context) -> Result:
    """Run one parked handler again, or all of them."""
    options = context.options
    if options.all and options.pk is not None:
        message = "--all: leave out PK and SK, or leave out --all"
        raise UsageError(message)
    if options.all:
        return _redrive_all(context)
    if options.pk is None:
        message = "PK and SK: name the aggregate, or give --all; see cqrs redrive --help"
        raise UsageError(message)
    return _repair_one(context, "redrive")


def skip(context: Context) -> Result:
    """Pass over the version that a handler is parked at."""
    options = context.options
    if not options.dry_run and not options.yes and not sys.stdin.isatty():
        message = (
            "--yes: a version that is skipped never reaches the handler; add --yes to say that you mean it"
        )
        raise UsageError(message)
    return _repair_one(context, "skip")


def drop(context: Context) -> Result:
    """Delete the cursor of a handler that the module does not have any more."""
    options = context.options
    target = _Target(one_module(context), options.pk, options.sk, options.handler)
    answer = context.operator.ask_once("drop", **asdict(target), dryRun=options.dry_run)
    dropped = {name: answer[name] for name in ("parkedVersion", "error")}
    document = {"dryRun": options.dry_run, **asdict(target), **dropped}
    title = "Dry run: nothing was written" if options.dry_run else "Dropped"
    row = [*(document[name] for name in _KEY), dropped["parkedVersion"], brief(dropped["error"])]
    return Result(document, [Table([*_KEY, "was parked at", "error"], [row], title)])


def _repair_one(context: Context, operation: str) -> Result:
    options = context.options
    module = one_module(context)
    target = _Target(module, options.pk, options.sk, options.handler or _only_handler(context, module))
    if operation == "skip" and not options.dry_run and not options.yes:
        _confirm(context, target)
    answer = context.operator.ask_once(operation, **asdict(target), dryRun=options.dry_run)
    return _result([asdict(target) | answer], [], Walk.nowhere(), dry_run=options.dry_run)


def _only_handler(context: Context, module: str) -> str:
    """The module's handler, where there is one only."""
    (found,) = [entry for entry in chosen_modules(context) if entry.name == module]
    if len(found.handlers) != 1:
        message = f"--handler: module {module!r} has {', '.join(found.handlers) or 'none'}; name one of them"
        raise UsageError(message)
    return found.handlers[0]


def _confirm(context: Context, target: _Target) -> None:
    """Ask on the terminal; what was not confirmed is not done."""
    planned = context.operator.ask("skip", **asdict(target), dryRun=True)
    whose = target.pk if target.sk is None else f"{target.pk} {target.sk}"
    say(f"{target.handler} will never get version {planned['skipped']} of {whose}.")
    say(f"It failed there with: {planned['error']}")
    sys.stderr.write("Skip it? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        message = "nothing was skipped"
        raise RefusedError(message)


def _redrive_all(context: Context) -> Result:
    options = context.options
    targets = _find(context)
    results: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []

    def ask(target: _Target) -> dict[str, Any]:
        try:
            return context.operator.ask_once("redrive", **asdict(target), dryRun=options.dry_run)
        except RefusedError as error:
            # One that cannot be repaired, or that somebody else has repaired, must not stop the others.
            return {"refused": {"type": error.kind, "message": str(error)}}

    with progress("redrive", len(targets)) as shown:

        def take(target: _Target, answer: dict[str, Any]) -> None:
            if "refused" in answer:
                refused.append(asdict(target) | {"error": answer["refused"]})
            else:
                results.append(asdict(target) | answer)
            again = sum(result["parkedVersion"] is not None for result in results)
            shown.advance(1, f"{again} parked again, {len(refused)} refused")

        walk = Walk(targets, ask, take, threads=options.segments or _AT_ONCE)
        walk.run(lambda: say(_STOPPING))
    return _result(results, refused, walk, dry_run=options.dry_run)


def _find(context: Context) -> list[_Target]:
    """Every parked handler of the chosen modules; of one handler, where one is named."""
    options = context.options
    modules = [module for module in chosen_modules(context) if module.handlers]
    if options.handler and not any(plain_name(options.handler) in module.handlers for module in modules):
        message = f"--handler: no module that was chosen has the handler {options.handler!r}"
        raise RefusedError(message)
    found: list[_Target] = []
    known = {(module.name, handler) for module in modules for handler in module.handlers}

    def take(position: Position, page: dict[str, Any]) -> str:
        found.extend(
            _Target(position.module, entry["pk"], entry["sk"], entry["handler"])
            for entry in page["parked"]
            # One that is gone cannot run: `cqrs status` lists it, and `cqrs drop` is for it.
            if (position.module, plain_name(entry["handler"])) in known
            and options.handler in {None, entry["handler"], plain_name(entry["handler"])}
        )
        return f"{len(found)} parked"

    start = positions("parked", modules, options.segments)
    rows = sum(module.rows or 0 for module in modules)
    walk = scan(context, start, {"parked": {"limit": MANY}}, take, rows=rows)
    if walk.error:
        raise walk.error
    if walk.interrupted:
        raise KeyboardInterrupt
    return found


def _result(
    results: Sequence[dict[str, Any]],
    refused: Sequence[dict[str, Any]],
    walk: Walk[Any],
    *,
    dry_run: bool,
) -> Result:
    """Give what came of it, for scripts and for people.

    Args:
        results: The service's answers, with the keys of what was repaired.
        refused: Keys of what was not, with the error.
        walk: The walk over all of them, which may have ended early.
        dry_run: Whether nothing was written.
    """
    again = [result for result in results if result["parkedVersion"] is not None]
    left = len(walk.left)
    ended, code, hints = walk.ending(attention=bool(refused or (again and not dry_run)))
    document = {
        "dryRun": dry_run,
        **ended,
        "left": left,
        "healed": 0 if dry_run else len(results) - len(again),
        "parkedAgain": 0 if dry_run else len(again),
        "results": list(results),
        "refused": list(refused),
    }
    if left:
        hints.append(f"{left} are left; the same command goes on with them")
    return Result(document, _parts(results, refused, dry_run=dry_run), code, hints)


def _parts(
    results: Sequence[dict[str, Any]], refused: Sequence[dict[str, Any]], *, dry_run: bool
) -> list[Line | Table]:
    if not results and not refused:
        return [Line("Nothing is parked.", "green")]
    parts: list[Line | Table] = []
    if results:
        title = "Dry run: nothing was written, no handler was called" if dry_run else ""
        state = "parked at" if dry_run else "parked again at"
        columns = [*_KEY, "would run" if dry_run else "done", "skipped", state, "error"]
        rows = [
            [
                *(result[name] for name in _KEY),
                _versions(result["done"]),
                result["skipped"],
                result["parkedVersion"],
                brief(result["error"]),
            ]
            for result in results
        ]
        parts.append(Table(columns, rows, title))
    if refused:
        rows = [[*(entry[name] for name in _KEY), entry["error"]["message"]] for entry in refused]
        parts.append(Table([*_KEY, "error"], rows, "Refused"))
    return parts


def _versions(versions: Sequence[int]) -> str | None:
    """Versions in few words: a handler may have been parked for thousands of them."""
    if not versions:
        return None
    if len(versions) == 1 or versions[-1] - versions[0] != len(versions) - 1:
        return ", ".join(map(str, versions))
    return f"{versions[0]}-{versions[-1]}"
