"""Going over the tables of modules: positions to begin at, pages, progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from constructs_lib.cli.progress import progress
from constructs_lib.cli.resume import Position
from constructs_lib.cli.screen import say
from constructs_lib.cli.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from constructs_lib.cli.context import Context
    from constructs_lib.cli.modules import Module

__all__ = ["MANY", "MOST_SEGMENTS", "positions", "scan"]

#: Rows of a page where each row costs next to nothing.
MANY: Final = 1000
MOST_SEGMENTS: Final = 64
_ROWS_PER_SEGMENT: Final = 10_000
_SEGMENTS_UNASKED: Final = 8


def positions(operation: str, modules: Sequence[Module], segments: int | None) -> list[Position]:
    """Where to begin: each segment of each module's table.

    Args:
        operation: What is done with the rows.
        modules: Whose tables.
        segments: Segments of each table. Default: one for each 10 000 rows, at most 8.
    """
    found = []
    for module in modules:
        total = segments or min(1 + (module.rows or 0) // _ROWS_PER_SEGMENT, _SEGMENTS_UNASKED)
        found += [Position(operation, module.name, segment, total) for segment in range(total)]
    return found


def scan(
    context: Context,
    start: Sequence[Position],
    arguments: Mapping[str, Mapping[str, object]],
    take: Callable[[Position, dict[str, Any]], str],
    *,
    rows: int,
) -> Walk[Position]:
    """Go over tables, and show how far it is.

    Args:
        context: The command.
        start: Where to begin.
        arguments: What else the function is asked, by the name of the operation.
        take: Is given each page with its position; returns what was found so far, in words.
        rows: About how many rows there are.
    """

    def ask(position: Position) -> dict[str, Any]:
        return context.operator.ask(
            position.operation,
            module=position.module,
            segment=position.segment,
            totalSegments=position.total,
            resumeToken=position.page,
            **arguments[position.operation],
        )

    with progress(context.options.command, rows) as shown:

        def taken(position: Position, page: dict[str, Any]) -> Position | None:
            shown.advance(page["scanned"], take(position, page))
            return position.after(page)

        threads = max((position.total for position in start), default=1)
        walk = Walk(start, ask, taken, threads=threads)
        walk.run(lambda: say("stopping after the pages under way; Ctrl-C again stops at once"))
    return walk
