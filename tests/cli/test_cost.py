"""`cqrs cost`: your own numbers in, a bill out; no network."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.program import Program

PAGE = Path(__file__).parents[2] / "docs" / "costs.md"


@pytest.fixture(scope="module")
def cqrs() -> Program:
    """The program, in an environment without AWS."""
    return Program({})


def test_it_shows_every_way_side_by_side(cqrs: Program) -> None:
    out = cqrs("cost", "--commands-per-month", "1000000").out
    lines = [line.split() for line in out.splitlines()]
    assert "us-east-1, November 2026" in out
    assert ["dollars", "a", "month", "workflow", "express", "inline"] in lines
    express = next(line for line in lines if line[:4] == ["Step", "Functions:", "express", "executions"])
    assert express[4:] == ["-", "1.00", "-"]


def test_a_script_gets_items_amounts_and_what_they_were_made_of(cqrs: Program) -> None:
    found = cqrs("cost", "--size", "2000", "--mode", "inline", "--no-tracing", "--json").document
    assert (found["workload"]["size"], found["workload"]["tracing"]) == (2000, False)
    items = {item["what"]: item for item in found["bills"]["inline"]["items"]}
    assert items["DynamoDB: writes"]["amount"] == 20_000_000
    assert found["bills"]["inline"]["dollars"] == pytest.approx(sum(i["dollars"] for i in items.values()))


def test_a_number_that_cannot_be_is_refused(cqrs: Program) -> None:
    ended = cqrs("cost", "--size", "0", code=2)
    assert "argument --size: must be a whole number from 1" in ended.err


def test_the_page_says_what_the_command_prints(cqrs: Program) -> None:
    blocks = PAGE.read_text(encoding="utf-8").split("```sh\ncqrs ")[1:]
    assert len(blocks) > 3
    for block in blocks:
        command, _, rest = block.partition("\n```\n\n")
        table, _, _ = rest.partition("\n\n")
        assert cqrs(*command.split(), "--markdown").out.strip() == table, "run tools/write-costs"
