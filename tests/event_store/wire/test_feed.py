"""What the feed costs, counted on the wire: calls, and write units."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from runtime import clock
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import Commit, StoredEvent
from runtime.event_store.feed.cursors import CursorKey
from runtime.event_store.feed.drain import EventVersions
from runtime.event_store.feed.processor import EventProcessor
from runtime.pipeline.repairing import Repair
from runtime.store.codec import encoded
from runtime.store.values import Place
from tests.event_store.feed.lab import View
from tests.event_store.wire.metered import Metered
from tests.support.clock import CLOCK
from tests.support.event_tables import MODULE
from tests.support.values import event_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.local import Emulator

READ, PUT, SET, QUERY = "BatchGetItem", "PutItem", "UpdateItem", "Query"


class Fed:
    """A provider on the emulator, a handler, and the records that its stream would have."""

    def __init__(self, emulator: Emulator, tables: tuple[str, str], *, exclusive: bool = False) -> None:
        self.meter = Metered(emulator, tables, indexes=False)
        self.provider = self.meter.provider
        self.view = View(f"view-{uuid.uuid4().hex[:8]}")
        self.view.exclusive = exclusive
        self.view.kept_in = self.provider.cursors()
        self.processor = EventProcessor(MODULE, self.provider, [self.view], self.provider.storage.commit)
        self.records: list[dict[str, Any]] = []

    def append(self, whose: Key, first: int, *types: str) -> None:
        events = tuple(StoredEvent(name, {"text": "x" * 200}) for name in types)
        commit = Commit(key=whose, first=first, events=events, append_id=uuid.uuid4().hex, at=clock.now())
        self.provider.append([commit])
        place = Place(self.provider.storage.tables.events, whose.pk, f"{first:010d}")
        row = self.provider.storage.store.get(place)
        assert row is not None
        number = str(len(self.records) + 1)
        image = {"SequenceNumber": number, "NewImage": event_image(encoded(row))}
        self.records.append({"eventName": "INSERT", "dynamodb": image})
        self.meter.clear()

    def deliver(self, *records: dict[str, Any]) -> list[str]:
        self.meter.clear()
        answer = self.processor.process(records or self.records)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    @property
    def calls(self) -> list[str]:
        return self.meter.cost.calls


@pytest.fixture(params=[False, True])
def fed(request: pytest.FixtureRequest, emulator: Emulator, event_tables: tuple[str, str]) -> Iterator[Fed]:
    with CLOCK:
        yield Fed(emulator, event_tables, exclusive=request.param)


@pytest.fixture
def whose() -> Key:
    return Key("users", uuid.uuid4().hex, "acme")


def test_a_turn_is_a_read_and_a_write_however_many_events(fed: Fed, whose: Key) -> None:
    claims = int(fed.view.exclusive)
    fed.append(whose, 1, "a")
    assert fed.deliver() == []
    assert fed.calls == [READ, PUT, *[SET] * claims]
    assert fed.meter.cost.written == 1 + claims
    fed.append(whose, 2, *"abababab")
    fed.append(whose, 10, "a")
    assert fed.deliver() == []
    assert fed.calls == [READ, SET, *[SET] * claims]
    assert fed.meter.cost.written == 1 + claims
    assert fed.deliver() == []
    assert fed.calls == [READ]
    assert fed.view.versions(whose) == list(range(1, 11))


def test_what_the_batch_does_not_bring_is_one_query(fed: Fed, whose: Key) -> None:
    for version in range(1, 6):
        fed.append(whose, version, "a")
    assert fed.deliver(fed.records[-1]) == []
    assert sorted(set(fed.calls)) == sorted({READ, QUERY, PUT, *[SET] * fed.view.exclusive})
    assert fed.calls.count(QUERY) == 1
    assert fed.view.versions(whose) == [1, 2, 3, 4, 5]


def test_what_nobody_minds_is_no_call(fed: Fed, whose: Key) -> None:
    fed.append(whose, 1, "other")
    assert fed.deliver() == []
    assert fed.calls == []


def test_what_fails_is_noted_once_counted_parked_and_redriven(fed: Fed, whose: Key) -> None:
    fed.append(whose, 1, "a", "b")
    fed.view.fails = lambda _commit, version: version == 2
    assert fed.deliver() == ["1"]
    fed.view.attempts = 3
    for _ in range(2):
        CLOCK.advance(61)
        failed = fed.deliver()
    assert failed == []
    cursor = CursorKey(fed.view.name, 1, whose)
    assert fed.view.kept_in is not None
    row = fed.view.kept_in.rows([cursor])[cursor]
    assert (row.cursor.version, row.cursor.resume, row.cursor.parked_version) == (1, 1, 2)
    assert fed.deliver() == []
    assert fed.calls == [READ]
    fed.view.fails = lambda _commit, _version: False
    fed.append(whose, 3, "a")
    fed.meter.clear()
    repaired = Repair(fed.view.name, EventVersions(fed.provider, fed.view, cursor, row)).run()
    assert (repaired.done, repaired.parked_version) == ((2, 3), None)
    assert fed.calls == [READ, SET, QUERY, SET, SET]
    assert fed.deliver() == []
    assert [*dict.fromkeys(fed.view.versions(whose))] == [1, 2, 3]
