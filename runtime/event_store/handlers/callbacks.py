"""The callbacks of a handler: one for each stream and event, the last one that was registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runtime.errors import ConfigurationError
from runtime.event_store.aggregates.aggregate import Aggregate
from runtime.imports import check_function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.event_store.commits.commit import StoredEvent
    from runtime.event_store.events.event_types import EventTypes
    from runtime.event_store.events.recorded import EventMeta

__all__ = ["Callbacks", "ErasedCallback", "EventCallback"]

EventT_contra = TypeVar("EventT_contra", contravariant=True)


class EventCallback(Protocol[EventT_contra]):
    """What a handler calls for an event of a class."""

    def __call__(self, aggregate_id: str, event: EventT_contra, meta: EventMeta, /) -> object:
        """Handle an event. What it returns is not looked at.

        Args:
            aggregate_id: Id of the event's aggregate.
            event: The event.
            meta: What else is known of it.
        """
        ...


class ErasedCallback(Protocol):
    """What a handler calls for an aggregate that was erased."""

    def __call__(self, aggregate_id: str, meta: EventMeta, /) -> object:
        """Take out of the read model what is there of an aggregate. What it returns is not looked at.

        Args:
            aggregate_id: Id of the aggregate.
            meta: Its stream and tenant, and when it was erased. It is no event: ``event_type`` is empty.
        """
        ...


class Callbacks:
    """Which function is called for which event.

    Args:
        name: The handler's, for messages.
        streams: The streams that it is over, each with its events; None for one whose events have no
            classes: a callback gets their bodies.
    """

    def __init__(self, name: str, streams: Mapping[str, EventTypes | None]) -> None:
        self._name = name
        self._streams = dict(streams)
        self._by_stream: dict[str, dict[str, EventCallback[Any]]] = {stream: {} for stream in streams}
        self._erased: dict[str, ErasedCallback] = {}

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams."""
        return tuple(self._streams)

    def types(self, stream: str) -> frozenset[str]:
        """Names of the events of a stream that there are callbacks for; none for another handler's stream."""
        return frozenset(self._by_stream.get(stream, ()))

    def find(self, stream: str, event_type: str) -> EventCallback[Any] | None:
        """The callback of what is stored under a name; None where there is none."""
        return self._by_stream.get(stream, {}).get(event_type)

    def register(self, stream: object, event: object, callback: EventCallback[Any]) -> None:
        """Let ``callback`` be called for an event of a stream, in place of an earlier one.

        Raises:
            ConfigurationError: The handler is not over the stream, the stream has no such event, or the
                callback is no plain function of what it is called with.
        """
        self._check(callback, ("aggregate_id", "event", "meta"))
        name = self.stream_of(stream)
        # Replaced as a whole: another thread may be looking something up.
        self._by_stream[name] = self._by_stream[name] | dict.fromkeys(self._names(name, event), callback)

    def check(self, stream: object, event: object) -> None:
        """Refuse an event that could never come, before its callback is known.

        Raises:
            ConfigurationError: The handler is not over the stream, or the stream has no such event.
        """
        self._names(self.stream_of(stream), event)

    def register_erased(self, stream: object, callback: ErasedCallback) -> None:
        """Let ``callback`` be called for aggregates of a stream that are erased, in place of an earlier one.

        Raises:
            ConfigurationError: The handler is not over the stream, or the callback is no plain function of
                what it is called with.
        """
        self._check(callback, ("aggregate_id", "meta"))
        self._erased[self.stream_of(stream)] = callback

    def find_erased(self, stream: str) -> ErasedCallback | None:
        """The callback for aggregates of a stream that are erased; None where there is none."""
        return self._erased.get(stream)

    def _check(self, callback: Callable[..., object], takes: tuple[str, ...]) -> None:
        # What only begins its work would be taken for done, and the event with it.
        check_function(callback, f"handler {self._name}: the callback", takes)

    def stream_of(self, stream: object) -> str:
        """Name of one of the handler's streams.

        Raises:
            ConfigurationError: The handler is not over it.
        """
        name = stream.stream if isinstance(stream, Aggregate) else stream
        if not isinstance(name, str) or name not in self._streams:
            msg = (
                f"handler {self._name}: it is over the streams {sorted(self._streams)}, "
                f"and not over {name!r}; add it to those that create_handler gets"
            )
            raise ConfigurationError(msg)
        return name

    def _names(self, stream: str, event: object) -> frozenset[str]:
        """All names that an event is, or was, stored under."""
        types = self._streams[stream]
        if types is None:
            if not isinstance(event, str) or not event:
                msg = f"handler {self._name}: events of {stream!r} have names and no classes, got {event!r}"
                raise ConfigurationError(msg)
            return frozenset({event})
        cls = types.class_of(event) if isinstance(event, str) else event
        names = types.names_of(cls) if isinstance(cls, type) else frozenset[str]()
        if not names:
            known = ", ".join(each.__name__ for each in types.classes)
            what = event.__name__ if isinstance(event, type) else repr(event)
            msg = f"handler {self._name}: {what} is no event of the stream {stream!r}; it has {known}"
            raise ConfigurationError(msg)
        return names

    def event_in(self, stored: StoredEvent, meta: EventMeta) -> Any:  # noqa: ANN401 - one of the classes
        """The event as a callback gets it.

        Raises:
            UnreadableEventError: Nothing in this code reads it.
        """
        types = self._streams[meta.stream]
        return dict(stored.body) if types is None else types.read(stored, meta.key, meta.version)
