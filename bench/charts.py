"""The charts of docs/performance.md, drawn of the JSON files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pygal import Config, HorizontalBar
from pygal.style import CleanStyle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["CHARTS", "Chart", "draw"]


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart.

    Attributes:
        name: Name of its file.
        part: Whose figures it shows.
        title: What it says.
        series: What stands beside each other.
        rows: Gives the label and the value of each series, row by row.
    """

    name: str
    part: str
    title: str
    series: Sequence[str]
    rows: Callable[[Mapping[str, Any]], Sequence[tuple[str, Sequence[float | None]]]]


def draw(chart: Chart, figures: Mapping[str, Any]) -> bytes:
    """The chart as SVG, without scripts and fonts from elsewhere."""
    rows = list(chart.rows(figures))
    config = Config(js=[], print_values=True, show_y_guides=False, legend_at_bottom=True, no_prefix=True)
    bars = HorizontalBar(config, style=CleanStyle, title=chart.title, height=120 + 44 * len(rows))
    bars.x_labels = [label for label, _ in reversed(rows)]
    for number, name in enumerate(chart.series):
        bars.add(name, [values[number] for _, values in reversed(rows)])
    drawn: bytes = bars.render()
    return drawn


def _calls(figures: Mapping[str, Any]) -> Sequence[tuple[str, Sequence[float | None]]]:
    ours = {one["operation"]: one["calls"] for one in reversed(figures["counts"])}
    return [(name, (ours[name], theirs)) for name, theirs in figures["reference"].items()]


def _starts(figures: Mapping[str, Any]) -> Sequence[tuple[str, Sequence[float | None]]]:
    return [(kind, (round(of["ratio"], 2), of["budget"])) for kind, of in figures["starts"].items()]


CHARTS: Final = (
    Chart(
        "calls",
        "counts",
        "Calls of DynamoDB, at 1 KB",
        ("ours", "MBC CQRS Serverless 1.2.5"),
        _calls,
    ),
    Chart(
        "cold-starts",
        "cold_start",
        "CPU of the init phase, by that of boto3 and its clients",
        ("ours", "budget"),
        _starts,
    ),
)
