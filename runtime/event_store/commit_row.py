"""A commit as a row of the events table, and back.

``pk`` is the aggregate's, ``sk`` the version of the first event in ten digits. Everything that is no commit
sorts behind all digits, so ``sk < ":"`` is "the commits". The other columns:

- ``last``: version of the last event, a number; ``types``: the names of the events, a set. Both stand at the
  top, so that a stream's filter, an index and an operator need no bodies.
- ``at``: when, to the microsecond; ``by``: who; ``append``: what tells this append from every other one.
- ``events``: a JSON array of ``[type, body]``, or ``[type, body, schema]`` above schema 0; or ``zipped``: the
  same, deflated, where that saves a write unit; or, in ``events``, where the text is in the bucket.
- ``meta``: JSON of correlation, causation, source and command, those that are known.
- ``state`` and ``fold``: the state after the last event, as JSON, and the stamp of the fold that made it.
- ``erasedAt``: when the events were blanked; ``closes``: that it closes an erased aggregate.
- ``feed`` and ``feedAt``: where and when the pull index has it, see `runtime.contract.FEED_INDEX`;
  ``aggregates``, in the first commit: where the index of a tenant's aggregates has it.

Bodies are text and no DynamoDB maps: that is read and written several times as fast, and says all that JSON
can say.
"""

from __future__ import annotations

import json
import re
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn

from runtime.errors import CorruptRowError, FieldProblem, InvalidInputError
from runtime.event_store.address import Key
from runtime.event_store.commit import Commit, StoredEvent
from runtime.store.codec import opened, sealed
from runtime.store.item_size import item_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from runtime.store.values import Row

__all__ = [
    "BEHIND_COMMITS",
    "ERASED_AT",
    "EVENTS",
    "LAST",
    "MAX_EVENT_VERSION",
    "blank_columns",
    "commit_in",
    "commit_row",
    "events_text",
    "is_closing",
    "place_key",
    "time_text",
    "types_in",
]

MAX_EVENT_VERSION: Final = 9_999_999_999
BEHIND_COMMITS: Final = ":"
"""The first text behind all digits."""

EVENTS: Final = "events"
LAST: Final = "last"
_ZIPPED: Final = "zipped"
ERASED_AT: Final = "erasedAt"
_CLOSES: Final = "closes"
_PERSONAL: Final = (_ZIPPED, "by", "append", "meta", "state", "fold")

_WRITE_UNIT: Final = 1024  # bytes
_MAX_TYPE: Final = 255
_MAX_APPEND_ID: Final = 255
_LEVEL: Final = 6
_SORT_KEY: Final = re.compile("[0-9]{10}")
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def place_key(version: int) -> str:
    """Sort key of the commit whose first event has a version.

    >>> place_key(4)
    '0000000004'
    """
    return f"{version:010d}"


def commit_row(
    commit: Commit,
    *,
    limit: int,
    off_load: Callable[[str], str],
    more: Mapping[str, str] | None = None,
) -> Row:
    """The row of a commit, in as few write units as it can be.

    Args:
        commit: The commit.
        limit: Bytes of a row beyond which its events are off-loaded, and its state is left out.
        off_load: Puts a text somewhere else, and returns what stands for it.
        more: Further columns. Default: none.

    Raises:
        InvalidInputError: The commit cannot be stored; the message names the field.
    """
    _check(commit)
    row: Row = {
        "pk": commit.key.pk,
        "sk": place_key(commit.first),
        LAST: commit.last,
        "at": time_text(commit.at),
        "append": commit.append_id,
        **(more or {}),
    }
    if commit.user_id is not None:
        row["by"] = commit.user_id
    if commit.metadata:
        row["meta"] = _json(dict(commit.metadata), "metadata")
    if commit.closes:
        return row | {_CLOSES: True}
    row["types"] = sealed(set(commit.types), path="types")
    size = item_size(row)
    text = _json([_stored(event) for event in commit.events], EVENTS)
    state: Row = {}
    if commit.fold is not None:
        state = {"state": _json(commit.state, "state"), "fold": commit.fold}
    forms = _forms(text, size + item_size(state))
    events = min(forms, key=lambda form: _units(size + item_size(form)))  # the first of equal ones: text
    if size + item_size(events) > limit:
        events = {EVENTS: off_load(text)}
        forms = [events]
        if size + item_size(events) > limit:
            message = (
                f"takes {size} bytes besides the events, and {limit} fit; shorten it, or append fewer types"
            )
            raise InvalidInputError([FieldProblem("metadata", message)])
    if state:
        # Whatever fits into the unit that the events have begun costs nothing.
        paid = limit if commit.must_keep_state else _units(size + item_size(events)) * _WRITE_UNIT
        size += item_size(state)
        with_state = min(forms, key=lambda form: _units(size + item_size(form)))
        if size + item_size(with_state) <= min(paid, limit):
            return row | with_state | state
    return row | events


