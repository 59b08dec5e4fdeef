"""A bus that loses nothing: what this process has not handled, the table's stream does."""

from __future__ import annotations

from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from runtime import clock
from runtime.errors import ConfigurationError
from runtime.event_store.aggregates.loaded import Loaded
from runtime.event_store.dispatch.bus import InstantEventBus
from runtime.event_store.dispatch.delivery import name_of_handler
from runtime.event_store.domain import Domain
from runtime.event_store.domain_context import DomainContext
from runtime.event_store.handlers.handler import EventHandler
from runtime.event_store.handlers.options import HandlerOptions
from runtime.event_store.metadata import current_event
from runtime.imports import check_done

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.dispatch.delivery import Delivery, ServiceHandler
    from runtime.event_store.dispatch.event import DomainEvent
    from runtime.event_store.dispatch.store import ProviderEventStore
    from runtime.event_store.dispatch.stored_events import StoredEvents
    from runtime.event_store.events.recorded import EventMeta

__all__ = ["DurableEventBus"]

#: Begins with what is appended from now on, as a subscription does; never two turns at a time, so that this
#: process and the stream call it once; and no rebuild calls it for every event anew.
_OPTIONS: Final = HandlerOptions(tail_stream=True, exclusive=True, reaction=True)


class DurableEventBus(InstantEventBus):
    """Calls handlers in threads of this process, and has the table's stream do what is not done then.

    Each handler has a cursor by aggregate, which both ways share: an event that is handled here is not
    handled by the stream, and the other way round. Handlers see the events of an aggregate in order, each at
    least once; what fails is tried again by the stream, in front of what follows it, and parked in the end. A
    handler begins with what is appended after its first subscription.

    Progress is kept under the handler's name, ``bookmark`` where it has one: handlers of one event need it.

    Example:
        >>> store = provider_event_store(provider, events=[build_user_created])
        >>> bus = DurableEventBus(store)
        >>> handlers = [SendMail()]
        >>> service = create_service(event_store=store, event_bus=bus, event_handlers=handlers)
        >>> users = EventModule("users", bus.domain, handlers=bus.event_handlers(handlers))

    Args:
        store: The service's store. Its builders say which streams have the events that a handler is for.
        domain: The domain that the handlers are of. Default: one of their own, without aggregates.
        threads: How many handlers are called at a time. Default: 8.

    Attributes:
        domain: The domain that the handlers are of.

    Raises:
        ConfigurationError: ``threads`` is below 1, or the domain is of another provider than the store.
    """

    def __init__(self, store: ProviderEventStore, *, domain: Domain | None = None, threads: int = 8) -> None:
        super().__init__(threads=threads)
        if domain is not None and domain.context.own_provider is not store.provider:
            msg = "the domain of a DurableEventBus must have the provider of its store"
            raise ConfigurationError(msg)
        self.domain = domain or Domain(DomainContext(store.provider, {}, None, None))
        self._stored = store.stored
        self._adding = Lock()
        self._followed: dict[str, _Followed] = {}

    def event_handlers(self, handlers: Sequence[ServiceHandler], /) -> tuple[EventHandler, ...]:
        """What the table's stream calls for service handlers: for ``EventModule(handlers=...)``.

        Nothing is touched by that.

        Args:
            handlers: The service handlers, the same objects that the service has.

        Raises:
            ConfigurationError: No builder makes the events that a handler is for, or two share a bookmark.
        """
        return tuple(self._follow(handler) for handler in handlers)

    def subscribe(self, handlers: Sequence[ServiceHandler], /) -> None:
        """Register the handlers: they begin with what is appended from now on, unless they have begun before.

        Raises:
            ConfigurationError: As `event_handlers`.
            StoreUnavailableError: The store is busy or out of reach.
        """
        for handler in handlers:
            self._follow(handler).generations(clock.now())

    def publish(self, event: DomainEvent[Any], handlers: Sequence[ServiceHandler], /) -> Delivery:
        """Have the handlers called for what they have not seen of the event's aggregate.

        Raises:
            ConfigurationError: No builder makes the event for its stream, whose records would not bring it.
        """
        return super().publish(event, [_Turn(self._follow(handler), handler, event) for handler in handlers])

    def _follow(self, handler: ServiceHandler) -> _Followed:
        bookmark = getattr(handler, "bookmark", None) or handler.name
        with self._adding:
            found = self._followed.get(bookmark)
            if found is None:
                found = self._followed[bookmark] = self._made(bookmark, handler)
        if found.handler is not handler:
            msg = (
                f"two handlers, {name_of_handler(found.handler)} and {name_of_handler(handler)}, would share "
                f"their progress under {bookmark!r}: give each a bookmark of its own, a text"
            )
            raise ConfigurationError(msg)
        return found

    def _made(self, bookmark: str, handler: ServiceHandler) -> _Followed:
        streams = self._stored.streams_of(handler.name)
        if not streams:
            msg = (
                f"{name_of_handler(handler)} is for events named {handler.name!r}, and no builder makes "
                "them: give it to provider_event_store(events=[...]), which says what streams they are in"
            )
            raise ConfigurationError(msg)
        if bookmark in self.domain.handlers:
            msg = f"the domain has a handler {bookmark!r} already; give {name_of_handler(handler)} a bookmark"
            raise ConfigurationError(msg)
        made = _Followed(self.domain.context, bookmark, handler, streams, self._stored)
        self.domain.handlers[bookmark] = made
        return made


