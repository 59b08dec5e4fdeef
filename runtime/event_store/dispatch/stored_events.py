"""How dispatched events are stored, and how whatever stands in a commit is read as one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from runtime import clock
from runtime.errors import (
    AggregateErasedError,
    ConfigurationError,
    FieldProblem,
    InvalidInputError,
    UnreadableEventError,
)
from runtime.event_store.commits.commit import Commit, StoredEvent
from runtime.event_store.dispatch.builder import EventBuilder
from runtime.event_store.dispatch.event import DomainEvent, problems_of
from runtime.event_store.events.upcasting import upcast
from runtime.event_store.metadata import gathered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.event_store.address import Key

__all__ = ["StoredEvents"]

#: In a commit's metadata: when the event was made. The commit's own time is that of its append, by which
#: handlers begin and indexes are ordered: an event that waited for its dispatch must not be passed over.
_CREATED_AT: Final = "_createdAt"


class StoredEvents:
    """Events as they are stored and read.

    Args:
        builders: Of the events that are read with their types.

    Raises:
        ConfigurationError: Two builders are for one event, or something is no builder.
    """

    def __init__(self, builders: Iterable[EventBuilder[Any]]) -> None:
        self._builders: dict[tuple[str, str], EventBuilder[Any]] = {}
        if not isinstance(builders, Iterable):
            msg = f"events must be a list of builders, such as [build_user_created], got {builders!r}"
            raise ConfigurationError(msg)
        for builder in builders:
            if not isinstance(builder, EventBuilder):
                msg = f"events must be a list of builders, such as [build_user_created]; {builder!r} is none"
                raise ConfigurationError(msg)
            place = builder.aggregate_type, builder.event_name
            if self._builders.setdefault(place, builder) is not builder:
                msg = f"two builders are for the event {builder.event_name!r} of {builder.aggregate_type!r}"
                raise ConfigurationError(msg)

    def streams_of(self, name: str) -> tuple[str, ...]:
        """The streams that have events of a name, as far as builders tell."""
        return tuple(stream for stream, event_name in self._builders if event_name == name)

    def commit(self, key: Key, event: DomainEvent[Any]) -> Commit:
        """The commit of an event. What would be read again as something else is refused.

        Raises:
            InvalidInputError: It cannot be stored.
        """
        own = event.metadata or {}
        if _CREATED_AT in own:
            raise InvalidInputError([FieldProblem("metadata", f"must have no key {_CREATED_AT!r}")])
        _, known = gathered(None, None)
        return Commit(
            key=key,
            first=event.version,
            events=(self._stored(event),),
            append_id=event.id,
            at=clock.now(),
            user_id=event.created_by or None,
            metadata={**known, **own, _CREATED_AT: event.created_at.isoformat()},
        )

    def _stored(self, event: DomainEvent[Any]) -> StoredEvent:
        builder = self._builders.get((event.aggregate_type, event.name))
        try:
            text = event.model_dump_json(by_alias=True, warnings="error")
            again = type(event).model_validate_json(text)
            if builder is not None:
                builder.event_class.model_validate_json(text)
        except PydanticSerializationError:
            # Its text quotes the values.
            message = "cannot be stored: they hold another type than they say, or one without a JSON form"
            raise InvalidInputError([FieldProblem("payloads", message)]) from None
        except ValidationError as error:
            raise InvalidInputError(problems_of(error)) from None
        if again != event:
            message = "would be read again as something else; give its fields types that say what they hold"
            raise InvalidInputError([FieldProblem("payloads", message)])
        body = from_json(text)["payloads"]
        if not isinstance(body, dict):
            message = f"must be an object when it is written as JSON, got {type(event.payloads).__name__}"
            raise InvalidInputError([FieldProblem("payloads", message)])
        return StoredEvent(event.name, body, 0 if builder is None else len(builder.upcasters))

    def events(self, commit: Commit) -> Iterator[DomainEvent[Any]]:
        """The events of a commit, whoever has appended it.

        Raises:
            AggregateErasedError: They were erased.
            UnreadableEventError: A builder does not accept one of them.
        """
        if commit.closes or commit.is_erased:
            raise AggregateErasedError(commit.key.pk)
        for version in range(commit.first, commit.last + 1):
            yield self.event(commit, version)

    def event(self, commit: Commit, version: int) -> DomainEvent[Any]:
        """One event of a commit.

        Raises:
            UnreadableEventError: Its builder does not accept it.
        """
        stored = commit.events[version - commit.first]
        where = f"event {version} of {commit.key.pk}"
        builder = self._builders.get((commit.key.stream, stored.type))
        cls: type[DomainEvent[Any]] = DomainEvent if builder is None else builder.event_class
        metadata = dict(commit.metadata)
        document = {
            # A commit of several events has one id.
            "_id": commit.append_id if len(commit.events) == 1 else f"{commit.append_id}.{version}",
            "name": stored.type,
            "aggregateType": commit.key.stream,
            "aggregateID": commit.key.aggregate_id,
            "_version": version,
            "_createdAt": metadata.pop(_CREATED_AT, commit.at),
            "_createdBy": commit.user_id or "",
            "payloads": stored.body
            if builder is None
            else upcast(stored, stored.type, builder.upcasters, where),
            "_metadata": metadata or None,
        }
        try:
            return cls.model_validate_json(to_json(document))
        except ValidationError as error:
            found = "; ".join(f"{one.field}: {one.message}" for one in problems_of(error))
            msg = f"{where} ({stored.type}) is not accepted by {builder or cls.__name__}: {found}"
            raise UnreadableEventError(msg) from None
