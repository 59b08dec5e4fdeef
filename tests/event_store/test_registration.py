"""The life of a handler's generations: build, rebuild, switch, retire; and what its row keeps of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from runtime.errors import BadRequestError
from runtime.event_store.handlers.registration import Registration, Segment

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NEW = Registration(started_at=NOON)


def built() -> Registration:
    return NEW.begin("h", NOON)


def scanned() -> Registration:
    return built().scanned(0, 1, Segment(None, 3, 7), is_first=True)


def test_a_generation_is_built_beside_the_live_one_then_it_is_live_and_the_old_one_goes() -> None:
    assert NEW.generations == (1,)
    assert built().generations == (1, 2)
    switched = scanned().switched("h")
    assert (switched.live, switched.generations) == (2, (2, 1))
    retired = switched.retired("h", None)
    assert (retired.live, retired.generations) == (2, (2,))
    assert retired.begin("h", NOON).generations == (2, 3)


def test_a_number_is_never_used_twice_since_cursors_of_it_are_still_there() -> None:
    given_up = built().retired("h", 2)
    assert given_up.generations == (1,)
    assert given_up.begin("h", NOON).building == 3


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda: built().begin("h", NOON), "generation 2 is being built already"),
        (lambda: scanned().switched("h").begin("h", NOON), "generation 1 is still fed; retire it"),
        (lambda: NEW.switched("h"), "no generation is being built; generation 1 is live"),
        (lambda: built().switched("h"), r"segments \[0\] of 1 are left"),
        (lambda: NEW.retired("h", None), "no generation was live before 1$"),
        (lambda: built().retired("h", None), "to give up the one that is being built, name 2"),
        (lambda: built().retired("h", 1), "generation 1 is the live one"),
        (lambda: built().retired("h", 7), r"there is no generation 7; fed are \[1, 2\]"),
    ],
)
def test_a_step_out_of_order_is_refused_and_says_what_to_do(step: Callable[[], object], message: str) -> None:
    with pytest.raises(BadRequestError, match=f"^h: .*{message}"):
        step()


def test_a_scan_waits_until_every_function_knows_of_the_generation() -> None:
    assert NEW.check_scan("h", NOON) == 1
    with pytest.raises(BadRequestError, match=r"begun 59 seconds ago.*scan in 1 seconds"):
        built().check_scan("h", NOON + timedelta(seconds=59))
    assert built().check_scan("h", NOON + timedelta(seconds=60)) == 2


def test_it_is_scanned_full_when_all_segments_of_one_scan_are_through() -> None:
    half = built().scanned(1, 2, Segment(None, 1, 1), is_first=True)
    assert not half.is_scanned
    under_way = half.scanned(0, 2, Segment("p", 2, 3), is_first=True)
    assert not under_way.is_scanned
    with pytest.raises(BadRequestError, match=r"segments \[0\] of 2 are left"):
        under_way.switched("h")
    through = under_way.scanned(0, 2, Segment(None, 2, 4), is_first=False)
    assert through.is_scanned
    assert through.segments[0] == Segment(None, 4, 7)


def test_another_number_of_segments_is_another_scan() -> None:
    again = scanned().scanned(0, 4, Segment(None), is_first=True)
    assert not again.is_scanned


def test_a_segment_that_begins_anew_counts_anew() -> None:
    assert scanned().scanned(0, 1, Segment("p", 1, 1), is_first=True).segments[0] == Segment("p", 1, 1)


def test_the_row_keeps_everything() -> None:
    for each in (
        NEW,
        replace(NEW, started_at=NOON + timedelta(microseconds=7), position="17"),
        built(),
        scanned(),
        built().scanned(2, 4, Segment("p", 1, 2), is_first=True),
        scanned().switched("h"),
    ):
        assert Registration.of(each.columns()) == each
