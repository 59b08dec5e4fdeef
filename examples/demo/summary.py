"""The end of the demo: what happened, and how long it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.panel import Panel
from rich.table import Table

from constructs_lib.local.console import seconds_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from examples.demo.screen import Screen
    from examples.demo.story import Chapter
    from examples.demo.traces import Traces

__all__ = ["summarize"]

_COLUMNS = ("own write", "data", "SQL", "notification", "execution")


def summarize(
    screen: Screen,
    chapters: Sequence[Chapter],
    traces: Traces,
    invocations: Mapping[str, int],
    total_seconds: float,
) -> None:
    """Print the summary.

    Args:
        screen: Where to.
        chapters: The commands.
        traces: What was counted on the way.
        invocations: Calls of each function.
        total_seconds: How long all of it took.
    """
    screen.heading("What happened")
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("milliseconds until", style="bold")
    for column in ("answer", *_COLUMNS):
        table.add_column(column, justify="right")
    for chapter in chapters:
        seen = {sighting.label: sighting.seconds for sighting in chapter.sightings}
        times = [chapter.answer.seconds, *(seen[column] for column in _COLUMNS)]
        table.add_row(chapter.title, *(f"{1000 * seconds:.0f}" for seconds in times))
    screen.say(table)
    screen.say("  [dim]The first command came to functions that had to start.[/dim]\n")
    transitions = sum(traces.transitions.values())
    calls = ", ".join(f"{name} {count}" for name, count in sorted(invocations.items()))
    setup = sum(step.seconds for step in screen.steps)
    text = (
        f"[bold]{len(chapters)} commands[/bold] accepted, applied in order, written to SQL and announced.\n"
        f"{len(traces.transitions)} executions with {transitions} state transitions.\n"
        f"{sum(invocations.values())} function calls: {calls}.\n"
        f"{seconds_text(total_seconds)} in all, {seconds_text(setup)} of them to start, deploy and sign in."
    )
    screen.say(Panel(text, expand=False, border_style="green"))
