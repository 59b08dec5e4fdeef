"""What a service has begun is over before the invocation is: Lambda stops its threads then."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from runtime import (
    CommandModule,
    CqrsApp,
    DomainEvent,
    EventBuilder,
    InstantEventBus,
    create_service,
    provider_event_store,
)
from runtime.event_store.providers.memory_provider import MemoryProvider

build = EventBuilder(dict[str, Any], event_name="UserCreated", aggregate_type="users")


class Slow:
    """Is done a little after it was called."""

    name = "UserCreated"

    def __init__(self) -> None:
        self.done: list[str] = []

    def handle(self, event: DomainEvent[Any]) -> None:
        threading.Event().wait(0.05)
        self.done.append(event.aggregate_id)


class Context:
    """Lambda's, which says how long the function may still run."""

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


@pytest.mark.parametrize("fails", [False, True])
def test_handlers_are_done_when_the_invocation_ends(*, fails: bool) -> None:
    slow = Slow()
    service = create_service(
        event_store=provider_event_store(MemoryProvider(), tenant="acme"),
        event_bus=InstantEventBus(),
        event_handlers=[slow],
    )
    app = CqrsApp(modules=[CommandModule("order")])

    @app.on_invoke()
    def create(_: Any) -> None:
        service.dispatch(build(version=1, created_by="ann", payloads={}, aggregate_id="ann"))
        assert slow.done == []
        if fails:
            raise ZeroDivisionError

    if fails:
        with pytest.raises(ZeroDivisionError):
            app({"action": "create"}, Context(30_000))
    else:
        app({"action": "create"}, Context(30_000))
    assert slow.done == ["ann"]


def test_an_invocation_does_not_wait_longer_than_it_may_run() -> None:
    go = threading.Event()

    class Stuck:
        name = "UserCreated"

        def handle(self, _: DomainEvent[Any]) -> None:
            assert go.wait(20)

    service = create_service(
        event_store=provider_event_store(MemoryProvider(), tenant="acme"),
        event_bus=InstantEventBus(),
        event_handlers=[Stuck()],
    )
    app = CqrsApp(modules=[CommandModule("order")])

    @app.on_invoke()
    def create(_: Any) -> str:
        service.dispatch(build(version=1, created_by="ann", payloads={}))
        return "stored"

    assert app({"action": "create"}, Context(520)) == "stored"
    go.set()
    service.flush(20)
