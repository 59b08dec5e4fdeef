"""Dispatching on DynamoDB: what it takes on the wire, and what a lost answer does."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import GapError, VersionError
from runtime.event_store.dispatch.builder import EventBuilder
from runtime.event_store.dispatch.bus import InstantEventBus
from runtime.event_store.dispatch.durable import DurableEventBus
from runtime.event_store.dispatch.service import create_service
from runtime.event_store.dispatch.store import provider_event_store
from runtime.event_store.providers.dynamo_provider import DynamoProvider
from tests.support.event_tables import MODULE, event_settings
from tests.support.service import TestResources

if TYPE_CHECKING:
    from constructs_lib.local import Emulator
    from runtime.event_store.dispatch.bus import EventBus
    from runtime.event_store.dispatch.event import DomainEvent
    from runtime.event_store.dispatch.service import Service
    from tests.support.wire import Call

LONG = 20.0
QUERY, PUT = "Query", "PutItem"


class Seen:
    name = "UserCreated"

    def __init__(self) -> None:
        self.versions: list[int] = []

    def handle(self, event: DomainEvent[Any]) -> None:
        self.versions.append(event.version)


class OnDynamoDb:
    """A service on the emulator's tables, with an aggregate of its own."""

    def __init__(self, emulator: Emulator, tables: tuple[str, str]) -> None:
        self.resources = TestResources(emulator, event_settings(emulator, tables, indexes=False))
        self.build = EventBuilder(
            dict[str, Any], event_name="UserCreated", aggregate_type=f"users-{uuid.uuid4().hex[:8]}"
        )
        self.store = provider_event_store(
            DynamoProvider(MODULE, self.resources), tenant="acme", events=[self.build]
        )
        self.seen = Seen()

    def service(self, bus: EventBus | None = None) -> Service:
        return create_service(
            event_store=self.store, event_bus=bus or InstantEventBus(), event_handlers=[self.seen]
        )

    def event(self, version: int) -> DomainEvent[Any]:
        return self.build(version=version, created_by="ann", payloads={"n": version}, aggregate_id="ann")

    @property
    def calls(self) -> list[str]:
        """What was called since it was asked the last time."""
        made = [call.operation for call in self.resources.wire.calls]
        self.resources.wire.clear()
        return made


@pytest.fixture
def there(emulator: Emulator, event_tables: tuple[str, str]) -> OnDynamoDb:
    return OnDynamoDb(emulator, event_tables)


def test_a_dispatch_is_one_read_and_one_write(there: OnDynamoDb) -> None:
    service = there.service()
    events = [there.event(version) for version in (1, 2)]
    for event in events:
        service.dispatch(event).wait(LONG)
        assert there.calls == [QUERY, PUT]
    assert there.store.get_events(events[0].aggregate_type, "ann") == events
    assert there.calls == [QUERY]
    # The same event again, and what does not go on behind the last one: nothing is written.
    service.dispatch(events[1]).wait(LONG)
    assert there.calls == [QUERY]
    with pytest.raises(VersionError) as conflict:
        service.dispatch(there.event(2))
    assert [found.event for found in conflict.value.winner] == [events[1]]
    assert there.calls == [QUERY]
    with pytest.raises(GapError):
        service.dispatch(there.event(4))
    assert there.calls == [QUERY]
    assert there.seen.versions == [1, 2, 2]


def test_an_event_whose_answer_is_lost_is_stored_once(there: OnDynamoDb) -> None:
    lost: list[Call] = []

    def is_first_put(call: Call) -> bool:
        if call.operation != PUT or lost:
            return False
        lost.append(call)
        return True

    there.resources.wire.lose_answers(is_first_put)
    event = there.event(1)
    there.service().dispatch(event).wait(LONG)
    assert len(lost) == 1
    assert there.store.get_events(event.aggregate_type, "ann") == [event]
    assert there.seen.versions == [1]


def test_a_durable_turn_is_noted_in_the_sync_table(there: OnDynamoDb) -> None:
    """Another process, with nothing in memory, does not call the handler again."""
    event = there.event(1)
    there.service(DurableEventBus(there.store)).dispatch(event).wait(LONG)
    _ = there.calls
    service = there.service(DurableEventBus(there.store))
    service.dispatch(event).wait(LONG)
    assert PUT not in there.calls
    service.dispatch(there.event(2)).wait(LONG)
    assert len(there.calls) == 7
    assert there.seen.versions == [1, 2]