def _forms(text: str, others: int) -> list[Row]:
    """How events may stand in a row: as text, and deflated where that may save a write unit."""
    plain: Row = {EVENTS: text}
    if _units(others + item_size(plain)) == 1:
        return [plain]
    return [plain, {_ZIPPED: sealed(zlib.compress(text.encode(), _LEVEL), path=EVENTS)}]


def commit_in(row: Row, text: str | None = None) -> Commit:
    """The commit in a row.

    Args:
        row: The row.
        text: The events, where the row only says where they are.

    Raises:
        CorruptRowError: It makes no sense.
    """
    try:
        return _commit(row, text)
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
        zlib.error,
        InvalidInputError,
    ) as e:
        _corrupt(row, e)


def _commit(row: Row, text: str | None) -> Commit:
    sk = row["sk"]
    if not _SORT_KEY.fullmatch(sk):
        msg = "its sort key is no version in ten digits"
        raise ValueError(msg)
    closes = is_closing(row)
    events = () if closes else tuple(map(_event, json.loads(events_text(row) if text is None else text)))
    state = row.get("state")
    found = Commit(
        key=Key.of_pk(row["pk"]),
        first=int(sk),
        events=events,
        append_id=row.get("append", ""),
        at=datetime.fromisoformat(row["at"]),
        user_id=row.get("by"),
        metadata=json.loads(row["meta"]) if "meta" in row else {},
        state=None if state is None else json.loads(state),
        fold=row.get("fold"),
        is_erased=ERASED_AT in row,
        closes=closes,
    )
    if found.last != row[LAST] or not (events or closes):
        msg = f"it has {len(events)} events and the last version {row[LAST]}"
        raise ValueError(msg)
    return found


def is_closing(row: Row) -> bool:
    """Whether a row closes an erased aggregate."""
    return _CLOSES in row


def events_text(row: Row) -> str:
    """The events of a row as they are stored: JSON, or a reference to it."""
    if _ZIPPED in row:
        return zlib.decompress(opened(row[_ZIPPED])).decode()
    text: str = row[EVENTS]
    return text


def types_in(row: Row) -> tuple[str, ...]:
    """The names of a row's events, each once and in no order; of an index that has them, too."""
    return tuple(sorted(opened(row["types"]))) if "types" in row else ()


def blank_columns(types: Sequence[str], now: datetime) -> tuple[Row, tuple[str, ...]]:
    """What an erased commit's columns become: those to set, and those to remove.

    The names of the events stay, in order, and nothing that was said about anybody.

    Args:
        types: The names of the events.
        now: When it is erased.
    """
    return {EVENTS: _json([[name] for name in types], EVENTS), ERASED_AT: time_text(now)}, _PERSONAL


def _check(commit: Commit) -> None:
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
    try:
        is_same = Key.of_pk(commit.key.pk) == commit.key
    except InvalidInputError:
        is_same = False
    if not is_same:
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
        yield FieldProblem(EVENTS, message)
    for number, event in enumerate(commit.events):
        if not isinstance(event.type, str) or not 1 <= len(event.type) <= _MAX_TYPE:
            message = f"must be text of 1 to {_MAX_TYPE} characters, got {event.type!r}"
            yield FieldProblem(f"{EVENTS}[{number}].type", message)
        if not isinstance(event.body, dict):
            message = f"must be a dict of JSON values, got {type(event.body).__name__}"
            yield FieldProblem(f"{EVENTS}[{number}].body", message)


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
    if not isinstance(name, str) or not isinstance(body, dict) or not isinstance(schema, int):
        msg = "an event is no [type, body, schema]"
        raise TypeError(msg)
    return StoredEvent(name, body, schema)


def _json(value: Any, field: str) -> str:  # noqa: ANN401 - what may be JSON
    try:
        text = _ENCODER.encode(value)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        # The text of some of these quotes the value.
        message = f"must hold JSON values, and text that is Unicode ({type(error).__name__})"
        raise InvalidInputError([FieldProblem(field, message)]) from None
    return text


def time_text(moment: datetime) -> str:
    """UTC, to the microsecond; a text that sorts as the times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _units(size: int) -> int:
    return -(-size // _WRITE_UNIT)


def _corrupt(row: Row, error: Exception) -> NoReturn:
    # Not the error's own text where it is Python's: it may quote the events.
    what = str(error) if type(error) is ValueError else type(error).__name__
    msg = f"the commit {row.get('pk')} {row.get('sk')} makes no sense ({what}); restore the row"
    raise CorruptRowError(msg) from None
