"""Where a service's events are stored, and the store that aggregates and commands work on, seen that way."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

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
from runtime.event_store.commit import Commit, StoredEvent
from runtime.event_store.dispatch.event import DomainEvent, problems_of
from runtime.event_store.metadata import gathered, meta_in
from runtime.event_store.provider import AppendRefusedError
from runtime.event_store.recorded import RecordedEvent
from runtime.event_store.tenants import key_of
from runtime.model.keys import KEY_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runtime.event_store.address import Key
    from runtime.event_store.dispatch.builder import EventBuilder
    from runtime.event_store.provider import Provider
    from runtime.event_store.recorded import EventMeta

__all__ = ["EventStore", "provider_event_store"]


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
) -> EventStore:
    """The store of a provider: the same that aggregates and commands of a domain work on.

    An event is a commit of its own: its ``aggregate_type`` is the stream, its ``name`` the name that it is
    stored under, its ``payloads`` are the body. So an aggregate of `create_aggregate` folds what a service
    dispatched, and `get_events` gives what commands appended.

    Example:
        >>> store = provider_event_store(MemoryProvider(), tenant="acme", events=[build_user_created])

    Args:
        provider: Where commits are kept.
        tenant: Whose events. Default: the tenant that the current request acts in.
        events: Builders of events that are to be read with their types. The payloads of others are
            dictionaries.

    Raises:
        ConfigurationError: Two builders are for one event, or the tenant cannot be one.
    """
    if tenant is not None and (not isinstance(tenant, str) or not tenant or KEY_SEPARATOR in tenant):
        msg = f"tenant must be a code without {KEY_SEPARATOR}, or None, got {tenant!r}"
        raise ConfigurationError(msg)
    by_place: dict[tuple[str, str], EventBuilder[Any]] = {}
    for builder in events:
        place = builder.aggregate_type, builder.event_name
        if by_place.setdefault(place, builder) is not builder:
            msg = f"two builders are for the event {builder.event_name!r} of {builder.aggregate_type!r}"
            raise ConfigurationError(msg)
    return _ProviderEventStore(provider, tenant, by_place)


class _ProviderEventStore:
    def __init__(
        self, provider: Provider, tenant: str | None, builders: dict[tuple[str, str], EventBuilder[Any]]
    ) -> None:
        self._provider = provider
        self._tenant = tenant
        self._builders = builders

    def init(self) -> None:
        """Nothing is to be made: the tables are there with the deployment."""

    def get_events(self, aggregate_type: str, aggregate_id: str, /) -> list[DomainEvent[Any]]:
        key = self._key(aggregate_type, aggregate_id, write=False)
        return [event for commit in self._provider.read(key) for event in self._events_of(commit)]

    def append(self, event: DomainEvent[Any], /) -> EventMeta:
        stored = self._stored(event)
        key = self._key(event.aggregate_type, event.aggregate_id, write=True)
        _, metadata = gathered(None, None)
        commit = Commit(
            key=key,
            first=event.version,
            events=(stored,),
            append_id=event.id,
            at=event.created_at,
            user_id=event.created_by or None,
            metadata={**metadata, **(event.metadata or {})},
        )
        # The version was only told: one read of the newest commit proves it.
        newest = next(iter(self._provider.read_back(key, likely=1)), None)
        last = 0 if newest is None else newest.last
        if newest is not None and (newest.closes or newest.is_erased):
            raise AggregateErasedError(key.pk)
        if event.version > last + 1:
            raise GapError(key.pk, event.version - 1, last)
        if newest is not None and event.version <= last:
            standing = newest if newest.first <= event.version else self._at(key, event.version)
            if _is_same(standing, commit):
                # Dispatched before, and the answer was lost, perhaps.
                return meta_in(commit, event.version)
            raise self._conflict(commit, standing)
        try:
            self._provider.append([commit])
        except AppendRefusedError as refused:
            raise self._conflict(commit, refused.moved.get(key)) from None
        return meta_in(commit, event.version)

    def _at(self, key: Key, version: int) -> Commit | None:
        return next(iter(self._provider.read(key, after=version - 1, until=version)), None)

    def _conflict(self, commit: Commit, winner: Commit | None) -> VersionError | AggregateErasedError:
        if winner is not None and (winner.closes or winner.is_erased):
            return AggregateErasedError(commit.key.pk)
        told: list[RecordedEvent[Any]] = []
        if winner is not None:
            with suppress(UnreadableEventError):  # that somebody was faster is what has to be said
                told = [
                    RecordedEvent(event, meta_in(winner, event.version))
                    for event in self._events_of(winner)
                    if event.version >= commit.first
                ]
        return VersionError(commit.key.pk, commit.first - 1, told)

    def _key(self, aggregate_type: str, aggregate_id: str, *, write: bool) -> Key:
        try:
            stream = check_stream_name(aggregate_type)
        except ValueError as error:
            raise InvalidInputError([FieldProblem("aggregate_type", str(error))]) from None
        return key_of(stream, aggregate_id, self._tenant, None, write=write)

    def _stored(self, event: DomainEvent[Any]) -> StoredEvent:
        """An event as it is stored: what would be read again as something else is refused."""
        try:
            text = event.model_dump_json(by_alias=True, warnings="error")
            again = type(event).model_validate_json(text)
            if (builder := self._builders.get((event.aggregate_type, event.name))) is not None:
                builder.event_class.model_validate_json(text)
        except PydanticSerializationError as error:
            raise InvalidInputError([FieldProblem("payloads", f"cannot be stored: {error}")]) from None
        except ValidationError as error:
            raise InvalidInputError(problems_of(error)) from None
        if again != event:
            message = "would be read again as something else; give its fields types that say what they hold"
            raise InvalidInputError([FieldProblem("payloads", message)])
        body = from_json(text)["payloads"]
        if not isinstance(body, dict):
            message = f"must be an object when it is written as JSON, got {type(event.payloads).__name__}"
            raise InvalidInputError([FieldProblem("payloads", message)])
        return StoredEvent(event.name, body)

    def _events_of(self, commit: Commit) -> Iterator[DomainEvent[Any]]:
        if commit.closes or commit.is_erased:
            raise AggregateErasedError(commit.key.pk)
        for position, stored in enumerate(commit.events):
            version = commit.first + position
            builder = self._builders.get((commit.key.stream, stored.type))
            cls: type[DomainEvent[Any]] = DomainEvent if builder is None else builder.event_class
            is_alone = len(commit.events) == 1
            document = {
                "_id": commit.append_id if is_alone else f"{commit.append_id}.{version}",
                "name": stored.type,
                "aggregateType": commit.key.stream,
                "aggregateID": commit.key.aggregate_id,
                "_version": version,
                "_createdAt": commit.at,
                "_createdBy": commit.user_id or "",
                "payloads": stored.body,
                "_metadata": commit.metadata or None,
            }
            try:
                yield cls.model_validate_json(to_json(document))
            except ValidationError as error:
                found = "; ".join(f"{one.field}: {one.message}" for one in problems_of(error))
                where = f"event {version} of {commit.key.pk} ({stored.type})"
                msg = f"{where} is not accepted by {builder or cls.__name__}: {found}"
                raise UnreadableEventError(msg) from None


def _is_same(standing: Commit | None, commit: Commit) -> bool:
    return standing is not None and (standing.append_id, standing.first, standing.events) == (
        commit.append_id,
        commit.first,
        commit.events,
    )
