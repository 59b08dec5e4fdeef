"""What the routes of an aggregate's commands and events give."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar, Union

from pydantic import BaseModel, ConfigDict, Field, create_model

if TYPE_CHECKING:
    from runtime.event_store.events.event_types import EventTypes

__all__ = ["AggregateReceipt", "AggregateState", "EventPage", "ShownEvent", "page_of"]

StateT = TypeVar("StateT")

# No `CqrsModel`, whose names a dataclass in it would have: states and events keep the names that they are
# stored under.


class AggregateReceipt(BaseModel):
    """What a command has led to.

    Attributes:
        id: Id of the aggregate.
        version: Number of its last event: that of the command's last one, or, where nothing had to happen, of
            the one before.
    """

    id: str
    version: int


class AggregateState(BaseModel, Generic[StateT]):
    """An aggregate.

    Attributes:
        id: Its id.
        version: Number of the last event that is in the state.
        state: What its events make of it.
    """

    id: str
    version: int
    state: StateT


class ShownEvent(BaseModel):
    """An event of an aggregate.

    Attributes:
        version: Its number among the aggregate's events, from 1.
        type: Its name.
        at: When it was appended.
        user_id: Who caused it; null where nobody was signed in.
        event: What it says.
    """

    model_config = ConfigDict(populate_by_name=True)

    version: int
    type: str
    at: datetime
    user_id: str | None = Field(alias="userId")
    event: Any


class EventPage(BaseModel):
    """Events of an aggregate, the oldest first.

    Attributes:
        items: The events.
        last_version: Pass it as ``startFromVersion`` to get the next page. Absent on the last one.
    """

    model_config = ConfigDict(populate_by_name=True)

    items: list[Any]
    last_version: int | None = Field(default=None, alias="lastVersion")


def page_of(types: EventTypes, name: str) -> type[EventPage]:
    """A page of an aggregate's events: told apart by ``type``.

    Args:
        types: The events.
        name: What the page is called in the OpenAPI document.
    """
    kinds = [_shown(cls, tuple(sorted(types.names_of(cls)))) for cls in types.classes]
    one: Any = kinds[0]
    if len(kinds) > 1:
        one = Annotated[Union[tuple(kinds)], Field(discriminator="type")]  # noqa: UP007 - made of a list
    return create_model(name, __base__=EventPage, __doc__=EventPage.__doc__, items=(list[one], ...))


def _shown(cls: type[Any], names: tuple[str, ...]) -> type[ShownEvent]:
    name: Any = Literal[names]
    return create_model(
        f"Shown{cls.__name__}",
        __base__=ShownEvent,
        __doc__=(cls.__doc__ or "").strip().partition("\n")[0] or None,
        type=(name, ...),
        event=(cls, ...),
    )
