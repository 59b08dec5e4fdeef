"""An event that fails for ever: its aggregate is parked, once, and everybody else goes on (P4)."""

from __future__ import annotations

import pytest

from tests.event_store.feed.lab import Lab, View, key
from tests.faults.events.world import check_seen
from tests.faults.scale import scaled
from tests.support.clock import CLOCK

AGGREGATES = scaled(20, 40)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("every", [AGGREGATES, 5, 2])
def test_poison(every: int, *, exclusive: bool) -> None:
    """One aggregate, each fifth, every other one; events keep coming meanwhile."""
    lab = Lab(View("one"), View("two"), exclusive=exclusive)
    view = lab.views[0]
    poisoned = range(0, AGGREGATES, every)
    pks = {key(number).pk for number in poisoned}
    view.fails = lambda commit, version: version == 2 and commit.key.pk in pks
    for number in range(AGGREGATES):
        lab.append(key(number), "a", "b", "a")
    for wave in range(30):
        lab.retry(pause=15, most=3)
        if wave % 10 == 0:
            for number in range(AGGREGATES):
                lab.append(key(number))
        lab.records = list(lab.all_records)
    assert sorted(lab.parked) == sorted((pk, 2) for pk in pks)  # each was told of once
    assert lab.deliver(lab.all_records) == []
    last = lab.versions[key(0)]
    for number in range(AGGREGATES):
        check_seen(lab.views[1].versions(key(number)), range(1, last + 1), no_overlap=True)
        wanted = [1] if number in poisoned else range(1, last + 1)
        check_seen(view.versions(key(number)), list(wanted), no_overlap=True)
    view.fails = lambda _commit, _version: False
    for number in poisoned:
        if number % 2:
            assert lab.repair(key(number), view=view, skipping=True).skipped == 2
        else:
            assert lab.repair(key(number), view=view).done == tuple(range(2, last + 1))
        cursor = lab.cursor(key(number), view=view)
        assert (cursor.version, cursor.parked_version, cursor.claim) == (last, None, None)
    CLOCK.advance(1)
