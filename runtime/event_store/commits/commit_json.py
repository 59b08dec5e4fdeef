"""What a commit says, as JSON text: for every provider, and the same in each."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticSerializationError, to_json

from runtime.errors import FieldProblem, InvalidInputError
from runtime.event_store.commits.commit import StoredEvent
from runtime.model.keys import KEY_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runtime.event_store.commits.commit import Commit

__all__ = ["MAX_EVENT_VERSION", "check_commit", "events_json", "events_of", "json_text", "metadata_json"]

MAX_EVENT_VERSION: Final = 9_999_999_999
"""Versions end here: in a row's key they have ten digits."""

_EVENTS: Final = "events"
_MAX_TYPE: Final = 255
_MAX_APPEND_ID: Final = 255
#: Of objects and lists in each other, in a body. It is no setting of the process, as is Python's own limit:
#: what one process stores another one has to read, at whatever depth of its stack. Pydantic reads 199.
_MAX_LEVELS: Final = 100
_BRACKETS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')  # with texts, which may have any in them
_PARSE: Final = json.JSONDecoder().raw_decode
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def check_commit(commit: Commit) -> None:  # noqa: C901 - one case a field
    """Refuse a commit that no provider stores.

    Raises:
        InvalidInputError: It has no events, no append id, no time zone or no version; the message names the
            field.
    """
    problems: list[FieldProblem] = []
    key, events = commit.key, commit.events
    # Its partition key has to lead back to it.
    if not all(key) or KEY_SEPARATOR in key.stream or KEY_SEPARATOR in key.tenant:
        message = f"must have a stream and a tenant without #, got {tuple(key)!r}"
        problems.append(FieldProblem("key", message))
    if not isinstance(commit.first, int) or not 1 <= commit.first <= commit.last <= MAX_EVENT_VERSION:
        message = (
            f"must be a version from 1 on, and the last one at most {MAX_EVENT_VERSION}, got {commit.first!r}"
        )
        problems.append(FieldProblem("first", message))
    if bool(events) is commit.closes:
        message = "must be empty where the commit closes an aggregate" if events else "must not be empty"
        problems.append(FieldProblem(_EVENTS, message))
    for number, event in enumerate(events):
        if not isinstance(event.type, str) or not 1 <= len(event.type) <= _MAX_TYPE:
            message = f"must be text of 1 to {_MAX_TYPE} characters, got {event.type!r}"
            problems.append(FieldProblem(f"{_EVENTS}[{number}].type", message))
        if not (isinstance(event.body, dict) if event.text is None else event.text[:1] == "{"):
            message = f"must be a dict of JSON values, got {type(event.body).__name__}"
            problems.append(FieldProblem(f"{_EVENTS}[{number}].body", message))
    if not isinstance(commit.append_id, str) or not 1 <= len(commit.append_id) <= _MAX_APPEND_ID:
        message = f"must be text of 1 to {_MAX_APPEND_ID} characters, got {commit.append_id!r}"
        problems.append(FieldProblem("append_id", message))
    if commit.at.tzinfo is None:
        problems.append(FieldProblem("at", f"must have a time zone, got {commit.at.isoformat()}"))
    for name, value in commit.metadata.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            problems.append(FieldProblem("metadata", "must be text by text"))
            break
    if commit.user_id is not None and not isinstance(commit.user_id, str):
        problems.append(FieldProblem("user_id", f"must be text or None, got {commit.user_id!r}"))
    if problems:
        raise InvalidInputError(problems)


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
    except RecursionError:
        raise _nested_too_deep(field) from None
    except (TypeError, ValueError) as error:
        # The text of some of these quotes the value.
        message = f"must hold JSON values, and text that is Unicode ({type(error).__name__})"
        raise InvalidInputError([FieldProblem(field, message)]) from None
    return text


