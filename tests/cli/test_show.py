"""What people read of one aggregate: also what is left out, and what is of an earlier life."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from constructs_lib.cli import main

if TYPE_CHECKING:
    from constructs_lib.local import Emulator


@pytest.fixture(autouse=True)
def environment(emulator: Emulator, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in {**emulator.environment, "CQRS_FUNCTION_NAME": function}.items():
        monkeypatch.setenv(name, value)


def screen(capsys: pytest.CaptureFixture[str], sk: str) -> list[str]:
    assert main(["show", "order#acme", sk, "--module", "order"]) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_what_is_left_out_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    left_out = "… and 11 earlier versions, which are too many for one answer"
    assert left_out in screen(capsys, "many")
    assert left_out not in screen(capsys, "few")


def test_versions_of_an_earlier_life_are_told_from_those_of_the_present_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = screen(capsys, "A1")
    rest = "no 2026-11-28T12:00:00.000Z ann - no r-1"
    assert f"12 finish:FINISHED yes, in an earlier life {rest}" in shown
    assert f"13 finish:FINISHED yes {rest}" in shown


@pytest.mark.parametrize(
    ("sk", "state"),
    [
        ("A1", "at version 13 since 2026-11-28T12:00:00.000Z, by ann"),
        ("expired", "no data row: there was one, and it has expired or was deleted"),
        ("new", "no data row: no version was applied"),
    ],
)
def test_the_state_says_whether_there_ever_was_one(
    capsys: pytest.CaptureFixture[str], sk: str, state: str
) -> None:
    assert state in screen(capsys, sk)
