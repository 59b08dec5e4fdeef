"""Telling event sources apart by the shape of the event."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from runtime.errors import UnknownEventError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EventSource", "source_of"]


class EventSource(Enum):
    """Where an event comes from."""

    HTTP = auto()
    DYNAMODB_STREAM = auto()
    STEP_FUNCTIONS = auto()
    SQS = auto()


_RECORD_SOURCES = {"aws:dynamodb": EventSource.DYNAMODB_STREAM, "aws:sqs": EventSource.SQS}
_STATE_MACHINE_CONTEXT = {"Execution", "State", "StateMachine"}


def source_of(event: Mapping[str, Any]) -> EventSource:
    """Source of an event.

    Raises:
        UnknownEventError: It has the shape of no source that the runtime serves.
    """
    records = event.get("Records")
    if records:
        source = _RECORD_SOURCES.get(records[0].get("eventSource", ""))
        if source is not None:
            return source
    elif event.get("version") == "2.0" and "requestContext" in event:
        return EventSource.HTTP
    elif set(event.get("context") or ()) >= _STATE_MACHINE_CONTEXT:
        return EventSource.STEP_FUNCTIONS
    msg = f"the event is of no source that this app serves; its top-level fields are {sorted(event)}"
    raise UnknownEventError(msg)
