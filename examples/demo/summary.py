"""The end of the demo: what happened, and how long it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.panel import Panel
from rich.table import Table

from constructs_lib.local.console import seconds_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from examples.demo.chapters import Story
    from examples.demo.screen import Screen

__all__ = ["summarize"]


def summarize(screen: Screen, story: Story, invocations: Mapping[str, int], total_seconds: float) -> None:
    """Print the summary.

    Args:
        screen: Where to.
        story: What was told.
        invocations: Calls of each function.
        total_seconds: How long all of it took.
    """
    screen.heading("What happened")
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("milliseconds until", style="bold")
    for column in ("answer", *story.columns):
        table.add_column(column, justify="right")
    for chapter in story.chapters:
        seen = {sighting.label: sighting.seconds for sighting in chapter.sightings}
        times = [chapter.answer.seconds, *(seen[column] for column in story.columns)]
        table.add_row(chapter.title, *(f"{1000 * seconds:.0f}" for seconds in times))
    screen.say(table)
    screen.say("  [dim]The first command came to functions that had to start.[/dim]\n")
    calls = ", ".join(f"{name} {count}" for name, count in sorted(invocations.items()))
    setup = sum(step.seconds for step in screen.steps)
    lines = (
        *story.said,
        f"{sum(invocations.values())} function calls: {calls}.",
        f"{seconds_text(total_seconds)} in all, {seconds_text(setup)} of them to start, deploy and sign in.",
    )
    screen.say(Panel("\n".join(lines), expand=False, border_style="green"))
