"""`cqrs reconcile` and `cqrs resync`: over whole tables, resumable."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from constructs_lib.cli.commands.sweep_tally import ReconcileTally, ResyncTally, Tally, sweep_parts
from constructs_lib.cli.context import Result
from constructs_lib.cli.errors import RefusedError, UsageError
from constructs_lib.cli.modules import chosen_modules
from constructs_lib.cli.resume import positions_of
from constructs_lib.cli.scans import MANY, positions, scan
from constructs_lib.cli.screen import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from constructs_lib.cli.context import Context, Listing
    from constructs_lib.cli.modules import Module
    from constructs_lib.cli.resume import Position

__all__ = ["reconcile", "resync"]

#: What the tokens of ``--resume`` say by themselves.
_IN_TOKENS = ("--module", "--segments")


def reconcile(context: Context) -> Result:
    """Find commands that were not processed to their end, and process them."""
    arguments = {"olderThan": context.options.older_than}
    return _sweep(context, "reconcile", chosen_modules(context), arguments, ReconcileTally)


def resync(context: Context) -> Result:
    """Give the state of every aggregate to data sync handlers once more."""
    wanted = context.options.handler
    modules = [module for module in chosen_modules(context) if _has(module, wanted)]
    if not modules:
        named = f"the handler {' and '.join(wanted)}" if wanted else "a data sync handler"
        message = f"--handler: no module that was chosen has {named}"
        raise RefusedError(message)
    return _sweep(context, "resync", modules, {"handlers": wanted}, ResyncTally)


def _has(module: Module, wanted: Sequence[str] | None) -> bool:
    return set(wanted) <= set(module.handlers) if wanted else bool(module.handlers)


def _sweep(
    context: Context,
    operation: str,
    modules: Sequence[Module],
    arguments: Mapping[str, object],
    kind: Callable[[str, Callable[[], Listing]], Tally],
) -> Result:
    options = context.options
    start = _start(context, operation, modules)
    tallies = {position.module: kind(position.module, context.listing) for position in start}

    def take(position: Position, page: dict[str, Any]) -> str:
        tallies[position.module].add(page)
        return ", ".join(note for note in (tally.note() for tally in tallies.values()) if note)

    size = options.page_size or (MANY if options.dry_run else None)
    asked = {operation: {"dryRun": options.dry_run, "limit": size, **arguments}}
    rows = sum(module.rows or 0 for module in modules if module.name in tallies)
    walk = scan(context, start, asked, take, rows=rows)
    ended, code, hints = walk.ending(attention=any(tally.failures for tally in tallies.values()))
    tokens = [str(position) for position in walk.left]
    document = {
        "dryRun": options.dry_run,
        **ended,
        "resume": tokens,
        "modules": [tally.document() for tally in tallies.values()],
    }
    parts = sweep_parts(list(tallies.values()), dry_run=options.dry_run)
    if tokens:
        parts.append(Line(f"Not done: {len(tokens)} of {len(start)} segments are left.", "bold yellow"))
        hints.append(f"to go on: {_going_on(context.words, tokens)}")
    return Result(document, parts, code, hints)


def _start(context: Context, operation: str, modules: Sequence[Module]) -> list[Position]:
    options = context.options
    if not options.resume:
        return positions(operation, modules, options.segments)
    for name in _IN_TOKENS:
        if getattr(options, name.removeprefix("--")) is not None:
            message = f"{name}: leave it out with --resume, whose tokens say it"
            raise UsageError(message)
    found = positions_of(options.resume, operation)
    known = [module.name for module in modules]
    for position in found:
        if position.module not in known:
            message = f"--resume: {position.module!r} is none of the modules to go over, {', '.join(known)}"
            raise UsageError(message)
    return found


def _going_on(words: Sequence[str], tokens: Sequence[str]) -> str:
    """The command line that goes on: as it was typed, with tokens in place of what they say."""
    kept, drop = [], False
    for word in words:
        if drop or word in {*_IN_TOKENS, "--resume"}:
            drop = not drop
        elif word.split("=", 1)[0] not in {*_IN_TOKENS, "--resume"}:
            kept.append(word)
    resume = [part for token in tokens for part in ("--resume", token)]
    return shlex.join(["cqrs", *kept, *resume])
