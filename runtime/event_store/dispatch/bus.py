"""The bus: it brings a stored event to the handlers of its name."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from runtime.errors import ConfigurationError
from runtime.event_store.dispatch.delivery import Delivery, is_in_handler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.event_store.dispatch.delivery import ServiceHandler
    from runtime.event_store.dispatch.event import DomainEvent

__all__ = ["EventBus", "InstantEventBus"]


class EventBus(Protocol):
    """What a service needs of a bus."""

    def subscribe(self, handlers: Sequence[ServiceHandler], /) -> None:
        """Get ready for the handlers of a service: before its first event; again, where it has failed."""
        ...

    def publish(self, event: DomainEvent[Any], handlers: Sequence[ServiceHandler], /) -> Delivery:
        """Bring a stored event to ``handlers``: those of the service that have its name.

        It does not wait for them, and a handler's failure is in the delivery.
        """
        ...

    def flush(self, timeout: float | None = None) -> None:
        """Return when nothing is under way any more.

        Raises:
            EventHandlersPendingError: Something still is, after ``timeout`` seconds.
        """
        ...


class InstantEventBus:
    """Calls handlers in threads of this process: at once, side by side, without an order.

    What is under way is lost with the process. In Lambda `CqrsApp` has it done before an invocation ends.

    Args:
        threads: How many handlers are called at a time. Default: 8.

    Raises:
        ConfigurationError: ``threads`` is below 1.
    """

    def __init__(self, *, threads: int = 8) -> None:
        if not isinstance(threads, int) or threads < 1:
            msg = f"threads must be a number of threads, 1 or more, got {threads!r}"
            raise ConfigurationError(msg)
        # It begins no thread before there is something to do.
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="event-bus")
        self._lock = Lock()
        self._running: dict[Future[None], Delivery] = {}

    def subscribe(self, handlers: Sequence[ServiceHandler], /) -> None:
        """Nothing is to be made ready: threads begin with the first event."""

    def publish(self, event: DomainEvent[Any], handlers: Sequence[ServiceHandler], /) -> Delivery:
        """Have the handlers called."""
        delivery = Delivery(event, handlers)
        for call in delivery.calls:
            try:
                future = self._pool.submit(call)
            except RuntimeError as error:  # the process is about to end
                call.give_up(error)
            else:
                with self._lock:
                    self._running[future] = delivery
                future.add_done_callback(self._forget)
        return delivery

    def flush(self, timeout: float | None = None) -> None:
        """Return when no handler is under way any more, nor one that these have caused.

        Args:
            timeout: How long to wait, in seconds. Default: for as long as it takes.

        Raises:
            EventHandlersPendingError: Some are, after this time. They go on.
            ConfigurationError: A handler calls it: it would wait for itself.
        """
        if is_in_handler():
            msg = "flush waits for all handlers, so none of them may call it; use dispatch(...).wait()"
            raise ConfigurationError(msg)
        end = None if timeout is None else time.monotonic() + timeout
        while running := self._snapshot():
            left = None if end is None else max(0.0, end - time.monotonic())
            if wait(running, left).not_done:
                delivery = next(iter(running.values()))
                raise delivery.pending()

    def _snapshot(self) -> dict[Future[None], Delivery]:
        with self._lock:
            return dict(self._running)

    def _forget(self, future: Future[None]) -> None:
        with self._lock:
            self._running.pop(future, None)
