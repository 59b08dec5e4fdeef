"""Which handlers are parked, behind or gone, and what is done about those that are gone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.cli import main

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

KEY = {"pk": "order#acme", "sk": "A1"}
CURSOR = {**KEY, "version": 1, "latestVersion": 3}


@pytest.fixture(autouse=True)
def environment(emulator: Emulator, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in {**emulator.environment, "CQRS_FUNCTION_NAME": function}.items():
        monkeypatch.setenv(name, value)


def document(capsys: pytest.CaptureFixture[str], line: str, code: int) -> Any:
    assert main([*line.split(), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_handler_is_parked_behind_or_gone(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "status --older-than 0", 1)
    order, memo = found["modules"]
    assert [entry["handler"] for entry in order["parked"]] == ["Totals"]
    assert order["behind"] == [CURSOR | {"handler": "Names", "parkedVersion": None}]
    assert order["gone"] == [
        CURSOR | {"handler": "OldNames", "parkedVersion": None},
        CURSOR | {"handler": "OldTotals", "parkedVersion": 2},
    ]
    totals = [order[name] for name in ("parkedTotal", "behindTotal", "goneTotal", "goneParked")]
    assert totals == [1, 1, 2, 1]
    assert (memo["behind"], memo["gone"], memo["goneParked"]) == ([], [], 0)
    # Neither one that may be on its way, nor a cursor that nothing waits for.
    assert [(entry["what"], entry["count"], entry["command"]) for entry in found["attention"][:2]] == [
        ("parked", 1, "cqrs redrive --all"),
        ("gone", 1, "cqrs drop"),
    ]


def test_a_quick_look_leaves_the_tables_out(capsys: pytest.CaptureFixture[str]) -> None:
    order, _ = document(capsys, "status --quick", 0)["modules"]
    for name in ("parked", "lagging", "behind", "gone"):
        assert (order[name], order[f"{name}Total"]) == (None, None)
    assert order["goneParked"] is None


def test_the_screen_says_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--older-than", "0", "--list", "1"]) == 1
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "module mode commands parked lagging behind gone handlers" in lines
    assert "order workflow ~25000 1 36 1 2 Names, Totals" in lines
    assert "order order#acme A1 Names 1 3" in lines
    assert "order order#acme A1 OldNames 1 3 -" in lines
    assert "… and 1 more; --list 2 shows them all" in lines
    assert any("cqrs drop PK SK --module MODULE --handler HANDLER" in line for line in lines)
    assert "1 parked handlers are gone from the code: cqrs drop" in lines


def test_redriving_all_leaves_out_who_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "redrive --all --dry-run", 0)
    assert [(result["handler"], result["done"]) for result in found["results"]] == [("Totals", [2, 3])]
    assert found["refused"] == []


def test_a_cursor_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    line = "drop order#acme A1 --module order --handler OldTotals"
    dropped = {"module": "order", **KEY, "handler": "OldTotals", "parkedVersion": 2}
    for dry_run in (False, True):
        words = f"{line} --dry-run" if dry_run else line
        expected = {"dryRun": dry_run, **dropped, "error": "ValueError: no name"}
        assert document(capsys, words, 0) == expected
        assert main(words.split()) == 0
        screen = capsys.readouterr().out
        assert ("nothing was written" in screen) is dry_run
        assert "OldTotals" in screen


def test_a_handler_that_the_module_has_is_not_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "drop order#acme A1 --module order --handler Names", 4)
    message = "drop: Names is a handler of order; use redrive or skip"
    assert found == {"error": {"type": "BadRequestError", "message": message}}


def test_what_handlers_do_not_take_is_listed_and_needs_attention(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = "resync --module order --segments 1 --list 2"
    (order,) = document(capsys, f"{line} --page-size 13", 1)["modules"]
    assert (order["scanned"], order["rows"], order["failedTotal"]) == (120, 120, 12)
    assert order["failed"] == [
        {"pk": "order#acme", "sk": f"0/1-{page}", "handler": "Names", "error": "Boom"} for page in range(2)
    ]
    assert main([*line.split(), "--page-size", "13"]) == 1
    screen = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "order 120 120 12" in screen
    assert "order#acme 0/1-0 Names Boom" in screen
    (order,) = document(capsys, line, 0)["modules"]
    assert (order["failed"], order["failedTotal"]) == ([], 0)
