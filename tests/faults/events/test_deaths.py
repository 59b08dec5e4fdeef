"""A callback that ends its process, or outlasts it: it is known at which event, and its aggregate is parked.

Nothing tells of such a death but what the turn has left: Lambda kills a function at its time limit, the
system one without memory. Then the batch comes again, as a whole.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import create_engine

from runtime import clock
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import Commit, StoredEvent
from runtime.event_store.feed.cursors import CursorKey
from runtime.sql import SqlCursors
from runtime.store.codec import encoded
from tests.event_store.feed.counting import CountingStore
from tests.event_store.feed.lab import Lab, key
from tests.faults.events import dying
from tests.faults.events.world import Crash, check_seen
from tests.faults.scale import COMPLETE, scaled
from tests.support.clock import CLOCK
from tests.support.event_tables import make_event_tables
from tests.support.values import event_image

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from constructs_lib.local import Emulator
    from runtime.event_store.feed.cursors import Cursors

_LIMIT: Final = 60.0
"""Seconds that a call of the function may take."""
_AGGREGATES: Final = scaled(6, 40)


class Function:
    """A function of Lambda that is fed by the stream, and what becomes of it.

    Args:
        lab: The event store.
        deadly: Events that end the process, as ``(number of the aggregate, version)``.
        takes: Seconds until they do: 0 for a crash, the time limit for one that never returns.
    """

    def __init__(self, lab: Lab, deadly: Collection[tuple[int, int]], *, takes: float = 0.0) -> None:
        self.lab = lab
        self.deadly = {(key(number).pk, version) for number, version in deadly}
        self.takes = takes
        self.deaths: list[tuple[str, int]] = []
        self._is_dead = threading.Event()
        for view in lab.views:
            view.before = self._before
        store: Any = lab.store
        store.before = store.after = lambda _number, _name: self._check()

    def _check(self) -> None:
        if self._is_dead.is_set():
            raise Crash  # all of its threads are gone

    def _before(self, commit: Commit, version: int) -> None:
        self._check()
        if (commit.key.pk, version) in self.deadly:
            self.deaths.append((commit.key.pk, version))
            CLOCK.advance(self.takes)
            self._is_dead.set()
            raise Crash

    def deliver(self, *, most: int, pause: float = 10.0) -> int:
        """Deliver what there is as Lambda does, until nothing fails any more; how many calls that took."""
        batch, self.lab.records = self.lab.records, []
        for calls in range(1, most + 1):
            self._is_dead.clear()
            try:
                failed = set(self.lab.deliver(batch))
            except Crash:
                failed = {record["dynamodb"]["SequenceNumber"] for record in batch}
            if not failed:
                self._is_dead.clear()
                return calls
            numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
            batch = batch[min(map(numbers.index, failed)) :]
            CLOCK.advance(pause)
        message = f"the shard is still blocked after {most} calls, {len(self.deaths)} deaths"
        raise AssertionError(message)


@pytest.fixture(autouse=True)
def _time() -> Iterator[None]:
    with CLOCK:
        yield


@pytest.fixture(params=["sync table", "sql"])
def cursors(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cursors | None]:
    if request.param == "sync table":
        yield None
        return
    engine = create_engine(f"sqlite:///{tmp_path}/cursors.db")
    found = SqlCursors(engine)
    found.create_tables()
    protocol: Cursors = found
    yield protocol
    engine.dispose()


def check(lab: Lab, parked: dict[int, int]) -> None:
    """Everybody has seen everything, but what is behind an event that its aggregate is parked at."""
    for number in range(_AGGREGATES):
        last = parked.get(number, lab.versions[key(number)] + 1) - 1
        cursor = lab.cursor(key(number))
        assert cursor.parked_version == parked.get(number)
        wanted = [
            commit.first + position
            for commit in lab.commits(key(number))
            for position, event in enumerate(commit.events)
            if event.type in lab.view.types and commit.first + position <= last
        ]
        check_seen(lab.view.versions(key(number)), wanted)
        if number not in parked:
            assert (cursor.failed_version, cursor.attempts, cursor.claim) == (None, 0, None)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("takes", [0.0, _LIMIT, 15 * 60.0], ids=["crash", "a minute", "a quarter of an hour"])
def test_what_ends_the_process_is_parked_and_holds_up_nobody_else(
    cursors: Cursors | None, takes: float, *, exclusive: bool
) -> None:
    lab = Lab(store=CountingStore, cursors=cursors, exclusive=exclusive)
    function = Function(lab, [(3, 5)], takes=takes)
    for number in range(_AGGREGATES):
        lab.append(key(number), "a", "other", "b", "other", "a", "a")
        lab.append(key(number))
    function.deliver(most=40)
    check(lab, {3: 5})
    assert lab.parked == [(key(3).pk, 5)]
    assert (lab.cursor(key(3)).parked_error or "").startswith("TurnDiedError: the process ended")
    # Unnoticed; noticed, nobody knows at what; and three times there.
    assert len(function.deaths) <= 6 + (8 if takes == 0 else 0)

    function.deadly.clear()
    assert lab.repair(key(3)).done == (5, 6, 7)
    check(lab, {})


def test_several_are_told_apart(cursors: Cursors | None) -> None:
    lab = Lab(store=CountingStore, cursors=cursors)
    function = Function(lab, [(1, 1), (4, 2), (5, 3)])
    for number in range(_AGGREGATES):
        for _ in range(3):
            lab.append(key(number))
    function.deliver(most=100)
    check(lab, {1: 1, 4: 2, 5: 3})
    assert sorted(lab.parked) == sorted([(key(1).pk, 1), (key(4).pk, 2), (key(5).pk, 3)])
    function.deadly.clear()
    assert lab.repair(key(4), skipping=True).skipped == 2


def test_of_a_handler_that_has_one_try_all_that_die_are_parked() -> None:
    lab = Lab(store=CountingStore)
    lab.view.attempts = 1
    function = Function(lab, [(number, 1) for number in range(_AGGREGATES)], takes=_LIMIT)
    for number in range(_AGGREGATES):
        lab.append(key(number))
    function.deliver(most=200)
    assert len(lab.parked) == _AGGREGATES


def test_where_a_reader_has_died_the_next_turn_is_claimed_and_notes_its_steps() -> None:
    """Its record is on time, and may be the one that ends the function."""
    lab = Lab(store=CountingStore)
    store: Any = lab.store
    function = Function(lab, [(1, 1)])
    lab.append(key(1), "a", "a")
    with pytest.raises(Crash):
        lab.turn(key(1), exclusive=True, owner="reader")
    CLOCK.advance(_LIMIT + 2)
    function = Function(lab, [])
    lab.records.clear()
    lab.append(key(1))
    before = len(store.calls)
    function.deliver(most=1)
    # The cursors, the claim, what is behind it, a step for each further event, and the end of the turn.
    assert store.calls[before:] == ["batch_get", "write", "query", *["write"] * 2, "write"]
    assert lab.view.versions(key(1)) == [1, 2, 3]
    cursor = lab.cursor(key(1))
    assert (cursor.version, cursor.failed_version, cursor.claim) == (3, None, None)


@pytest.mark.parametrize("deaths", range(1, 5))
def test_what_is_mended_in_time_is_not_parked(cursors: Cursors | None, deaths: int) -> None:
    lab = Lab(store=CountingStore, cursors=cursors)
    function = Function(lab, [(3, 2)], takes=_LIMIT)
    for number in range(_AGGREGATES):
        lab.append(key(number), "a", "a", "a")
    while len(function.deaths) < deaths:
        lab.records = list(lab.all_records)
        with pytest.raises(AssertionError, match="still blocked"):
            function.deliver(most=1)
    function.deadly.clear()
    lab.records = list(lab.all_records)
    function.deliver(most=10)
    check(lab, {})
    assert lab.parked == []


def test_an_event_that_dies_at_times_and_fails_at_others_is_parked_by_its_own_count(
    cursors: Cursors | None,
) -> None:
    lab = Lab(store=CountingStore, cursors=cursors)
    function = Function(lab, [(3, 2)])
    lab.append(key(3), "a", "a")
    lab.view.fails = lambda _commit, version: version == 2
    for number in range(200):
        function.deadly = {(key(3).pk, 2)} if number % 2 else set()
        lab.records = list(lab.all_records)
        try:
            function.deliver(most=1)
        except AssertionError:
            continue
        break
    assert lab.parked == [(key(3).pk, 2)]
    assert lab.view.versions(key(3))[0] == 1


def test_what_is_on_time_writes_nothing_more_and_what_may_come_again_one_claim() -> None:
    lab = Lab(store=CountingStore)
    store: Any = lab.store
    lab.append(key(1))
    before = len(store.calls)
    lab.deliver()
    assert store.calls[before:] == ["batch_get", "write"]
    lab.append(key(2))
    CLOCK.advance(_LIMIT)
    before = len(store.calls)
    lab.deliver()
    assert store.calls[before:] == ["batch_get", "write", "write"]


def test_a_turn_that_is_only_slow_is_neither_lost_nor_counted() -> None:
    """Nobody else has come meanwhile: Lambda does not deliver a batch twice at a time."""
    lab = Lab(store=CountingStore)
    lab.append(key(1))
    CLOCK.advance(_LIMIT)
    lab.view.before = lambda _commit, _version: CLOCK.advance(200)
    assert lab.deliver() == []
    cursor = lab.cursor(key(1))
    assert (cursor.version, cursor.claim, cursor.failed_version) == (1, None, None)


# --- a process of its own ---------------------------------------------------------------------


@pytest.mark.skipif(not COMPLETE, reason="each of its deaths is a process's")
def test_a_process_that_is_killed_in_a_callback(emulator: Emulator) -> None:
    name = uuid.uuid4().hex[:8]
    keys = [Key("users", f"{name}-{number}", "acme") for number in range(4)]
    order: dict[str, Any] = {"endpoint": emulator.endpoint_url, "region": emulator.region, "name": name}
    order |= {"tables": make_event_tables(emulator), "deadly": [keys[1].pk, 2]}
    provider, view = dying.opened(order)
    records: list[dict[str, Any]] = []
    order["records"] = records
    for whose, version in itertools.product(keys, (1, 2, 3)):
        events = (StoredEvent("a", {"number": version}),)
        commit = Commit(key=whose, first=version, events=events, append_id=uuid.uuid4().hex, at=clock.now())
        provider.append([commit])
        image = event_image(encoded(provider.storage.row(commit)))
        number = str(len(records) + 1)
        change = {"ApproximateCreationDateTime": int(clock.seconds()), "SequenceNumber": number}
        records.append({"eventName": "INSERT", "dynamodb": {**change, "NewImage": image}})
    codes: list[int] = []
    answer = ""
    while len(codes) < 20 and answer != "[]":
        done = subprocess.run(  # noqa: S603 - this project's own
            [sys.executable, "-m", dying.__name__],
            input=json.dumps({**order, "ahead": CLOCK.ahead}),
            cwd=Path(__file__).parents[3],
            env={**os.environ, **emulator.environment, "POWERTOOLS_TRACE_DISABLED": "1"},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        codes.append(done.returncode)
        answer = done.stdout.splitlines()[-1] if done.returncode == 0 else ""
        CLOCK.advance(_LIMIT + 2)
    assert codes == [*[-signal.SIGKILL] * (len(codes) - 1), 0]
    rows = view.cursors().rows(CursorKey(name, 1, whose) for whose in keys)
    assert [row.cursor.parked_version for row in rows.values()] == [None, 2, None, None]
    assert [row.cursor.version for row in rows.values()] == [3, 1, 3, 3]
