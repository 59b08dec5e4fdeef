"""`cqrs reconcile` and `cqrs resync`: over whole tables, resumable."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from constructs_lib.cli.context import Result
from constructs_lib.cli.errors import RefusedError, UsageError
from constructs_lib.cli.modules import chosen_modules
from constructs_lib.cli.resume import positions_of
from constructs_lib.cli.screen import Line, Table
from constructs_lib.cli.walk import MANY, positions, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from constructs_lib.cli.context import Context, Listing
    from constructs_lib.cli.modules import Module
    from constructs_lib.cli.resume import Position

__all__ = ["reconcile", "resync"]

#: Options that the tokens of ``--resume`` contain.
_IN_TOKENS = ("--module", "--segments")
_VERSION = ("pk", "sk", "version")
_COUNTS = ("applied", "handled", "finished", "handedOver")


def reconcile(context: Context) -> Result:
    """Find commands that were not processed to their end, and process them."""
    arguments = {"olderThan": context.options.older_than}
    return _sweep(context, "reconcile", chosen_modules(context), arguments, _ReconcileTally)


def resync(context: Context) -> Result:
    """Give the state of every aggregate to data sync handlers once more."""
    wanted = context.options.handler
    modules = [module for module in chosen_modules(context) if _has(module, wanted)]
    if not modules:
        named = f"the handler {' and '.join(wanted)}" if wanted else "a data sync handler"
        message = f"--handler: no module that was chosen has {named}"
        raise RefusedError(message)
    return _sweep(context, "resync", modules, {"handlers": wanted}, _ResyncTally)


def _has(module: Module, wanted: Sequence[str] | None) -> bool:
    return set(wanted) <= set(module.handlers) if wanted else bool(module.handlers)


def _sweep(
    context: Context,
    operation: str,
    modules: Sequence[Module],
    arguments: Mapping[str, object],
    kind: Callable[[str, Callable[[], Listing]], _Tally],
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
    parts = _sweep_parts(list(tallies.values()), dry_run=options.dry_run)
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
            message = (
                f"--resume: {position.module!r} is not one of the modules to go over, {', '.join(known)}"
            )
            raise UsageError(message)
    return found


def _going_on(words: Sequence[str], tokens: Sequence[str]) -> str:
    """Give the command line that resumes: as it was typed, with tokens in place of what they contain."""
    kept, drop = [], False
    for word in words:
        if drop or word in {*_IN_TOKENS, "--resume"}:
            drop = not drop
        elif word.split("=", 1)[0] not in {*_IN_TOKENS, "--resume"}:
            kept.append(word)
    resume = [part for token in tokens for part in ("--resume", token)]
    return shlex.join(["cqrs", *kept, *resume])


class _Tally(Protocol):
    """The totals of one module, over all its pages."""

    columns: ClassVar[tuple[str, ...]]

    @property
    def failures(self) -> int:
        """How many commands or rows failed."""

    def add(self, page: dict[str, Any]) -> None:
        """Add a page."""

    def note(self) -> str:
        """What was found so far, in words."""

    def document(self) -> dict[str, Any]:
        """For scripts."""

    def cells(self) -> list[object]:
        """A row for people, as in `columns`."""

    def lists(self) -> list[Line | Table]:
        """Tables and lines to show below the totals."""


class _ReconcileTally:
    """Pages of `reconcile` of one module."""

    columns: ClassVar[tuple[str, ...]] = (
        "module",
        "rows",
        "found",
        "applied",
        "handled",
        "finished",
        "handed over",
        "failed",
    )

    def __init__(self, module: str, listing: Callable[[], Listing]) -> None:
        self.module = module
        self.scanned = 0
        self.counts = dict.fromkeys(_COUNTS, 0)
        self.found = listing()
        self.failed = listing()

    @property
    def failures(self) -> int:
        """How many commands could not be processed."""
        return self.failed.total

    def add(self, page: dict[str, Any]) -> None:
        """Add a page."""
        self.scanned += page["scanned"]
        self.found.add(page["found"])
        self.failed.add(page["failed"])
        for name in _COUNTS:
            self.counts[name] += page[name]

    def note(self) -> str:
        """What was found so far, in words."""
        return f"{self.module}: {self.found.total} found, {self.failed.total} failed"

    def document(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "module": self.module,
            "scanned": self.scanned,
            "found": self.found.entries,
            "foundTotal": self.found.total,
            **self.counts,
            "failed": self.failed.entries,
            "failedTotal": self.failed.total,
        }

    def cells(self) -> list[object]:
        """A row for people, as in `columns`."""
        return [self.module, self.scanned, self.found.total, *self.counts.values(), self.failed.total]

    def lists(self) -> list[Line | Table]:
        """What was found, and what failed."""
        return [
            *_listed(self.found, f"Found in {self.module}", (*_VERSION, "problem", "status", "createdAt")),
            *_listed(self.failed, f"Failed in {self.module}", (*_VERSION, "error")),
        ]


class _ResyncTally:
    """Pages of `resync` of one module."""

    columns: ClassVar[tuple[str, ...]] = ("module", "rows", "given to handlers", "failed")

    def __init__(self, module: str, listing: Callable[[], Listing]) -> None:
        self.module = module
        self.scanned = 0
        self.rows = 0
        self.failed = listing()

    @property
    def failures(self) -> int:
        """How many times a handler did not take a row."""
        return self.failed.total

    def add(self, page: dict[str, Any]) -> None:
        """Add a page."""
        self.scanned += page["scanned"]
        self.rows += page["rows"]
        self.failed.add(page.get("failed", []))

    def note(self) -> str:
        """What was done so far, in words."""
        return f"{self.module}: {self.rows} given, {self.failed.total} failed"

    def document(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "module": self.module,
            "scanned": self.scanned,
            "rows": self.rows,
            "failed": self.failed.entries,
            "failedTotal": self.failed.total,
        }

    def cells(self) -> list[object]:
        """A row for people, as in `columns`."""
        return [self.module, self.scanned, self.rows, self.failed.total]

    def lists(self) -> list[Line | Table]:
        """What handlers did not take."""
        return _listed(self.failed, f"Failed in {self.module}", ("pk", "sk", "handler", "error"))


def _sweep_parts(tallies: Sequence[_Tally], *, dry_run: bool) -> list[Line | Table]:
    """Give one table with the totals of all modules, and the lists of each."""
    title = "Dry run: nothing was written, no handler was called" if dry_run else ""
    parts: list[Line | Table] = [Table(tallies[0].columns, [tally.cells() for tally in tallies], title)]
    return parts + [part for tally in tallies for part in tally.lists()]


def _listed(listing: Listing, title: str, columns: tuple[str, ...]) -> list[Line | Table]:
    if not listing.entries:
        return []
    rows = [[entry[name] for name in columns] for entry in listing.entries]
    parts: list[Line | Table] = [Table([*columns], rows, title)]
    return [*parts, Line(listing.more), Line()] if listing.more else parts
