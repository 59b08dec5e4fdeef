"""Records come twice, late, in any order and to several invocations at once: all end alike (P1, P2, P5)."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.event_store.feed.lab import Lab, View, key
from tests.faults.events.world import check_seen
from tests.faults.scale import scaled
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

AGGREGATES = scaled(20, 60)
COMMITS = scaled(120, 500)
_FIFTH = 5


def filled(lab: Lab, seed: int) -> list[dict[str, Any]]:
    """Commits of many aggregates, and their records: a fifth twice, each moved by up to a hundred places."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable order
    for _ in range(COMMITS):
        types = chance.choices("ab", k=chance.randrange(1, 4))
        lab.append(key(chance.randrange(AGGREGATES)), *types)
    records = list(lab.all_records)
    moved = [(number + chance.uniform(0, 100), record) for number, record in enumerate(records)]
    moved += [(place + chance.uniform(0, 100), record) for place, record in moved[::_FIFTH]]
    return [record for _, record in sorted(moved, key=lambda pair: pair[0])]


def check_all(lab: Lab, *, no_overlap: bool) -> None:
    for number in range(AGGREGATES):
        commits = lab.commits(key(number))
        wanted = range(1, commits[-1].last + 1 if commits else 1)
        check_seen(lab.view.versions(key(number)), wanted, no_overlap=no_overlap)


@pytest.mark.parametrize("seed", range(scaled(2, 8)))
@pytest.mark.parametrize("exclusive", [False, True])
def test_one_invocation_at_a_time_repeats_nothing(seed: int, *, exclusive: bool) -> None:
    lab = Lab(exclusive=exclusive)
    records = filled(lab, seed)
    for start in range(0, len(records), 25):
        assert lab.deliver(records[start : start + 25]) == []
    check_all(lab, no_overlap=True)
    assert len(lab.view.shown) == sum(lab.versions.values())


@pytest.mark.parametrize("seed", range(scaled(2, 8)))
@pytest.mark.parametrize("exclusive", [False, True])
def test_four_invocations_at_a_time_leave_nothing_out(seed: int, *, exclusive: bool) -> None:
    """Where turns are claimed, nothing is even repeated: no process dies here."""
    lab = Lab(exclusive=exclusive)
    records = filled(lab, seed)
    batches = [records[start : start + 25] for start in range(0, len(records), 25)]
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda batch: comes_to_an_end(lab, batch), batches))
    check_all(lab, no_overlap=exclusive)
    if exclusive:
        assert len(lab.view.shown) == sum(lab.versions.values())


def comes_to_an_end(lab: Lab, batch: Sequence[dict[str, Any]]) -> bool:
    for _ in range(1000):
        failed = set(lab.deliver(batch))
        if not failed:
            return True
        batch = [record for record in batch if record["dynamodb"]["SequenceNumber"] in failed]
    return False


@pytest.mark.parametrize("seed", range(scaled(3, 12)))
def test_a_handler_that_fails_at_random_sees_everything_in_order(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable order
    lab = Lab(View("one"))
    records = filled(lab, seed)
    lab.view.fails = lambda _commit, _version: chance.random() < 0.05
    with CLOCK:
        for start in range(0, len(records), 25):
            assert comes_to_an_end(lab, records[start : start + 25])
    check_all(lab, no_overlap=True)
    assert lab.parked == []
