"""Writing: tables for people, one JSON document for scripts, everything else to standard error."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO

from constructs_lib.cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

__all__ = ["Line", "Table", "brief", "check_tables", "printable", "say", "show_parts", "write_json"]

#: Where no terminal limits it, a line is as wide as what is in it.
_WIDTH_OFF_TERMINAL = 10_000
_LONGEST_CELL = 160


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text.

    Attributes:
        text: The text.
        style: How rich shows it on a terminal.
    """

    text: str = ""
    style: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table. None is shown as a dash.

    Attributes:
        columns: Their headings.
        rows: The cells.
        title: What it shows.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]] = field(default_factory=list)
    title: str = ""


def printable(text: str) -> str:
    """Make control characters visible: keys and errors come from users, and could steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def brief(text: str | None) -> str | None:
    """Shorten an error to one line for a cell of a table; `cqrs show` has all of it."""
    line = " ".join((text or "").split())
    return (line if len(line) <= _LONGEST_CELL else line[: _LONGEST_CELL - 1] + "…") or None


def say(text: str) -> None:
    """Write one line on standard error: something to know that is not part of the result."""
    with _writing(sys.stderr):
        sys.stderr.write(printable(text) + "\n")


def write_json(document: dict[str, Any]) -> None:
    """Write the one document of ``--json``. Only ASCII, whatever the locale."""
    with _writing(sys.stdout):
        sys.stdout.write(json.dumps(document, indent=2) + "\n")


def check_tables() -> None:
    """Check that tables can be shown, before anything is done.

    Raises:
        UsageError: rich is not installed.
    """
    try:
        import rich  # noqa: F401, PLC0415 - an extra: `--json` works without it
    except ImportError as error:
        message = "rich is not installed; run `pip install 'cdk-cqrs[cli]'`, or use --json"
        raise UsageError(message) from error


def show_parts(parts: Sequence[Line | Table]) -> None:
    """Print lines and tables on standard output."""
    with _writing(sys.stdout):
        console = _console()
        for part in parts:
            if isinstance(part, Line):
                console.print(printable(part.text), style=part.style or None)
            else:
                _print_table(console, part)


@contextmanager
def _writing(stream: TextIO) -> Iterator[None]:
    """Write to a stream in a ``with`` block, whatever its encoding.

    A reader that stops early, as `head` does, is not an error.
    """
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    try:
        yield
        stream.flush()
    except BrokenPipeError:
        # What Python would still flush at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415 - see above

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            # rich would end the program, with a code that means something else.
            raise BrokenPipeError

    width = None if sys.stdout.isatty() else _WIDTH_OFF_TERMINAL
    return Quiet(highlight=False, markup=False, emoji=False, width=width)


def _print_table(console: Console, table: Table) -> None:
    from rich import box  # noqa: PLC0415 - see above
    from rich.table import Table as Grid  # noqa: PLC0415 - see above

    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for position, heading in enumerate(table.columns):
        cells = [row[position] for row in table.rows]
        numbers = any(isinstance(cell, int) for cell in cells) and not any(
            isinstance(cell, str) for cell in cells
        )
        # Nothing is cut off: what does not fit goes on in the next line.
        grid.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for row in table.rows:
        grid.add_row(*("-" if cell is None else printable(str(cell)) for cell in row))
    if table.title:
        console.print(printable(table.title), style="bold")
    console.print(grid)
    console.print()