def _not_too_deep(text: str) -> str:
    """The text of a body, unless it is nested too deep.

    Raises:
        InvalidInputError: It is.
    """
    if text.count("{") + text.count("[") <= _MAX_LEVELS:  # most are, by far
        return text
    level = 0
    for found in _BRACKETS.finditer(text):
        if (mark := found[0]) in ("{", "["):
            level += 1
            if level > _MAX_LEVELS:
                raise _nested_too_deep(_EVENTS)
        elif mark in ("}", "]"):
            level -= 1
    return text


def _nested_too_deep(field: str) -> InvalidInputError:
    message = f"is nested more than {_MAX_LEVELS} levels deep, or in itself; nest it less"
    return InvalidInputError([FieldProblem(field, message)])


def metadata_json(metadata: Mapping[str, str]) -> str:
    """The text of what is known of a commit besides its events: text by text, as `check_commit` has found.

    Raises:
        InvalidInputError: A text is no Unicode.
    """
    try:
        return to_json(metadata).decode()
    except PydanticSerializationError:
        return json_text(dict(metadata), "metadata")  # it says what is wrong


def events_json(events: Iterable[StoredEvent]) -> str:
    """The text of some events: a JSON array of ``[type, body]``, or ``[type, body, schema]`` above schema 0.

    Raises:
        InvalidInputError: A body holds what JSON cannot say.
    """
    return f"[{','.join(map(_event_json, events))}]"


def _event_json(event: StoredEvent) -> str:
    body = _not_too_deep(json_text(event.body, _EVENTS) if event.text is None else event.text)
    schema = f",{json_text(event.schema, _EVENTS)}" if event.schema else ""
    return f"[{_quoted(event.type)},{body}{schema}]"


@lru_cache(maxsize=1000)  # a program has few types
def _quoted(name: str) -> str:
    return json_text(name, _EVENTS)


def events_of(text: str) -> tuple[StoredEvent, ...]:
    """The events in a text; those that were blanked have their types alone.

    Raises:
        ValueError: It is no such text.
    """
    try:
        return tuple(_compact(text))
    except (ValueError, IndexError):
        # Written by somebody else, or none: the parser says what is wrong.
        return tuple(map(_event, json.loads(text)))


def _compact(text: str) -> list[StoredEvent]:
    """The events in a text of `events_json`, each with the text of its body as it stands there.

    Raises:
        ValueError: It is another text, which may say the same. `IndexError` where it ends early.
    """
    found: list[StoredEvent] = []
    at = 0
    while True:
        if text[at : at + 2] != ("," if found else "[") + "[":
            raise _written_otherwise()
        name, at = _PARSE(text, at + 2)
        begin = at + 1
        body, end = _PARSE(text, begin)
        schema, behind = _PARSE(text, end + 1) if text[end] == "," else (0, end)
        if text[at] != "," or text[behind] != "]":
            raise _written_otherwise()
        found.append(_checked(name, body, schema, text[begin:end]))
        at = behind + 1
        if text[at] == "]":
            break
    if at + 1 != len(text):
        raise _written_otherwise()
    return found


def _written_otherwise() -> ValueError:
    return ValueError("the events are not written as `events_json` does")


def _event(stored: Any) -> StoredEvent:  # noqa: ANN401 - JSON
    name: Any
    rest: list[Any]
    name, *rest = stored
    body = rest[0] if rest else {}  # of a blanked event its name is left
    schema = rest[1] if len(rest) > 1 else 0
    if len(rest) > 2:  # noqa: PLR2004
        raise _malformed()
    return _checked(name, body, schema)


def _checked(name: Any, body: Any, schema: Any, text: str | None = None) -> StoredEvent:  # noqa: ANN401 - JSON
    is_event = isinstance(name, str) and isinstance(body, dict) and isinstance(schema, int) and schema >= 0
    if not is_event:
        raise _malformed()
    return StoredEvent(name, body, schema) if text is None else StoredEvent.of_text(name, schema, text, body)


def _malformed() -> TypeError:
    return TypeError("an event is no [type, body, schema]")
