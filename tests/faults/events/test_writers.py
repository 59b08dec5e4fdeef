"""Many clients append while the stream is delivered, in any order and twice, by several invocations."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime import clock
from runtime.event_store.commits.commit import Commit, StoredEvent
from runtime.event_store.provider import AppendRefusedError
from tests.event_store.feed.lab import Lab, View, key
from tests.faults.events.world import check_seen
from tests.faults.scale import scaled

WRITERS = 8
APPENDS = scaled(20, 60)


@pytest.mark.parametrize("aggregates", [1, 10])
@pytest.mark.parametrize("exclusive", [False, True])
def test_writers_and_invocations_side_by_side(aggregates: int, *, exclusive: bool) -> None:
    lab = Lab(View("one"), View("two"), exclusive=exclusive)
    is_over = threading.Event()
    with ThreadPoolExecutor(WRITERS + 3) as pool:
        invocations = [pool.submit(deliver, lab, number, is_over) for number in range(3)]
        writers = [pool.submit(write, lab, number, aggregates) for number in range(WRITERS)]
        for writer in writers:
            writer.result()
        is_over.set()
        for invocation in invocations:
            invocation.result()
    for _ in range(100):
        if not lab.deliver(lab.all_records):
            break
    commits = {number: lab.commits(key(number)) for number in range(aggregates)}
    assert sum(map(len, commits.values())) == WRITERS * APPENDS
    for number, found in commits.items():
        versions = [version for commit in found for version in range(commit.first, commit.last + 1)]
        assert versions == list(range(1, len(versions) + 1))  # each won once, without a gap
        for view in lab.views:
            check_seen(view.versions(key(number)), versions, no_overlap=exclusive)


def write(lab: Lab, number: int, aggregates: int) -> None:
    """Append so many commits, each behind the last one, whoever appends meanwhile."""
    chance = random.Random(number)  # noqa: S311 - a repeatable order
    for turn in range(APPENDS):
        types = ("a",) * chance.randrange(1, 4)
        whose = key(chance.randrange(aggregates))
        while True:
            last = next(iter(lab.provider.read_back(whose, likely=1)), None)
            commit = Commit(
                key=whose,
                first=1 if last is None else last.last + 1,
                events=tuple(StoredEvent(name, {}) for name in types),
                append_id=f"{number}/{turn}",
                at=clock.now(),
            )
            try:
                lab.provider.append([commit])
            except AppendRefusedError:
                continue
            break


def deliver(lab: Lab, number: int, is_over: threading.Event) -> None:
    """Deliver what there is, some of it twice; what fails comes again."""
    chance = random.Random(number)  # noqa: S311 - a repeatable order
    while not is_over.is_set():
        known = list(lab.all_records)
        if known:
            lab.deliver(chance.sample(known, min(len(known), 20)))
