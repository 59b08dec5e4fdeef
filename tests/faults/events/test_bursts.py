"""Two hundred versions of one aggregate at once, shuffled and one by one: few turns, nothing twice."""

from __future__ import annotations

import random

import pytest

from tests.event_store.feed.counting import CountingStore
from tests.event_store.feed.lab import Lab
from tests.faults.scale import scaled

VERSIONS = scaled(60, 200)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("size", [1, 25, VERSIONS])
def test_a_burst_is_drained(size: int, *, exclusive: bool) -> None:
    lab = Lab(store=CountingStore, exclusive=exclusive)
    for _ in range(VERSIONS):
        lab.append()
    records = list(lab.records)
    random.Random(7).shuffle(records)  # noqa: S311 - a repeatable order
    calls = lab.store.calls  # type: ignore[attr-defined]
    calls.clear()
    for start in range(0, VERSIONS, size):
        assert lab.deliver(records[start : start + size]) == []
    assert lab.view.versions() == list(range(1, VERSIONS + 1))
    assert (lab.cursor().version, lab.cursor().claim) == (VERSIONS, None)
    # The first turn reads to the end: one query, and one write, or two with a claim; then one read a batch.
    batches = -(-VERSIONS // size)
    assert calls.count("batch_get") == batches
    assert calls.count("query") <= 1
    assert calls.count("write") == (2 if exclusive else 1)


def test_what_comes_while_a_turn_is_under_way_is_seen_by_it() -> None:
    """Each event rings while the one before is shown: one turn shows them all."""
    lab = Lab(exclusive=True)
    lab.append()
    left: list[int] = []

    def ring(_commit: object, version: int) -> None:
        if version < VERSIONS:
            lab.append()
            left.append(len(lab.deliver(lab.records[-1:])))

    lab.view.before = ring
    assert lab.deliver(lab.records[:1]) == []
    assert lab.view.versions() == list(range(1, VERSIONS + 1))
    assert left == [1] * (VERSIONS - 1)  # each comes again, and finds it done
    assert lab.deliver(lab.all_records) == []
    assert len(lab.view.shown) == VERSIONS
