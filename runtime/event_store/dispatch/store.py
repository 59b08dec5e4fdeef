"""Where a service's events are stored, and the store that aggregates and commands work on, seen that way."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

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
from runtime.event_store.address import Key, check_stream_name
from runtime.event_store.commit import Commit, StoredEvent
from runtime.event_store.dispatch.event import DomainEvent, problems_of
from runtime.event_store.provider import AppendRefusedError
from runtime.event_store.recorded import EventMeta, RecordedEvent
from runtime.identity.access import acting_tenant, check_tenant
from runtime.identity.context import current_invoke_context, current_settings
from runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runtime.event_store.dispatch.builder import EventBuilder
    from runtime.event_store.provider import Provider

__all__ = ["EventStore", "provider_event_store"]

#: Where nobody says which roles may cross tenants, none may.
_STRICT: Final = Settings(cross_tenant_roles=(), common_tenant_codes=())


class EventStore(Protocol):
    """What a service needs of a store of events. `provider_event_store` makes one of a `Provider`."""

    def init(self) -> None:
        """Make ready what it needs; called once, before the first append; again, where it has failed."""
        ...

    def get_events(self, aggregate_type: str, aggregate_id: str, /) -> Sequence[DomainEvent[Any]]:
        """All events of an aggregate by their versions, the first one first; none for an unused id."""
        ...

    def append(self, event: DomainEvent[Any], /) -> None:
        """Store an event, if the aggregate has come to the version before its own.

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
        ConfigurationError: Two builders are for one event.
    """
    return _ProviderEventStore(provider, tenant, events)


class _ProviderEventStore:
    def __init__(self, provider: Provider, tenant: str | None, builders: Iterable[EventBuilder[Any]]) -> None:
        self._provider = provider
        self._tenant = tenant
        self._builders: dict[tuple[str, str], EventBuilder[Any]] = {}
        for builder in builders:
            place = builder.aggregate_type, builder.event_name
            if place in self._builders:
                msg = f"two builders are for the event {builder.event_name!r} of {builder.aggregate_type!r}"
                raise ConfigurationError(msg)
            self._builders[place] = builder

    def init(self) -> None:
        """Nothing is to be made: the tables are there with the deployment."""

    def get_events(self, aggregate_type: str, aggregate_id: str, /) -> list[DomainEvent[Any]]:
        key = self._key(aggregate_type, aggregate_id, write=False)
        return [event for commit in self._provider.read(key) for event in self._events_of(commit)]

    def append(self, event: DomainEvent[Any], /) -> None:
        stored = self._stored(event)
        key = self._key(event.aggregate_type, event.aggregate_id, write=True)
        commit = Commit(
            key=key,
            first=event.version,
            events=(stored,),
            append_id=event.id,
            at=event.created_at,
            user_id=event.created_by or None,
            metadata=dict(event.metadata or {}),
        )
        # A version that was only told: one read of the newest commit proves it.
        newest = next(iter(self._provider.read_back(key, likely=1)), None)
        last = 0 if newest is None else newest.last
        if newest is not None and (newest.closes or newest.is_erased):
            raise AggregateErasedError(key.pk)
        if event.version > last + 1:
            raise GapError(key.pk, event.version - 1, last)
        if newest is not None and event.version <= last:
            self._check_same(
                commit, newest if newest.first <= event.version else self._at(key, event.version)
            )
            return
        try:
            self._provider.append([commit])
        except AppendRefusedError as refused:
            raise self._conflict(commit, refused.moved.get(key)) from None

    def _at(self, key: Key, version: int) -> Commit | None:
        return next(iter(self._provider.read(key, after=version - 1, until=version)), None)

    def _check_same(self, commit: Commit, standing: Commit | None) -> None:
        """Accept an event that is there already: dispatched before, and the answer was lost, perhaps."""
        is_same = (
            standing is not None
            and standing.append_id == commit.append_id
            and (standing.first, standing.events) == (commit.first, commit.events)
        )
        if not is_same:
            raise self._conflict(commit, standing)

    def _conflict(self, commit: Commit, standing: Commit | None) -> VersionError:
        winner: list[RecordedEvent[Any]] = []
        if standing is not None:
            with suppress(UnreadableEventError, AggregateErasedError):
                winner = [RecordedEvent(event, _meta(standing, event)) for event in self._events_of(standing)]
        return VersionError(commit.key.pk, commit.first - 1, winner)

    def _key(self, aggregate_type: str, aggregate_id: str, *, write: bool) -> Key:
        try:
            stream = check_stream_name(aggregate_type)
        except ValueError as error:
            raise InvalidInputError([FieldProblem("aggregate_type", str(error))]) from None
        settings = current_settings() or _STRICT
        tenant = self._tenant
        if tenant is None and current_invoke_context() is not None:
            tenant = acting_tenant(settings=settings, write=write)
        if tenant is None:
            message = (
                "is required: pass tenant= to provider_event_store, or call it in a request that has one"
            )
            raise InvalidInputError([FieldProblem("tenant", message)])
        key = Key.checked(stream, aggregate_id, tenant)
        check_tenant(key.pk, None, settings, write=write)
        return key

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
            raise InvalidInputError(problems_of(error, by_alias=False)) from None
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


def _meta(commit: Commit, event: DomainEvent[Any]) -> EventMeta:
    return EventMeta(
        stream=commit.key.stream,
        aggregate_id=commit.key.aggregate_id,
        version=event.version,
        tenant=commit.key.tenant,
        timestamp=commit.at,
        event_type=event.name,
        user_id=commit.user_id,
        correlation_id=commit.metadata.get("correlation"),
        causation_id=commit.metadata.get("causation"),
        command_id=commit.metadata.get("command"),
        source=commit.metadata.get("source"),
    )
