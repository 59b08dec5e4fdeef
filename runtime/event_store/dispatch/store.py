"""Where a service's events are stored, and the store that aggregates and commands work on, seen that way."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from runtime.errors import (
    AggregateErasedError,
    ConfigurationError,
    FieldProblem,
    GapError,
    InvalidInputError,
    UnreadableEventError,
    VersionError,
)
from runtime.event_store.address import check_stream_name
from runtime.event_store.aggregates.tenants import key_of
from runtime.event_store.dispatch.stored_events import StoredEvents
from runtime.event_store.events.recorded import RecordedEvent
from runtime.event_store.metadata import meta_in
from runtime.event_store.provider import AppendRefusedError, check_provider
from runtime.model.keys import KEY_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.dispatch.builder import EventBuilder
    from runtime.event_store.dispatch.event import DomainEvent
    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.provider import Provider

__all__ = ["EventStore", "ProviderEventStore", "provider_event_store"]


class EventStore(Protocol):
    """What a service needs of a store of events. `provider_event_store` makes one of a `Provider`."""

    def init(self) -> None:
        """Make ready what it needs; called once, before the first append; again, where it has failed."""
        ...

    def get_events(self, aggregate_type: str, aggregate_id: str, /) -> Sequence[DomainEvent[Any]]:
        """All events of an aggregate by their versions, the first one first; none for an unused id."""
        ...

    def append(self, event: DomainEvent[Any], /) -> EventMeta | None:
        """Store an event, if the aggregate has come to the version before its own.

        Returns:
            What is known of it besides what it says, by which what its handlers append is known to be caused
            by it; None where the store has no such thing.

        Raises:
            VersionError: It has come further.
            GapError: It has not come so far.
        """
        ...


def provider_event_store(
    provider: Provider, *, tenant: str | None = None, events: Iterable[EventBuilder[Any]] = ()
) -> ProviderEventStore:
    """The store of a provider: the same that aggregates and commands of a domain work on.

    An event is a commit of its own: its ``aggregate_type`` is the stream, its ``name`` the name that it is
    stored under, its ``payloads`` are the body. So an aggregate of `create_aggregate` folds what a service
    dispatched, and `get_events` gives what commands appended.

    Example:
        >>> store = provider_event_store(MemoryProvider(), tenant="acme", events=[build_user_created])

    Args:
        provider: Where commits are kept.
        tenant: Whose events. Default: in a handler the tenant of its event, in a request the one that it
            acts in.
        events: Builders of events that are to be read with their types. The payloads of others are
            dictionaries.

    Raises:
        ConfigurationError: Two builders are for one event, or something in ``events`` is none, the provider
            is none, or the tenant cannot be one.
    """
    if tenant is not None and (not isinstance(tenant, str) or not tenant or KEY_SEPARATOR in tenant):
        msg = f"tenant must be a code without {KEY_SEPARATOR}, or None, got {tenant!r}"
        raise ConfigurationError(msg)
    check_provider(provider, "provider_event_store")
    return ProviderEventStore(provider, tenant, StoredEvents(events))


class ProviderEventStore:
    """The events of a provider, as services see them: an `EventStore`. Made by `provider_event_store`.

    Attributes:
        provider: Where commits are kept.
        stored: How its events are stored and read.
    """

    def __init__(self, provider: Provider, tenant: str | None, stored: StoredEvents) -> None:
        self.provider = provider
        self.stored = stored
        self._tenant = tenant

    def init(self) -> None:
        """Nothing is to be made: the tables are there with the deployment."""

    def get_events(self, aggregate_type: str, aggregate_id: str, /) -> list[DomainEvent[Any]]:
        """All events of an aggregate by their versions, whether services or commands have appended them.

        Raises:
            InvalidInputError: A part of the address cannot be used, or no tenant is known.
            ForbiddenError: The caller may not read there.
            AggregateErasedError: The aggregate was erased.
            UnreadableEventError: A builder does not accept what is stored.
            StoreUnavailableError: The store is busy or out of reach.
        """
        key = self._key(aggregate_type, aggregate_id, write=False)
        return [event for commit in self.provider.read(key) for event in self.stored.events(commit)]

    def append(self, event: DomainEvent[Any], /) -> EventMeta:
        """Store an event, if the aggregate has come to the version before its own: one read, one write.

        An event that is there already, with the same id, is no conflict: it was dispatched before.

        Raises:
            InvalidInputError: The event cannot be stored, or no tenant is known.
            ForbiddenError: The caller may not write there.
            VersionError: The aggregate has come further; it carries what stands there.
            GapError: It has not come so far.
            AggregateErasedError: It was erased.
            StoreUnavailableError: The store is busy or out of reach.
            OutcomeUnknownError: The store gave no answer. Dispatch the same event again.
        """
        key = self._key(event.aggregate_type, event.aggregate_id, write=True)
        commit = self.stored.commit(key, event)
        # The version was only told: one read of the newest commit proves it.
        newest = next(iter(self.provider.read_back(key, likely=1)), None)
        last = 0 if newest is None else newest.last
        if newest is not None and (newest.closes or newest.is_erased):
            raise AggregateErasedError(key.pk)
        if event.version > last + 1:
            raise GapError(key.pk, event.version - 1, last)
        if newest is not None and event.version <= last:
            standing = newest if newest.first <= event.version else self._at(key, event.version)
            if standing is not None and _is_same(standing, commit):
                # Dispatched before, and the answer was lost, perhaps.
                return meta_in(standing, event.version)
            raise self._conflict(commit, standing)
        try:
            self.provider.append([commit])
        except AppendRefusedError as refused:
            raise self._conflict(commit, refused.moved.get(key)) from None
        return meta_in(commit, event.version)

    def _at(self, key: Key, version: int) -> Commit | None:
        return next(iter(self.provider.read(key, after=version - 1, until=version)), None)

    def _conflict(self, commit: Commit, winner: Commit | None) -> VersionError | AggregateErasedError:
        if winner is not None and (winner.closes or winner.is_erased):
            return AggregateErasedError(commit.key.pk)
        told: list[RecordedEvent[Any]] = []
        if winner is not None:
            with suppress(UnreadableEventError):  # that somebody was faster is what has to be said
                told = [
                    RecordedEvent(event, meta_in(winner, event.version))
                    for event in self.stored.events(winner)
                    if event.version >= commit.first
                ]
        return VersionError(commit.key.pk, commit.first - 1, told)

    def _key(self, aggregate_type: str, aggregate_id: str, *, write: bool) -> Key:
        try:
            stream = check_stream_name(aggregate_type)
        except ValueError as error:
            raise InvalidInputError([FieldProblem("aggregate_type", str(error))]) from None
        return key_of(stream, aggregate_id, self._tenant, None, write=write)


def _is_same(standing: Commit, commit: Commit) -> bool:
    return (standing.append_id, standing.first, standing.events) == (
        commit.append_id,
        commit.first,
        commit.events,
    )
