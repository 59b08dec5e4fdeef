"""Batches of the events table's stream: what rings, for whom, at what price, and what comes again."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from runtime import clock
from runtime.errors import ReadModelUnavailableError, StoreUnavailableError
from runtime.event_store.commits.commit import CommandRecord, Commit, StoredEvent
from runtime.event_store.feed.cursors import StoreCursors
from runtime.pipeline.catch_up import Outcome
from runtime.store.memory import MemoryStore
from runtime.store.port import Set
from runtime.store.values import Place
from tests.event_store.feed.counting import CountingStore
from tests.event_store.feed.lab import KEY, TABLES, Lab, View, key
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from datetime import datetime


def test_a_batch_is_shown_in_order_and_reports_nothing() -> None:
    lab = Lab()
    for number in (1, 2, 3):
        for _ in range(3):
            lab.append(key(number))
    assert lab.deliver() == []
    assert all(lab.view.versions(key(number)) == [1, 2, 3] for number in (1, 2, 3))


@pytest.mark.parametrize("seed", range(5))
def test_repeats_and_disorder_end_the_same(seed: int) -> None:
    """P5: whatever the order and the repeats, each handler has seen everything, in order."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable order
    lab = Lab(View("one"), View("two", types=("b",)))
    for _ in range(60):
        lab.append(key(chance.randrange(5)), *chance.choices("abc", k=chance.randrange(1, 4)))
    records = [*lab.all_records, *chance.choices(lab.all_records, k=20)]
    chance.shuffle(records)
    while records:
        size = chance.randrange(1, 12)
        assert lab.deliver(records[:size]) == []
        del records[:size]
    for view in lab.views:
        for number in range(5):
            wanted = [
                commit.first + position
                for commit in lab.provider.read(key(number))
                for position, event in enumerate(commit.events)
                if event.type in view.types
            ]
            assert view.versions(key(number)) == wanted


def test_what_no_handler_has_a_callback_for_costs_nothing() -> None:
    lab = Lab(store=CountingStore)
    calls = lab.store.calls  # type: ignore[attr-defined]
    lab.append(KEY, "other")
    calls.clear()
    assert lab.deliver() == []
    assert calls == []
    assert lab.view.registered_at is None
    lab.append()
    calls.clear()
    lab.deliver()
    assert calls == ["batch_get", "query", "write"]  # the cursor follows now
    assert lab.cursor().version == 2


def test_an_aggregate_is_one_write_and_a_hundred_are_one_read() -> None:
    lab = Lab(store=CountingStore)
    calls = lab.store.calls  # type: ignore[attr-defined]
    for number in range(50):
        lab.append(key(number))
        lab.append(key(number), "a", "b")
    calls.clear()
    assert lab.deliver() == []
    assert Counter(calls) == {"batch_get": 1, "write": 50}
    calls.clear()
    assert lab.deliver(lab.all_records) == []
    assert calls == ["batch_get"]  # repeats


def test_handlers_that_keep_their_cursors_in_one_table_are_read_together() -> None:
    lab = Lab(View("one"), View("two"), store=CountingStore)
    for view in lab.views:
        view.kept_in = StoreCursors(lab.store, TABLES.sync)
    calls = lab.store.calls  # type: ignore[attr-defined]
    lab.append()
    calls.clear()
    assert lab.deliver() == []
    assert calls == ["batch_get", "write", "write"]


def test_records_of_changes_removals_and_commands_ring_for_nobody() -> None:
    lab = Lab()
    commit = Commit(key=KEY, first=1, events=(StoredEvent("a", {}),), append_id="x", at=lab.append(key(9)).at)
    record = CommandRecord(key=KEY, command_id="c", fingerprint="f", first=1, last=1)
    lab.provider.append([commit], command=record)
    records = [one for one in lab.records if KEY.pk in str(one)]
    assert len(records) == 2
    assert lab.deliver(records) == []
    assert lab.view.versions() == [1]
    for kind in ("MODIFY", "REMOVE"):
        changed: list[dict[str, Any]] = [
            {**one, "eventName": kind, "dynamodb": {"SequenceNumber": "7"}} for one in records
        ]
        assert lab.deliver(changed) == []
    assert lab.view.versions() == [1]


def test_an_erased_aggregate_is_told_of_whatever_else_is_delivered() -> None:
    lab = Lab()
    lab.append()
    lab.append()
    lab.deliver()
    lab.erase()
    assert lab.deliver() == []
    assert (lab.view.erased, lab.cursor().version) == ([KEY.pk], 3)
    shown = list(lab.view.shown)
    lab.deliver(lab.all_records)  # the images of what was blanked since come once more
    assert (lab.view.shown, lab.view.erased) == (shown, [KEY.pk])


def test_each_handler_is_registered_with_the_first_event_that_it_is_told_of() -> None:
    lab = Lab(View("one"), View("two", types=("b",)))
    lab.append(KEY, "a")
    moment: datetime = lab.append(KEY, "b").at
    records = list(reversed(lab.records))
    lab.deliver(records)
    one, two = lab.views
    assert one.registered_at is not None
    assert one.registered_at < moment
    assert two.registered_at == moment


