"""What the demo shows: live on a terminal, line by line elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from constructs_lib.local.console import seconds_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import RenderableType
    from rich.status import Status

    from examples.demo.watch import Sighting

__all__ = ["Screen", "Step"]

_WIDTH_OFF_TERMINAL = 120


@dataclass
class Step:
    """One step of the set-up.

    Attributes:
        title: What it does.
        result: What to say about it when it is done.
        seconds: How long it took; 0 while it runs.
        progress: Says what it is at.
    """

    title: str
    result: str = ""
    seconds: float = 0.0
    progress: Callable[[str], None] = field(default=lambda _text: None, repr=False)


class Screen:
    """Prints the demo.

    Attributes:
        console: Where to; for what has no method here.
        steps: The steps that are done.
    """

    def __init__(self) -> None:
        console = Console(highlight=False)
        self.console = console if console.is_terminal else Console(highlight=False, width=_WIDTH_OFF_TERMINAL)
        self.steps: list[Step] = []
        self._live = console.is_terminal

    def heading(self, text: str) -> None:
        """Begin a part."""
        self.console.print(f"\n[bold]{escape(text)}[/bold]")

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show that a step runs, and when it is done how long it took."""
        step = Step(title)
        started = time.monotonic()
        if self._live:
            with self.console.status(escape(title)) as status:
                step.progress = lambda text: self._progress(status, title, text)
                yield step
        else:
            self.console.print(f"  … {escape(title)}")
            yield step
        step.seconds = time.monotonic() - started
        self.steps.append(step)
        took = f"[dim]{seconds_text(step.seconds):>7}[/dim]"
        line = f"  [green]✓[/green] {escape(title):<26} {took}  {escape(step.result)}"
        self.console.print(line, overflow="ellipsis", no_wrap=True)

    @contextmanager
    def watching(self, sightings: Sequence[Sighting]) -> Iterator[Callable[[Sighting], None]]:
        """Show sightings as they are made; yields what to call with each of them."""
        if self._live:
            with Live(_sightings_table(sightings), console=self.console, refresh_per_second=15) as live:
                yield lambda _sighting: live.update(_sightings_table(sightings))
        else:
            yield lambda sighting: self.console.print(_sightings_table([sighting]))

    def say(self, renderable: RenderableType) -> None:
        """Print a text (with rich's markup) or anything else that rich can show."""
        self.console.print(renderable)

    def _progress(self, status: Status, title: str, text: str) -> None:
        room = max(self.console.width - len(title) - 8, 10)
        status.update(f"{escape(title)}  [dim]{escape(text[:room])}[/dim]")


def _sightings_table(sightings: Sequence[Sighting]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=3, justify="right")
    table.add_column(width=13)
    table.add_column(width=8, justify="right", style="dim")
    table.add_column(overflow="fold")
    for sighting in sightings:
        if sighting.text is None:
            table.add_row(Spinner("dots"), f"[dim]{sighting.label}[/dim]")
        else:
            when = seconds_text(sighting.seconds)
            table.add_row("[green]✓[/green]", sighting.label, when, escape(sighting.text))
    return table
