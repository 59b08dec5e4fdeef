"""What a walk over whole tables tells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.cli import main

if TYPE_CHECKING:
    from constructs_lib.local import Emulator


@pytest.fixture(autouse=True)
def environment(emulator: Emulator, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in {**emulator.environment, "CQRS_FUNCTION_NAME": function}.items():
        monkeypatch.setenv(name, value)


def reconciled(capsys: pytest.CaptureFixture[str], line: str, code: int) -> tuple[Any, list[str]]:
    """The document, and the lines on standard error."""
    assert main(["reconcile", "--json", "--older-than", "0", *line.split()]) == code
    out, err = capsys.readouterr()
    return json.loads(out), err.splitlines()


def test_an_error_in_the_middle_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    document, (error, going_on) = reconciled(capsys, "--module=order --segments 1 --page-size 14", 4)
    (order,) = document["modules"]
    assert [entry["sk"] for entry in order["found"]] == ["0/1-0", "0/1-1", "0/1-2"]
    assert document["error"]["type"] == "RuntimeError"
    assert document["resume"] == ["reconcile:order:0/1:Mw=="]
    assert "(RuntimeError: page 3 cannot be read); its log has the details" in error
    begin = "to go on: cqrs reconcile --json --older-than 0 --page-size 14"
    assert going_on == f"{begin} --resume reconcile:order:0/1:Mw=="


def test_a_part_that_fails_is_listed_and_needs_attention(capsys: pytest.CaptureFixture[str]) -> None:
    document, err = reconciled(capsys, "--module memo --page-size 13", 1)
    (memo,) = document["modules"]
    assert memo["failed"] == [{"pk": "memo#acme", "sk": "0/1-0", "version": 1, "error": "Boom"}]
    assert (memo["failedTotal"], memo["foundTotal"], memo["applied"]) == (1, 1, 1)
    assert err == []
    assert main(["reconcile", "--older-than", "0", "--module", "memo", "--page-size", "13"]) == 1
    assert "memo#acme   0/1-0         1   Boom" in capsys.readouterr().out


def test_a_dry_run_reads_bigger_pages(capsys: pytest.CaptureFixture[str]) -> None:
    for line, size in (("", 100), ("--dry-run", 1000), ("--dry-run --page-size 7", 7)):
        document, _ = reconciled(capsys, f"--module memo {line}", 0)
        assert document["modules"][0]["found"][0]["createdAt"] == f"limit {size}"
        assert document["modules"][0]["applied"] == (0 if line else 1)


def test_finished_commands_are_trusted_where_asked_in_bigger_pages(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for line, status, size in (("", None, 100), ("--trust-finished", "trusting True", 1000)):
        document, _ = reconciled(capsys, f"--module memo {line}", 0)
        (entry,) = document["modules"][0]["found"]
        assert (entry["status"], entry["createdAt"]) == (status, f"limit {size}")


def test_what_a_handler_has_seen_is_left_out_where_asked(capsys: pytest.CaptureFixture[str]) -> None:
    for words, rows in (([], 10 * 12), (["--unseen-only"], 7 * 12)):
        assert main(["resync", "--json", "--module", "order", "--segments", "1", *words]) == 0
        (order,) = json.loads(capsys.readouterr().out)["modules"]
        assert order["rows"] == rows


def test_lists_have_an_end_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    document, _ = reconciled(capsys, "--module order --list 2", 0)
    (order,) = document["modules"]
    # 25 000 rows are read in three segments.
    assert (len(order["found"]), order["foundTotal"]) == (2, 36)
    assert {entry["sk"].split("/")[1][0] for entry in order["found"]} == {"3"}
