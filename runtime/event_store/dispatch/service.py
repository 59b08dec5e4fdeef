"""The service: it stores an event, puts it on the bus, and says what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from runtime.background import finish_in_background
from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.event_store.dispatch.delivery import Delivery, name_of_handler
from runtime.event_store.dispatch.event import DomainEvent
from runtime.event_store.metadata import reacting_to
from runtime.imports import check_done, check_function
from runtime.log import error_fields, logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.event_store.dispatch.bus import EventBus
    from runtime.event_store.dispatch.delivery import ServiceHandler
    from runtime.event_store.dispatch.store import EventStore
    from runtime.event_store.events.recorded import EventMeta

__all__ = ["Dispatched", "Service", "create_service"]


@dataclass(frozen=True, slots=True)
class Dispatched:
    """A dispatched event: it is stored, and its handlers are under way.

    Attributes:
        version: The version that it is stored as.
    """

    version: int
    _delivery: Delivery = field(repr=False, compare=False)

    def wait(self, timeout: float | None = None) -> None:
        """Return when every handler has succeeded: the strong mode.

        Args:
            timeout: How long to wait, in seconds. Default: until all have ended.

        Raises:
            EventHandlersPendingError: Some have not ended in time. They go on. It is a `TimeoutError`, too.
            Exception: What the first handler that failed has raised, just as it is, when all have ended.
                The event is stored all the same.
        """
        self._delivery.wait(timeout)


class Service:
    """Dispatches events. Made by `create_service`. It may be used by any number of threads."""

    def __init__(
        self, event_store: EventStore, event_bus: EventBus, event_handlers: Sequence[ServiceHandler]
    ) -> None:
        self._store = event_store
        self._bus = event_bus
        self._handlers = tuple(event_handlers)
        for handler in self._handlers:
            _check(handler)
        self._lock = Lock()
        self._has_store = False
        self._is_ready = False

    def dispatch(
        self, event: DomainEvent[Any], notified: Callable[[Exception | None], object] | None = None
    ) -> Dispatched:
        """Store an event and put it on the bus. It returns when the event is stored; handlers go on.

        A handler that fails changes nothing about that: its error is logged, and told to whoever waits. The
        first call initialises the store and subscribes the handlers; where that fails, the next one does.

        An event that is dispatched again, after an answer that was lost, say, is stored once. Its handlers
        are called again.

        Example:
            >>> service.dispatch(event)                  # eventual: it is stored
            >>> service.dispatch(event).wait(timeout=5)  # strong: it is stored and handled

        Args:
            event: The event.
            notified: Called once, by whichever thread is last: with None when the event is stored and all its
                handlers have succeeded, else with the first error. What it raises is logged. Default: nobody
                is told.

        Raises:
            InvalidInputError: The event cannot be stored.
            VersionError: The aggregate has come to that version already, with another event.
            GapError: It has not come to the version before.
            ConfigurationError: ``notified`` is no plain function of an error.
            CqrsError: Whatever else the store raises. In each case no handler is called.
        """
        if not isinstance(event, DomainEvent):
            problem = f"must be a DomainEvent, such as an EventBuilder makes, got {type(event).__name__}"
            raise InvalidInputError([FieldProblem("event", problem)])
        if notified is not None and not callable(notified):
            problem = f"must be a function, got {type(notified).__name__}"
            raise InvalidInputError([FieldProblem("notified", problem)])
        if notified is not None:
            check_function(notified, "notified", ("error",))
        try:
            self._initialise()
            meta = self._store.append(event)
        except Exception as error:
            self._tell(notified, event, error)
            raise
        delivery = self._publish(event, meta)
        # This also holds the service for as long as something is under way that it has to be flushed for.
        delivery.on_end(partial(self._tell, notified, event))
        return Dispatched(event.version, delivery)

    def flush(self, timeout: float | None = None) -> None:
        """Return when no handler is under way any more. `CqrsApp` calls it before an invocation ends.

        Args:
            timeout: How long to wait, in seconds. Default: for as long as it takes.

        Raises:
            EventHandlersPendingError: Some are under way after this time. They go on.
        """
        self._bus.flush(timeout)

    def _initialise(self) -> None:
        if self._is_ready:
            return
        with self._lock:
            if self._is_ready:
                return
            if not self._has_store:
                self._store.init()
                self._has_store = True
            self._bus.subscribe(self._handlers)
            finish_in_background(self)
            self._is_ready = True

    def _publish(self, event: DomainEvent[Any], meta: EventMeta | None) -> Delivery:
        handlers = [handler for handler in self._handlers if handler.name == event.name]
        try:
            # Handlers are called in the context of the call here, whenever that is.
            with nullcontext() if meta is None else reacting_to(meta):
                return self._bus.publish(event, handlers)
        except Exception as error:  # noqa: BLE001 - the event is stored: whoever waits is told
            logger.error(
                "event not published", event_name=event.name, event_id=event.id, **error_fields(error)
            )
            return Delivery.failed(event, error)

    def _tell(
        self,
        notified: Callable[[Exception | None], object] | None,
        event: DomainEvent[Any],
        error: BaseException | None,
    ) -> None:
        if notified is None:
            return
        try:
            check_done(notified(error), "notified")  # type: ignore[arg-type]
        except Exception as raised:  # noqa: BLE001 - the event is stored, whatever they make of it
            logger.error("notified failed", event_name=event.name, event_id=event.id, **error_fields(raised))


def create_service(
    *, event_store: EventStore, event_bus: EventBus, event_handlers: Sequence[ServiceHandler] = ()
) -> Service:
    """Make a service. Nothing is touched before its first dispatch.

    Example:
        >>> service = create_service(
        ...     event_store=provider_event_store(provider),
        ...     event_bus=InstantEventBus(),
        ...     event_handlers=[SendMail()],
        ... )

    Args:
        event_store: Where events are stored.
        event_bus: What brings them to the handlers.
        event_handlers: Whom to call. An event that none of them is for is stored and published all the same.

    Raises:
        ConfigurationError: Something in ``event_handlers`` is no handler, or the store or the bus is none.
    """
    _check_part(
        "event_store", event_store, ("init", "get_events", "append"), "provider_event_store(provider)"
    )
    _check_part("event_bus", event_bus, ("subscribe", "publish", "flush"), "InstantEventBus()")
    if not isinstance(event_handlers, Sequence):
        msg = f"event_handlers must be a list of handlers, such as [SendMail()], got {event_handlers!r}"
        raise ConfigurationError(msg)
    return Service(event_store, event_bus, event_handlers)


def _check_part(name: str, part: object, methods: Sequence[str], such_as: str) -> None:
    missing = [method for method in methods if not callable(getattr(part, method, None))]
    if isinstance(part, type) or missing:
        msg = f"{name} must have the methods {', '.join(methods)}, such as {such_as}, got {part!r}"
        raise ConfigurationError(msg)


def _check(handler: ServiceHandler) -> None:
    name, handle = getattr(handler, "name", None), getattr(handler, "handle", None)
    if isinstance(handler, type) or not isinstance(name, str) or not name or not callable(handle):
        msg = (
            f"{handler!r} is no handler: it must be an object with a name, that of the events that it is "
            "for, and a method handle(event)"
        )
        raise ConfigurationError(msg)
    check_function(handle, f"{name_of_handler(handler)}.handle", ("event",))
