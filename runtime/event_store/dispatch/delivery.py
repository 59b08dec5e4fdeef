"""What becomes of an event that was put on a bus: one call of each handler, whoever makes it."""

from __future__ import annotations

from contextvars import Context, ContextVar, copy_context
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Final, Protocol

from runtime.errors import CqrsError, EventHandlersPendingError
from runtime.imports import check_done
from runtime.log import error_fields, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.event_store.dispatch.event import DomainEvent

__all__ = ["Call", "Delivery", "ServiceHandler", "is_in_handler", "name_of_handler"]

#: Whether this code was called by a handler of a bus.
_in_handler: Final[ContextVar[bool]] = ContextVar("in_handler", default=False)


class ServiceHandler(Protocol):
    """Called for the events whose name is its ``name``. Several handlers may have one name."""

    @property
    def name(self) -> str:
        """Name of the events that it is for."""
        ...

    def handle(self, event: DomainEvent[Any], /) -> object:
        """Do what is to be done about an event. What is returned is not looked at."""
        ...


class Delivery:
    """What becomes of an event that was put on a bus. What `EventBus.publish` returns.

    A bus makes the ``calls`` where and when it likes, each once: one that somebody else has begun is passed
    over. Each call has a copy of the event of its own, and the context variables of whoever has published it.

    Example:
        >>> class OneAfterTheOther:
        ...     def publish(self, event, handlers):
        ...         delivery = Delivery(event, handlers)
        ...         delivery.run()
        ...         return delivery

    Args:
        event: The event.
        handlers: Whom to call. Default: nobody, so that it is over at once.
    """

    def __init__(self, event: DomainEvent[Any], handlers: Sequence[ServiceHandler] = ()) -> None:
        self.event = event
        self.calls: tuple[Call, ...] = tuple(Call(self, handler) for handler in handlers)
        self._lock = Lock()
        self._left = len(self.calls)
        self._error: BaseException | None = None
        self._is_over = Event()
        self._callbacks: list[tuple[Context, Callable[[BaseException | None], None]]] = []
        if not self.calls:
            self._is_over.set()

    @classmethod
    def failed(cls, event: DomainEvent[Any], error: BaseException) -> Delivery:
        """A delivery that is over, and has failed."""
        delivery = cls(event)
        delivery._error = error
        return delivery

    def run(self) -> None:
        """Make all calls that nobody has begun yet, here and now, one after the other."""
        for call in self.calls:
            call()

    def wait(self, timeout: float | None = None) -> None:
        """Return when every handler has succeeded.

        Inside of a handler it makes the calls that no thread has begun yet itself: threads that wait for one
        another's turn would wait for ever. Such a call is not cut short by ``timeout``.

        Args:
            timeout: How long to wait, in seconds. Default: until all have ended.

        Raises:
            EventHandlersPendingError: Some have not ended in time. They go on.
            Exception: What the first of the handlers that failed has raised; all have ended by then.
        """
        if is_in_handler():
            self.run()
        if not self._is_over.wait(timeout):
            raise self.pending()
        if self._error is not None:
            raise self._error

    def pending(self) -> EventHandlersPendingError:
        """The error that says which handlers have not ended."""
        names = [name_of_handler(call.handler) for call in self.calls if not call.is_over]
        event = self.event
        return EventHandlersPendingError(f"{event.aggregate_type}#{event.aggregate_id}", event.version, names)

    def on_end(self, callback: Callable[[BaseException | None], None]) -> None:
        """Have ``callback`` called once all handlers have ended: with the first error, or None.

        It is called by the thread of the handler that has ended last, with the context variables of whoever
        is here now, and counts as a part of that handler; at once, where all have ended.
        """
        with self._lock:
            if self._left:
                self._callbacks.append((copy_context(), callback))
                return
        callback(self._error)

    def end_one(self, error: BaseException | None) -> None:
        """Take note that a call has ended."""
        with self._lock:
            self._error = self._error or error
            self._left -= 1
            if self._left:
                return
            callbacks, self._callbacks = self._callbacks, []
        self._is_over.set()
        for context, callback in callbacks:
            context.run(self._call_back, callback)

    def _call_back(self, callback: Callable[[BaseException | None], None]) -> None:
        _in_handler.set(True)
        callback(self._error)


class Call:
    """One handler's call for one event: made once, whoever makes it. What it raises stays in the delivery."""

    def __init__(self, delivery: Delivery, handler: ServiceHandler) -> None:
        self.handler = handler
        self.is_over = False
        # What another handler, or the caller, does to the event afterwards is not seen here.
        self._event = delivery.event.model_copy(deep=True)
        self._delivery = delivery
        self._context = copy_context()
        self._begin = Lock()

    def __call__(self) -> None:
        """Call the handler, unless somebody has."""
        if self._begin.acquire(blocking=False):
            self._end(self._context.run(self._raised))

    def give_up(self, error: BaseException) -> None:
        """End a call that nobody will make."""
        if self._begin.acquire(blocking=False):
            self._end(error)

    def _raised(self) -> BaseException | None:
        _in_handler.set(True)
        try:
            check_done(self.handler.handle(self._event), f"{name_of_handler(self.handler)}.handle")
        except BaseException as error:  # noqa: BLE001 - also one that ends a thread: somebody waits for it
            return error
        return None

    def _end(self, error: BaseException | None) -> None:
        if error is not None:
            # Nobody may be waiting: this line may be all that is ever known of it.
            logger.error(
                "event handler failed",
                handler=name_of_handler(self.handler),
                event_name=self._event.name,
                event_id=self._event.id,
                **error_fields(error),
            )
        if isinstance(error, CqrsError) and error.written == "nothing":
            # By the handler, that is. The event is stored: who waits must not take it for refused.
            error.written = "everything"
        self.is_over = True
        self._delivery.end_one(error)


def is_in_handler() -> bool:
    """Whether this code was called by a handler of a bus."""
    return _in_handler.get()


def name_of_handler(handler: ServiceHandler) -> str:
    """What to call a handler in messages: its ``label`` where it has one, else its class."""
    return getattr(handler, "label", None) or type(handler).__qualname__
