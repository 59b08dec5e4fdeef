"""Pauses between looks: short where something happens, longer and longer where nothing does."""

from __future__ import annotations

import pytest

from runtime.event_store.feed.pauses import Pauses
from tests.event_store.followed import Blog, user
from tests.event_store.looks import Looks


def test_they_double_up_to_the_longest_one_and_begin_anew() -> None:
    pauses = Pauses(1, 5)
    assert [pauses.after(is_quiet=True) for _ in range(5)] == [1, 2, 4, 5, 5]
    assert pauses.after(is_quiet=False) == 1
    assert [pauses.after(is_quiet=True) for _ in range(3)] == [1, 2, 4]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"idle": 0.5}, [0.5, 1, 2, 2]),
        ({"idle": 0.5, "longest_idle": 0.5}, [0.5, 0.5, 0.5, 0.5]),
        ({"idle": 2, "longest_idle": 1}, [2, 2, 2, 2]),
        ({"idle": 1, "longest_idle": 60}, [1, 2, 4, 8]),
    ],
    ids=str,
)
def test_a_handler_is_told_its_pauses(
    given: dict[str, float], expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Looks(monkeypatch)
    handler = Blog().domain.create_handler("h", [user])
    handler.start(**given)
    assert [look() for _ in expected] == expected
