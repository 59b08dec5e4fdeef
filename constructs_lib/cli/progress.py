"""How far a walk over a table is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from constructs_lib.cli.screen import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich import progress as bars

__all__ = ["Progress", "progress"]

_LINE_SECONDS = 5.0


class Progress(Protocol):
    """Shows how far a walk is, page by page."""

    def advance(self, rows: int, note: str) -> None:
        """Add ``rows`` that were looked at; ``note`` says what was found so far."""


@contextmanager
def progress(title: str, rows: int) -> Iterator[Progress]:
    """Show how far it is, on standard error, for the duration of a ``with`` block.

    Args:
        title: What is done.
        rows: About how many rows there are; 0 where that is not known.
    """
    if not sys.stderr.isatty() or find_spec("rich") is None:
        yield _Lines(title, rows)
        return
    from rich import progress as bars  # noqa: PLC0415 - not needed elsewhere
    from rich.console import Console  # noqa: PLC0415 - see above

    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.TextColumn("{task.completed} rows"),
        bars.TextColumn("{task.fields[note]}", markup=False),
        bars.TimeElapsedColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield _Bar(shown, shown.add_task(title, total=rows or None, note=""))


class _Lines:
    def __init__(self, title: str, rows: int) -> None:
        self._title = title
        self._of = f" of about {rows}" if rows else ""
        self._seen = 0
        self._said = time.monotonic()

    def advance(self, rows: int, note: str) -> None:
        self._seen += rows
        if time.monotonic() - self._said >= _LINE_SECONDS:
            self._said = time.monotonic()
            say(f"{self._title}: {self._seen}{self._of} rows, {note}")


class _Bar:
    def __init__(self, shown: bars.Progress, task: bars.TaskID) -> None:
        self._shown = shown
        self._task = task

    def advance(self, rows: int, note: str) -> None:
        self._shown.update(self._task, advance=rows, note=note)
