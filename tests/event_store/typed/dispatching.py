"""Dispatch: what type checkers accept, and what they do not."""

from __future__ import annotations

from typing import Any, assert_type

from pydantic import BaseModel

from runtime.event_store.dispatch.builder import EventBuilder
from runtime.event_store.dispatch.bus import InstantEventBus
from runtime.event_store.dispatch.delivery import Delivery, ServiceHandler
from runtime.event_store.dispatch.durable import DurableEventBus
from runtime.event_store.dispatch.event import DomainEvent
from runtime.event_store.dispatch.reducer import rehydrate
from runtime.event_store.dispatch.service import Dispatched, create_service
from runtime.event_store.dispatch.store import EventStore, provider_event_store
from runtime.event_store.providers.memory_provider import MemoryProvider


class Email(BaseModel):
    email: str


class Reason(BaseModel):
    reason: str


class SendMail:
    name = "UserCreated"

    def handle(self, event: DomainEvent[Email]) -> None:
        assert_type(event.payloads, Email)


class Nameless:
    def handle(self, event: DomainEvent[Any]) -> None: ...


class Idle:
    name = "UserCreated"


class Plain:
    """A bus of one's own."""

    def subscribe(self, handlers: Any, /) -> None: ...

    def publish(self, event: DomainEvent[Any], handlers: Any, /) -> Delivery:
        return Delivery(event, handlers)

    def flush(self, timeout: float | None = None) -> None: ...


build = EventBuilder(Email, event_name="UserCreated", aggregate_type="users")
forget = EventBuilder(Reason, event_name="UserForgotten", aggregate_type="users")
store = provider_event_store(MemoryProvider(), tenant="acme", events=[build, forget])


def count(state: int, event: DomainEvent[Any], /) -> int:
    return state + event.version


def show(*_: object) -> None: ...


def tell(error: Exception | None) -> None:
    assert error is None


def right() -> None:
    created = build(version=1, created_by="ann", payloads=Email(email="a"))
    assert_type(created, DomainEvent[Email])
    forgotten = forget(version=2, created_by="ann", payloads=Reason(reason="asked"), aggregate_id="ann")
    for bus in (InstantEventBus(threads=2), DurableEventBus(store), Plain()):
        service = create_service(event_store=store, event_bus=bus, event_handlers=[SendMail()])
        assert_type(service.dispatch(created), Dispatched)
        service.dispatch(forgotten, tell)
        service.dispatch(created).wait(timeout=5)
    assert_type(rehydrate([created, forgotten], count, 0), int)
    assert_type(rehydrate(store.get_events("users", "ann"), count, 0), int)
    a_store: EventStore = store
    a_handler: ServiceHandler = SendMail()
    show(a_store, a_handler)


def wrong() -> None:
    build(version=1, created_by="ann", payloads=Reason(reason="asked"))  # error
    build(version=1, created_by="ann", payloads={"email": "a"})  # error
    build(version="1", created_by="ann", payloads=Email(email="a"))  # error
    build(1, "ann", Email(email="a"))  # error
    created = build(version=1, created_by="ann", payloads=Email(email="a"))
    created.version = 2  # error
    show(created.payloads.reason)  # error
    service = create_service(event_store=store, event_bus=InstantEventBus())
    service.dispatch(Email(email="a"))  # error
    service.dispatch(created, lambda: None)  # error
    create_service(event_store=store, event_bus=InstantEventBus(), event_handlers=[Nameless()])  # error
    create_service(event_store=store, event_bus=InstantEventBus(), event_handlers=[Idle()])  # error
    create_service(event_store=MemoryProvider(), event_bus=InstantEventBus())  # error
    DurableEventBus(MemoryProvider())  # error
    rehydrate([created], count, "0")  # error
