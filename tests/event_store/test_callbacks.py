"""Which function a handler calls for which event, and what it refuses to register."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import ConfigurationError
from runtime.event_store.aggregates.aggregate import Aggregate, create_aggregate
from runtime.event_store.commits.commit import StoredEvent
from runtime.event_store.events.event import Event, event_type
from runtime.event_store.events.recorded import EventMeta
from runtime.event_store.handlers.callbacks import Callbacks

if TYPE_CHECKING:
    from collections.abc import Iterator


class Opened(Event, type="opened", aliases=("begun",)):
    name: str


@event_type("closed")
@dataclass(frozen=True)
class Closed:
    pass


class Foreign(Event):
    pass


door: Aggregate[Opened | Closed, dict[str, Any]] = create_aggregate(
    stream="doors", events=[Opened, Closed], create=dict, fold=lambda *_: None
)
gate: Aggregate[Closed, dict[str, Any]] = create_aggregate(
    stream="gates", events=[Closed], create=dict, fold=lambda *_: None
)


def callbacks() -> Callbacks:
    return Callbacks("doors-model", {"doors": door.types, "gates": gate.types, "sounds": None})


def first(*_: object) -> None: ...


async def later(*_: object) -> None: ...


def bit_by_bit(*_: object) -> Iterator[None]:
    yield


class Later:
    async def __call__(self, *_: object) -> None: ...


def second(*_: object) -> None: ...


@pytest.mark.parametrize("stream", [door, "doors"])
@pytest.mark.parametrize("event", [Opened, "opened", "begun"])
def test_a_callback_is_found_under_every_name_of_its_event(stream: Any, event: Any) -> None:
    found = callbacks()
    found.register(stream, event, first)
    assert found.types("doors") == {"opened", "begun"}
    assert found.find("doors", "opened") is found.find("doors", "begun") is first
    assert found.find("doors", "closed") is None


def test_the_last_registration_wins_however_it_names_the_event() -> None:
    found = callbacks()
    found.register(door, Opened, first)
    found.register("doors", "begun", second)
    assert found.find("doors", "opened") is second


def test_one_event_of_two_streams_has_two_callbacks() -> None:
    found = callbacks()
    found.register(door, Closed, first)
    assert found.find("gates", "closed") is None
    found.register(gate, Closed, second)
    assert (found.find("doors", "closed"), found.find("gates", "closed")) == (first, second)


def test_of_a_stream_without_classes_a_callback_gets_bodies() -> None:
    found = callbacks()
    found.register("sounds", "bang", first)
    meta = EventMeta(
        stream="sounds",
        aggregate_id="1",
        version=1,
        tenant="acme",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        event_type="bang",
    )
    assert found.event_in(StoredEvent("bang", {"loud": True}), meta) == {"loud": True}


@pytest.mark.parametrize(
    ("stream", "event", "callback", "message"),
    [
        (
            "windows",
            "opened",
            first,
            r"over the streams \['doors', 'gates', 'sounds'\], and not over 'windows'",
        ),
        (7, "opened", first, "not over 7"),
        (door, "slammed", first, "'slammed' is no event of the stream 'doors'; it has Opened, Closed"),
        (door, Foreign, first, "Foreign is no event of the stream 'doors'"),
        (gate, Opened, first, "Opened is no event of the stream 'gates'"),
        (door, Opened(name="x"), first, "is no event of the stream 'doors'"),
        (door, Opened, None, "the callback must be a function, got NoneType"),
        (door, Opened, later, "the callback must be a plain function, got the coroutine function later"),
        (door, Opened, Later(), "the callback must be a plain function, got the coroutine function Later"),
        (door, Opened, bit_by_bit, "the callback must be a plain function, got the generator bit_by_bit"),
        (
            door,
            Opened,
            lambda event: event,
            r"the callback is called with \(aggregate_id, event, meta\), and <lambda>\(event\) cannot be",
        ),
        ("sounds", Opened, first, "events of 'sounds' have names and no classes"),
        ("sounds", "", first, "events of 'sounds' have names and no classes"),
    ],
)
def test_what_could_never_be_called_is_refused(stream: Any, event: Any, callback: Any, message: str) -> None:
    found = callbacks()
    with pytest.raises(ConfigurationError, match=f"handler doors-model: .*{message}"):
        found.register(stream, event, callback)
    assert not any(found.types(each) for each in found.streams)


def test_what_is_called_for_an_erased_aggregate_is_a_plain_function_too() -> None:
    found = callbacks()
    wrong: Any
    for wrong in (later, bit_by_bit, lambda aggregate_id: aggregate_id):
        with pytest.raises(ConfigurationError, match="handler doors-model: the callback"):
            found.register_erased(door, wrong)
    assert found.find_erased("doors") is None
