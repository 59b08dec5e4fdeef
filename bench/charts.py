"""The charts of docs/performance.md, drawn of the JSON files."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, Final

from pygal import Config, HorizontalBar, PluginImportFixer
from pygal.style import CleanStyle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["CHARTS", "Chart", "draw"]

# It looks for maps, of which there are none here, in a way that Python 3.11 warns of at each import.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PluginImportFixer)]


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
    """The chart as SVG: the same bytes for the same figures, without scripts, and nothing from elsewhere."""
    rows = list(chart.rows(figures))
    config = Config(js=[], print_values=True, show_y_guides=False, legend_at_bottom=True, no_prefix=True)
    bars = HorizontalBar(config, style=CleanStyle, title=chart.title, height=120 + 44 * len(rows))
    bars.x_labels = [label for label, _ in reversed(rows)]
    for number, name in enumerate(chart.series):
        bars.add(name, [values[number] for _, values in reversed(rows)])
    bars.uuid = chart.name  # at random otherwise
    bars.add_xml_filter(_bare)
    drawn: bytes = bars.render()
    return drawn


def _bare(root: Any) -> Any:  # noqa: ANN401 - an element of whichever library pygal has found
    """Without scripts, and without comments, which have the day in them."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == "script" or not isinstance(child.tag, str):
                parent.remove(child)
    return root


def _calls(figures: Mapping[str, Any]) -> Sequence[tuple[str, Sequence[float | None]]]:
    ours = {one["operation"]: one["calls"] for one in reversed(figures["counts"])}
    return [(name, (ours[name], theirs)) for name, theirs in figures["reference"].items()]


def _starts(figures: Mapping[str, Any]) -> Sequence[tuple[str, Sequence[float | None]]]:
    return [(kind, (round(of["ratio"], 2), of["budget"])) for kind, of in figures["starts"].items()]


def _cpu(figures: Mapping[str, Any]) -> Sequence[tuple[str, Sequence[float | None]]]:
    rows = []
    for one in figures["comparisons"]:
        ours, client, bare = (median(one[f"{side}_ms"]) for side in ("ours", "client", "bare"))
        rows.append((one["name"], (round(ours / bare, 2), round(client / bare, 2))))
    return rows


def _latency(figures: Mapping[str, Any]) -> Sequence[tuple[str, Sequence[float | None]]]:
    rows = []
    for mode in figures["modes"]:
        marks = quantiles(mode["applied_ms"], n=100, method="inclusive")
        rows.append((mode["name"], (round(marks[49]), round(marks[98]))))
    return rows


CHARTS: Final = (
    Chart(
        "calls",
        "counts",
        "Calls of DynamoDB, at 1 KB",
        ("ours", "MBC CQRS Serverless 1.2.5"),
        _calls,
    ),
    Chart(
        "cpu",
        "beside_boto3",
        "CPU, by that of bare boto3",
        ("ours", "our client alone"),
        _cpu,
    ),
    Chart(
        "latency",
        "latency",
        "ms from publish to data row, on the emulator",
        ("p50", "p99"),
        _latency,
    ),
    Chart(
        "cold-starts",
        "cold_start",
        "CPU of the init phase, by that of boto3 and its clients",
        ("ours", "budget"),
        _starts,
    ),
)