def test_all_generations_are_fed() -> None:
    lab = Lab()
    lab.append()
    lab.deliver()
    lab.view.fed = (1, 2)
    lab.append()
    assert lab.deliver() == []
    assert (lab.view.versions(), lab.view.versions(generation=2)) == ([1, 2], [1, 2])


def test_a_record_comes_again_as_long_as_one_handler_needs_it() -> None:
    lab = Lab(View("one"), View("two"))
    lab.append()
    lab.views[1].fails = lambda _commit, _version: True
    assert lab.deliver() == ["1"]
    lab.views[1].fails = lambda _commit, _version: False
    assert lab.deliver(lab.all_records) == []
    assert [view.versions() for view in lab.views] == [[1], [1]]


def test_a_record_that_nobody_understands_does_not_hold_up_the_batch() -> None:
    lab = Lab()
    lab.append(key(1))
    lab.append(key(2))
    del lab.records[0]["dynamodb"]["NewImage"]["pk"]
    assert lab.deliver() == ["1"]
    assert lab.view.versions(key(2)) == [1]


def test_a_commit_that_cannot_be_read_stops_its_own_aggregate() -> None:
    lab = Lab()
    lab.append(key(1))
    lab.append(key(2))
    lab.records[0]["dynamodb"]["NewImage"]["events"] = {"S": "no JSON"}
    lab.memory.write(Set(place=Place(TABLES.events, key(1).pk, "0000000001"), columns={"events": "no JSON"}))
    lab.records.pop()
    assert lab.deliver(lab.records) == ["1"]
    assert lab.view.versions(key(2)) == [1]
    with CLOCK:
        for _ in range(11):
            CLOCK.advance(10)
            failed = lab.deliver(lab.records)
        # Lambda would hold up all that comes behind it, for as long as it keeps the record.
        assert (failed, lab.parked) == ([], [(key(1).pk, 1)])
        assert (lab.cursor(key(1)).parked_error or "").startswith("CorruptRowError")


def test_a_commit_that_only_the_record_has_wrong_is_read() -> None:
    lab = Lab()
    lab.append(key(1))
    lab.records[0]["dynamodb"]["NewImage"]["events"] = {"S": "no JSON"}
    assert lab.deliver() == []
    assert lab.view.versions(key(1)) == [1]


def test_a_store_that_fails_for_one_aggregate_stops_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab()
    lab.append(key(1))
    lab.append(key(2))
    write = lab.memory.write

    def fails(*writes: Any) -> None:
        if getattr(writes[0], "row", {}).get("pk") == key(1).pk:
            service = "DynamoDB"
            raise StoreUnavailableError(service, "Throttled")
        write(*writes)

    monkeypatch.setattr(lab.memory, "write", fails)
    assert lab.deliver() == ["1"]
    assert lab.cursor(key(2)).version == 1
    monkeypatch.undo()
    assert lab.deliver(lab.all_records) == []
    assert lab.view.versions(key(1)) == [1, 1]  # at least once


@pytest.mark.parametrize("what", ["rows", "generations"])
def test_cursors_that_are_out_of_reach_stop_the_handler_that_has_them_there(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    one, two = View("one"), View("two", types=["b"])
    lab = Lab(one, two)
    rows = StoreCursors.rows
    elsewhere = StoreCursors(MemoryStore(clock=clock.seconds), TABLES.sync)
    one.kept_in = elsewhere
    lab.append(key(1), "a", "b")
    lab.append(key(2), "b")
    lab.append(key(3), "other")

    def fails(*_: object) -> None:
        message = "the database of the cursors is busy or out of reach"
        raise ReadModelUnavailableError(message)

    with monkeypatch.context() as patch:
        if what == "rows":
            patch.setattr(
                StoreCursors,
                "rows",
                lambda self, wanted: fails() if self is elsewhere else rows(self, wanted),
            )
        else:
            patch.setattr(one, "generations", fails)
        assert sorted(lab.deliver(lab.all_records)) == ["1", "2"]
    assert (two.versions(key(1)), two.versions(key(2)), one.shown) == ([2], [1], [])
    assert lab.deliver(lab.all_records) == []
    assert (one.versions(key(1)), one.versions(key(2)), len(two.shown)) == ([1, 2], [1], 2)


def test_several_invocations_at_once_do_not_overlap_where_turns_are_claimed() -> None:
    lab = Lab(exclusive=True)
    for _ in range(3):
        lab.append()
    records = list(lab.records)
    met: list[list[str]] = []

    def meet(_commit: Commit, version: int) -> None:
        if version == 1:
            met.append(lab.deliver(records))

    lab.view.before = meet
    assert lab.deliver() == []
    assert met == [["1", "2", "3"]]  # they come again, and find it done
    assert lab.view.versions() == [1, 2, 3]
    assert lab.deliver(records) == []
    assert lab.turn().outcome is Outcome.DONE
