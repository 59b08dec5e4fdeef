"""What a commit says, as JSON text: for every provider, and the same in each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.event_store.commit import StoredEvent
from runtime.model.keys import KEY_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.event_store.commit import Commit

__all__ = ["MAX_EVENT_VERSION", "check_commit", "events_json", "events_of", "json_text"]

MAX_EVENT_VERSION: Final = 9_999_999_999
"""Versions end here: in a row's key they have ten digits."""

_EVENTS: Final = "events"
_MAX_TYPE: Final = 255
_MAX_APPEND_ID: Final = 255
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def check_commit(commit: Commit) -> None:
    """Refuse a commit that no provider stores.

    Raises:
        InvalidInputError: It has no events, no append id, no time zone or no version; the message names the
            field.
    """
    problems = [*_key_problems(commit), *_event_problems(commit)]
    if not isinstance(commit.append_id, str) or not 1 <= len(commit.append_id) <= _MAX_APPEND_ID:
        message = f"must be text of 1 to {_MAX_APPEND_ID} characters, got {commit.append_id!r}"
        problems.append(FieldProblem("append_id", message))
    if commit.at.tzinfo is None:
        problems.append(FieldProblem("at", f"must have a time zone, got {commit.at.isoformat()}"))
    if not all(isinstance(part, str) for pair in commit.metadata.items() for part in pair):
        problems.append(FieldProblem("metadata", "must be text by text"))
    if commit.user_id is not None and not isinstance(commit.user_id, str):
        problems.append(FieldProblem("user_id", f"must be text or None, got {commit.user_id!r}"))
    if problems:
        raise InvalidInputError(problems)


def _key_problems(commit: Commit) -> Iterable[FieldProblem]:
    # Its partition key has to lead back to it.
    if not all(commit.key) or KEY_SEPARATOR in commit.key.stream or KEY_SEPARATOR in commit.key.tenant:
        yield FieldProblem("key", f"must have a stream and a tenant without #, got {tuple(commit.key)!r}")
    if not isinstance(commit.first, int) or not 1 <= commit.first <= commit.last <= MAX_EVENT_VERSION:
        message = (
            f"must be a version from 1 on, and the last one at most {MAX_EVENT_VERSION}, got {commit.first!r}"
        )
        yield FieldProblem("first", message)


def _event_problems(commit: Commit) -> Iterable[FieldProblem]:
    if bool(commit.events) is commit.closes:
        message = (
            "must not be empty" if not commit.closes else "must be empty where the commit closes an aggregate"
        )
        yield FieldProblem(_EVENTS, message)
    for number, event in enumerate(commit.events):
        if not isinstance(event.type, str) or not 1 <= len(event.type) <= _MAX_TYPE:
            message = f"must be text of 1 to {_MAX_TYPE} characters, got {event.type!r}"
            yield FieldProblem(f"{_EVENTS}[{number}].type", message)
        if not isinstance(event.body, dict):
            message = f"must be a dict of JSON values, got {type(event.body).__name__}"
            yield FieldProblem(f"{_EVENTS}[{number}].body", message)


def json_text(value: Any, field: str) -> str:  # noqa: ANN401 - what may be JSON
    """The JSON of a value, as short as can be.

    Args:
        value: Anything.
        field: What it is called where it is refused.

    Raises:
        InvalidInputError: JSON cannot say it.
    """
    try:
        text = _ENCODER.encode(value)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        # The text of some of these quotes the value.
        message = f"must hold JSON values, and text that is Unicode ({type(error).__name__})"
        raise InvalidInputError([FieldProblem(field, message)]) from None
    return text


def events_json(events: Iterable[StoredEvent]) -> str:
    """The text of some events: a JSON array of ``[type, body]``, or ``[type, body, schema]`` above schema 0.

    Raises:
        InvalidInputError: A body holds what JSON cannot say.
    """
    return json_text([_stored(event) for event in events], _EVENTS)


def events_of(text: str) -> tuple[StoredEvent, ...]:
    """The events in a text; those that were blanked have their types alone.

    Raises:
        ValueError: It is no such text.
    """
    return tuple(map(_event, json.loads(text)))


def _stored(event: StoredEvent) -> list[Any]:
    if event.schema:
        return [event.type, event.body, event.schema]
    return [event.type, event.body]


def _event(stored: Any) -> StoredEvent:  # noqa: ANN401 - JSON
    name: Any
    rest: list[Any]
    name, *rest = stored
    body = rest[0] if rest else {}  # of a blanked event its name is left
    schema = rest[1] if len(rest) > 1 else 0
    is_event = isinstance(name, str) and isinstance(body, dict) and isinstance(schema, int) and schema >= 0
    if len(rest) > 2 or not is_event:  # noqa: PLR2004
        msg = "an event is no [type, body, schema]"
        raise TypeError(msg)
    return StoredEvent(name, body, schema)
