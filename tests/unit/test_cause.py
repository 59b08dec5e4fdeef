from __future__ import annotations

import json

import pytest

from runtime.entry.cause import cause_text

FAILED = {"errorMessage": 'no "name"\nfor A1', "errorType": "ValueError", "stackTrace": ["line\n"] * 200}


@pytest.mark.parametrize("length", [1000, 100_000])
def test_of_a_failed_function_only_the_message_is_kept(length: int) -> None:
    assert cause_text(json.dumps(FAILED)[:length]) == 'no "name"\nfor A1'


def test_a_message_that_is_cut_off_is_kept_as_it_is() -> None:
    cut = json.dumps(FAILED)[:22]
    assert cause_text(cut) == cut


@pytest.mark.parametrize("cause", ["", "the store is down", '{"errorType": "E"}', "[]"])
def test_any_other_cause_stays(cause: str) -> None:
    assert cause_text(cause) == cause


def test_a_cause_has_an_end() -> None:
    assert len(cause_text("x" * 5000)) == 2000
    assert len(cause_text(json.dumps({"errorMessage": "x" * 5000}))) == 2000
