"""Builders: each makes the events of one name, and knows what they say."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import uuid4

from pydantic import ValidationError

from runtime import clock
from runtime.errors import ConfigurationError, InvalidInputError
from runtime.event_store.address import check_stream_name
from runtime.event_store.dispatch.event import DomainEvent, problems_of
from runtime.event_store.events.event import can_be_name
from runtime.event_store.events.json_form import json_form
from runtime.event_store.events.upcasting import check_upcasters
from runtime.imports import check_function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.event_store.aggregates.aggregate import Upcaster

__all__ = ["EventBuilder"]

PayloadT = TypeVar("PayloadT")


class EventBuilder(Generic[PayloadT]):
    """Makes the events of one name: their id and time by itself.

    Example:
        >>> build_user_created = EventBuilder(Email, event_name="UserCreated", aggregate_type="users")
        >>> event = build_user_created(version=1, created_by="admin", payloads=Email(email="ann@example.com"))

    Args:
        payloads: Type of what the events say: a pydantic model, a dataclass, a typed dictionary, or
            ``dict[str, Any]``.
        event_name: Their name.
        aggregate_type: Kind of aggregate that they belong to: the stream.
        aggregate_identifier: Makes the id of an aggregate, where a call gives none. Default: a UUID.
        event_identifier: Makes the id of an event. Default: a UUID.
        upcasters: Payloads, as they are stored, from schema 0 to 1, from 1 to 2, and so on; the list only
            ever grows at its end. Where an aggregate has the event, too, both have the same. Default: none.

    Raises:
        ConfigurationError: The name cannot be one, the kind cannot be that of a stream, or what is to be a
            function is none.
    """

    def __init__(
        self,
        payloads: type[PayloadT],
        *,
        event_name: str,
        aggregate_type: str,
        aggregate_identifier: Callable[[], str] | None = None,
        event_identifier: Callable[[], str] | None = None,
        upcasters: Sequence[Upcaster] = (),
    ) -> None:
        if not can_be_name(event_name):
            msg = f"event_name must be text of 1 to 255 characters, valid Unicode, got {event_name!r}"
            raise ConfigurationError(msg)
        try:
            check_stream_name(aggregate_type)
        except ValueError as error:
            msg = f"aggregate_type of the event {event_name!r}: {error}"
            raise ConfigurationError(msg) from None
        for what, identifier in (
            ("aggregate_identifier", aggregate_identifier),
            ("event_identifier", event_identifier),
        ):
            if identifier is not None:
                check_function(identifier, f"{what} of the event {event_name!r}", ())
        check_upcasters(upcasters, f"the event {event_name!r}")
        self.payloads = payloads
        self.event_name = event_name
        self.aggregate_type = aggregate_type
        self._aggregate_identifier = aggregate_identifier or _uuid
        self._event_identifier = event_identifier or _uuid
        self.upcasters = tuple(upcasters)

    def __repr__(self) -> str:
        return f"EventBuilder({self.event_name!r} of {self.aggregate_type!r})"

    def __call__(
        self,
        *,
        version: int,
        created_by: str,
        payloads: PayloadT,
        aggregate_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> DomainEvent[PayloadT]:
        """Make an event: a new one with each call.

        Args:
            version: Its number among the aggregate's events: 1 for the first one, otherwise one more than the
                last one's.
            created_by: Who causes it.
            payloads: What it says.
            aggregate_id: Id of the aggregate. Default: a new one.
            metadata: What else is to be known of it. Default: nothing.

        Raises:
            InvalidInputError: A field is wrong.
            ConfigurationError: The type of the payloads has no JSON form.
        """
        try:
            return self.event_class(
                id=self._event_identifier(),
                name=self.event_name,
                aggregate_type=self.aggregate_type,
                aggregate_id=self._aggregate_identifier() if aggregate_id is None else aggregate_id,
                version=version,
                created_at=clock.now(),
                created_by=created_by,
                payloads=payloads,
                metadata=metadata,
            )
        except ValidationError as error:
            raise InvalidInputError(problems_of(error)) from None

    @cached_property
    def event_class(self) -> type[DomainEvent[PayloadT]]:
        """The class of its events, for reading them: ``event_class.model_validate_json(text)``.

        Raises:
            ConfigurationError: The type of the payloads has no JSON form.
        """
        json_form(self.payloads, f"the type of the payloads of the event {self.event_name!r}")
        cls: Any = DomainEvent
        return cls[self.payloads]  # type: ignore[no-any-return]


def _uuid() -> str:
    return str(uuid4())
