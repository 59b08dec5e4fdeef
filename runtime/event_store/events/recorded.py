"""An event as it is stored: what it says, and what is known of it besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from runtime.event_store.address import Key

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["EventMeta", "RecordedEvent"]

EventT_co = TypeVar("EventT_co", covariant=True)


class EventMeta(NamedTuple):
    """What is known of an event besides what it says. Folds and handlers get it.

    One is made for each event that is read: as a tuple it costs a quarter of what a frozen dataclass does.

    Attributes:
        stream: Name of its stream.
        aggregate_id: Id of its aggregate.
        version: Its number among the aggregate's events, from 1.
        tenant: Whose it is.
        timestamp: When it was appended, in UTC.
        event_type: The name that it is stored under.
        user_id: Who caused it; None where nobody was signed in.
        correlation_id: Of the request that it began with; what a reaction appends inherits it.
        causation_id: Id of the event that a handler reacted to when it appended this one.
        command_id: Of the command, where it had one.
        source: Which code appended it.
        position: Where it is in the order of all events; only where a provider has such an order, and
            never in a fold.
        generation: Of the read model that a handler is called for.
    """

    stream: str
    aggregate_id: str
    version: int
    tenant: str
    timestamp: datetime
    event_type: str
    user_id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    command_id: str | None = None
    source: str | None = None
    position: str | None = None
    generation: int = 1

    @property
    def key(self) -> Key:
        """Whose event it is."""
        return Key(self.stream, self.aggregate_id, self.tenant)

    @property
    def event_id(self) -> str:
        """``{stream}#{id}#{tenant}@{version}``: always the same for the same event."""
        return f"{self.key.pk}@{self.version}"

    def command_id_for(self, handler: str) -> str:
        """A command id that is the same whenever this handler sees this event again."""
        return f"{handler}:{self.event_id}"


@dataclass(frozen=True, slots=True)
class RecordedEvent(Generic[EventT_co]):
    """One stored event."""

    event: EventT_co
    meta: EventMeta