class _Followed(EventHandler):
    """A service handler, as the feed knows it."""

    def __init__(
        self,
        context: DomainContext,
        bookmark: str,
        handler: ServiceHandler,
        streams: Sequence[str],
        stored: StoredEvents,
    ) -> None:
        super().__init__(context, bookmark, dict.fromkeys(streams), _OPTIONS)
        self.handler = handler
        self._stored = stored
        for stream in streams:
            self.handle(stream, handler.name, self._call)

    def show(self, commit: Commit, version: int, *, generation: int = 1) -> bool | None:
        """See `EventHandler.show`."""
        token = _shown.set(commit)
        try:
            return super().show(commit, version, generation=generation)
        finally:
            _shown.reset(token)

    def _call(self, _aggregate_id: str, _body: Mapping[str, Any], meta: EventMeta) -> None:
        result = self.handler.handle(self._stored.event(_shown.get(), meta.version))
        check_done(result, f"{name_of_handler(self.handler)}.handle")


#: The commit that a handler is shown an event of: it knows more of the event than `EventMeta` does.
_shown: Final[ContextVar[Commit]] = ContextVar("shown")


class _Turn:
    """A service handler whose call is a turn at the event's aggregate."""

    def __init__(self, followed: _Followed, handler: ServiceHandler, event: DomainEvent[Any]) -> None:
        if event.aggregate_type not in followed.streams:
            msg = (
                f"no builder makes events named {event.name!r} for the stream {event.aggregate_type!r}: "
                f"give it to provider_event_store(events=[...]), or {followed.name} does not see them"
            )
            raise ConfigurationError(msg)
        self.name = handler.name
        self.label = name_of_handler(handler)
        self._followed = followed

    def handle(self, event: DomainEvent[Any]) -> None:
        """Show the handler what it has not seen; what it raises passes through.

        Raises:
            ReadModelBehindError: It is parked at the aggregate.
            ContentionError: The stream's turn takes too long.
        """
        followed, meta = self._followed, current_event()
        if meta is not None:
            # Whoever comes first registers it, so that it begins with this event at the latest.
            followed.generations(meta.timestamp)
        run = followed.catch_up(event.aggregate_type, event.aggregate_id)
        if run.parked and meta is not None:
            # Nothing was done: whoever waits must not take it for handled.
            followed.wait_for(event.aggregate_type, Loaded(meta.key, event.version, None), timeout=0)
