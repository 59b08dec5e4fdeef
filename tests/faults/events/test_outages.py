"""Read models that are out of reach for hours, and come back: nothing is parked, and nothing left out."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.event_store.feed.lab import Lab, View, key
from tests.faults.events.world import check_seen
from tests.faults.scale import scaled
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from runtime.event_store.commits.commit import Commit

AGGREGATES = scaled(12, 60)
_HOURS = 4


@pytest.mark.parametrize("error", [RuntimeError, ConnectionError])
@pytest.mark.parametrize("works_for", [0, 1, 7, 40])
@pytest.mark.parametrize("exclusive", [False, True])
def test_a_read_model_is_out_of_reach(error: type[Exception], works_for: int, *, exclusive: bool) -> None:
    """From the beginning, or from the middle of a batch on; with an error that says so, or with any other."""
    lab = Lab(View("one"), View("two"), exclusive=exclusive)
    view = lab.views[0]
    view.error = error
    calls: list[int] = []

    def fails(_commit: Commit, _version: int) -> bool:
        calls.append(1)
        return len(calls) > works_for

    view.fails = fails
    for number in range(AGGREGATES):
        lab.append(key(number), "a", "b")
        lab.append(key(number))
    batch = list(lab.records)
    pauses = scaled(12, 48)
    for _ in range(pauses):
        lab.deliver(batch)
        CLOCK.advance(_HOURS * 3600 / pauses)
    assert lab.parked == []
    # The other handler's read model was there all the time.
    assert all(lab.views[1].versions(key(number)) == [1, 2, 3] for number in range(AGGREGATES))
    view.fails = lambda _commit, _version: False
    assert lab.deliver(batch) == []
    for number in range(AGGREGATES):
        check_seen(view.versions(key(number)), [1, 2, 3], no_overlap=True)
        cursor = lab.cursor(key(number), view=view)
        assert (cursor.version, cursor.failed_version, cursor.attempts) == (3, None, 0)


@pytest.mark.parametrize("seed", range(scaled(4, 30)))
def test_a_read_model_that_comes_and_goes_parks_nothing(seed: int) -> None:
    """It is there for some seconds, and away for some, all day long; each event gets through in the end."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable order
    lab = Lab()
    lab.view.error = ConnectionError  # of one or two aggregates, another one would be their own fault
    is_up = [True]
    lab.view.fails = lambda _commit, _version: not is_up[0]
    for _ in range(scaled(30, 200)):
        for _ in range(chance.randrange(1, 6)):
            lab.append(key(chance.randrange(AGGREGATES)))
        is_up[0] = chance.random() < 0.5
        lab.deliver(lab.all_records)
        CLOCK.advance(chance.uniform(1, 30))
    is_up[0] = True
    assert lab.deliver(lab.all_records) == []
    assert lab.parked == []
    for number in range(AGGREGATES):
        check_seen(lab.view.versions(key(number)), range(1, lab.versions[key(number)] + 1), no_overlap=True)
