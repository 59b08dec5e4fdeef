"""docs/performance.md is what its figures come to, and each chapter names the commands that make them."""

from __future__ import annotations

import importlib
import json
import re
import sys
from argparse import Namespace
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bench import (
    beside_boto3,
    bill,
    cold_start,
    counts,
    events,
    latency,
    left,
    limits,
    reference,
    synth,
    throughput,
)
from bench.charts import CHARTS, draw
from bench.figures import finish, parser_of
from bench.page import CHAPTERS, PARTS, Figures, page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
COMMAND = re.compile(r"^\.venv/bin/python -m bench\.(\w+)((?: --\S+(?: \S+)?)*)$", re.MULTILINE)


def run(module: Any, folder: Path, *options: str) -> dict[str, Any]:
    """The figures that a part writes; what it prints is the table of them."""
    name = module.__name__.rpartition(".")[2]
    output, printed = folder / f"{name}.json", StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr(sys, "argv", [f"bench.{name}", *options, "--output", str(output)])
        module.main()
    figures: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    assert printed.getvalue() == "\n".join(module.table(figures)) + "\n"
    return figures


def written(module: Any, folder: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """What a part would write that takes minutes, of figures that it has not measured."""
    name = module.__name__.rpartition(".")[2]
    parser = parser_of(name, None)
    output = folder / f"{name}.json"
    finish(parser, Namespace(output=output), figures, module.table)
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    """Those of each part: measured where that takes a moment."""
    folder = tmp_path_factory.mktemp("figures")
    things = ["publish, update", "list of 100"]
    request: list[Any] = [("dynamodb", "batch_get_item", {})]
    comparisons = [
        beside_boto3.Comparison(thing, print, print, 1, request, [8.25], [10.0], [7.5]) for thing in things
    ]
    rates = [
        {**vars(throughput.Rate("create", clients, [90.0], [100.0], [11.0, 12.0])), "ratio": 0.9}
        for clients in throughput.CLIENTS
    ]
    modes = [
        {"name": name, "accepted_ms": [31.0, 32.0], "applied_ms": [41.0, 43.0]} for name in latency.MODES
    ]
    starts = {
        kind: {"init_ms": 130.0, "boto3_ms": 125.0, "ratio": 1.04, "budget": budget}
        for kind, budget in cold_start.BUDGETS.items()
    }
    syntheses = {
        "empty_s": 5.0,
        "demo_s": 6.0,
        "included_s": 5.5,
        "ratio": 1.2,
        "included_ratio": 1.1,
        "ratios": {"demo": [1.2], "included": [1.1]},
        "budget": synth.BUDGET,
        "calls": {"empty": 12, "demo": 1534, "included": 14, "sixty": 40_000},
        "sixty_modules_s": 21.0,
        "sixty_modules_resources": 444,
        "sixty_modules_kb": 650.0,
    }
    return {
        "counts": run(counts, folder),
        "limits": run(limits, folder),
        "bill": run(bill, folder),
        "events": run(events, folder, "--aggregates", "2", "--turns", "1"),
        "beside_boto3": written(beside_boto3, folder, beside_boto3.figures_of(comparisons)),
        "throughput": written(throughput, folder, {"rates": rates}),
        "latency": written(latency, folder, {"modes": modes}),
        "cold_start": written(cold_start, folder, {"starts": starts, "imports": {}}),
        "synth": written(synth, folder, syntheses),
    }


def chapters_of(text: str) -> dict[str, str]:
    return dict(chapter.split("\n", 1) for chapter in text.split("\n## ")[1:])


def test_each_chapter_has_the_commands_the_machine_and_the_day_of_its_figures(figures: Figures) -> None:
    found = chapters_of(page(figures))
    assert list(found) == [chapter.title for chapter in CHAPTERS]
    for chapter in CHAPTERS:
        text = found[chapter.title]
        commands = re.search(r"```sh\n(.*?)\n```\n\n\*(.*?)\*\n", text, re.DOTALL)
        assert commands, text
        assert [name for name, _ in COMMAND.findall(commands[1])] == list(chapter.parts)
        assert commands[1].count("\n") + 1 == len(chapter.parts)
        for part in chapter.parts:
            assert f"{figures[part]['machine']}, {figures[part]['at'][:10]}" in commands[2]
            assert importlib.util.find_spec(f"bench.{part}")


def test_a_command_is_shown_with_what_is_not_as_by_default(figures: Figures) -> None:
    chapter = chapters_of(page(figures))["Aggregates of events"]
    assert "```sh\n.venv/bin/python -m bench.events --aggregates 2 --turns 1\n```" in chapter


def test_a_chapter_shows_what_its_commands_have_measured_and_nothing_else(figures: Figures) -> None:
    for chapter in CHAPTERS:
        own = {part: figures[part] for part in chapter.parts}
        shown = "\n".join(chapter.body(own))
        assert shown in page(figures)
        for part in chapter.parts:
            assert "\n".join(chapter.body(own | {part: doubled(figures[part])})) != shown, part


def doubled(figures: Any) -> Any:
    """The same with every number twice as large, but for those that say which bill or row is meant."""
    if isinstance(figures, dict):
        return {name: value if name == "handlers" else doubled(value) for name, value in figures.items()}
    if isinstance(figures, list):
        return [doubled(value) for value in figures]
    return figures * 2 if isinstance(figures, int | float) else figures


def test_no_number_of_the_costs_that_are_left_is_typed_in(figures: Figures) -> None:
    chapter = next(chapter for chapter in CHAPTERS if chapter.body is left.chapter)
    random = Random(5)  # noqa: S311 - no secret
    others = {part: varied(figures[part], random) for part in chapter.parts}
    now, then = (numbers_of("\n".join(left.chapter(of))) for of in (figures, others))
    assert len(now) == len(then) > 15
    assert [number for number, other in zip(now, then, strict=True) if number == other] == []


def varied(figures: Any, random: Random) -> Any:
    """The same with each number another one."""
    if isinstance(figures, dict):
        return {
            name: value if name == "handlers" else varied(value, random) for name, value in figures.items()
        }
    if isinstance(figures, list):
        return [varied(value, random) for value in figures]
    return figures * random.uniform(2, 9) if isinstance(figures, int | float) else figures


def numbers_of(text: str) -> list[str]:
    """The figures of ours in a text: not those of names and links, nor the reference system's."""
    names = r"\[\w+\]\(\S+\)|\*\*\d\.|boto3|urllib3|S3|page\s+of\s+100|" + re.escape(reference.NAME)
    theirs = rf"has\s+{reference.WAY['transitions']}|writes\s+{reference.WAY['write units']}"
    return re.findall(r"\d[\d.,%]*", re.sub(f"{names}|{theirs}", "", text))


def test_every_part_is_in_a_chapter(figures: Figures) -> None:
    shown = {part for chapter in CHAPTERS for part in chapter.parts}
    assert shown == {part.name for part in PARTS} == set(figures)


def test_the_reference_system_is_beside_ours(figures: Figures) -> None:
    chapter = chapters_of(page(figures))["One command beside the reference system"]
    for row in (
        "| publish: calls of DynamoDB | 2 | 2 | 4 |",
        "| pipeline: calls of DynamoDB | 2 | 8 | 23 |",
        "| of these, writes | 1 | 4 | 15 |",
        "| write units, publish and pipeline | 12 | 15 | 17 |",
        "| invocations of the stream and worker functions | 2 | 4 | 7 |",
        "| state transitions | 2 | 6 | 9 to 11 |",
        "| notifications | 1 | 1 | 12 |",
    ):
        assert row in chapter


def test_charts_need_nothing_from_elsewhere(figures: Figures) -> None:
    for chart in CHARTS:
        drawn = draw(chart, figures[chart.part]).decode()
        assert "<script" not in drawn
        names = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # of its dialect
        assert set(re.findall(r"\w+://[^\s\"'<)]+", drawn)) <= names
        assert all(name in drawn for name in chart.series)


def test_each_chart_of_a_chapter_is_drawn_of_its_figures() -> None:
    shown = {chapter.chart: chapter.parts for chapter in CHAPTERS if chapter.chart}
    assert {chart.name: [chart.part] for chart in CHARTS} == shown


def test_the_page_and_its_charts_say_what_its_figures_come_to() -> None:
    kept = json.loads((DOCS / "performance" / "figures.json").read_text(encoding="utf-8"))
    assert (DOCS / "performance.md").read_text(encoding="utf-8") == page(kept), "run `make bench`"
    for chart in CHARTS:
        drawn = (DOCS / "performance" / f"{chart.name}.svg").read_bytes()
        assert drawn == draw(chart, kept[chart.part]), "run `make bench`"


def test_what_is_counted_and_not_measured_is_as_the_page_says(figures: Figures) -> None:
    kept = json.loads((DOCS / "performance" / "figures.json").read_text(encoding="utf-8"))
    of_the_run = {"machine", "at"}
    for part in ("counts", "limits", "bill"):
        now = {name: value for name, value in figures[part].items() if name not in of_the_run}
        said = {name: value for name, value in kept[part].items() if name not in of_the_run}
        assert said == now, f"run `python -m bench {part}`"
