"""Going over the tables of modules: page by page, with totals, and a way to go on after an interruption."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from constructs_lib.cli.context import Result
from constructs_lib.cli.errors import UsageError
from constructs_lib.cli.resume import positions_of
from constructs_lib.cli.screen import Line, Table
from constructs_lib.cli.walk import MANY, positions, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from constructs_lib.cli.context import Context, Listing
    from constructs_lib.cli.modules import Module
    from constructs_lib.cli.resume import Position

__all__ = ["Tally", "listed", "sweep"]

#: Options that the tokens of ``--resume`` contain.
_IN_TOKENS = ("--module", "--segments")


class Tally(Protocol):
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


def sweep(
    context: Context,
    operation: str,
    modules: Sequence[Module],
    arguments: Mapping[str, object],
    kind: Callable[[str, Callable[[], Listing]], Tally],
    *,
    size: int | None = None,
    rows: int | None = None,
    has_dry_run: bool = True,
) -> Result:
    """Run an operation on every page of modules, and add up what comes of it.

    Args:
        context: The command.
        operation: Name of the operation.
        modules: Whose tables.
        arguments: What else the function is asked.
        kind: Makes the totals of a module.
        size: Rows of a page, where ``--page-size`` does not say. Default: what the service takes.
        rows: About how many rows there are; 0 where that is not known. Default: as the modules say.
        has_dry_run: Whether the command may be run without writing anything.
    """
    options = context.options
    start = _start(context, operation, modules)
    tallies = {position.module: kind(position.module, context.listing) for position in start}

    def take(position: Position, page: dict[str, Any]) -> str:
        tallies[position.module].add(page)
        return ", ".join(note for note in (tally.note() for tally in tallies.values()) if note)

    size = options.page_size or (MANY if options.dry_run else size)
    dry_run = {"dryRun": options.dry_run} if has_dry_run else {}
    asked = {operation: {**dry_run, "limit": size, **arguments}}
    if rows is None:
        rows = sum(module.rows or 0 for module in modules if module.name in tallies)
    walk = scan(context, start, asked, take, rows=rows)
    ended, code, hints = walk.ending(attention=any(tally.failures for tally in tallies.values()))
    tokens = [str(position) for position in walk.left]
    document = {
        **dry_run,
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


def _sweep_parts(tallies: Sequence[Tally], *, dry_run: bool) -> list[Line | Table]:
    """Give one table with the totals of all modules, and the lists of each."""
    title = "Dry run: nothing was written, no handler was called" if dry_run else ""
    parts: list[Line | Table] = [Table(tallies[0].columns, [tally.cells() for tally in tallies], title)]
    return parts + [part for tally in tallies for part in tally.lists()]


def listed(listing: Listing, title: str, columns: tuple[str, ...]) -> list[Line | Table]:
    """Give a table of what was listed, and say how much was not; nothing where there is nothing."""
    if not listing.entries:
        return []
    rows = [[entry[name] for name in columns] for entry in listing.entries]
    parts: list[Line | Table] = [Table([*columns], rows, title)]
    return [*parts, Line(listing.more), Line()] if listing.more else parts
