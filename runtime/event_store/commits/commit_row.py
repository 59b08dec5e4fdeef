"""A commit as a row of the events table, and back.

``pk`` is the aggregate's, ``sk`` the version of the first event in ten digits. Everything that is no commit
sorts behind all digits, so ``sk < ":"`` is "the commits". The other columns:

- ``last``: version of the last event, a number; ``types``: the names of the events, a set. Both stand at the
  top, so that a stream's filter, an index and an operator need no bodies.
- ``at``: when, to the microsecond; ``append``: what tells this append from every other one.
- ``by``: who; ``corr``, ``cause``, ``src``, ``cmd``: correlation, causation, source and command, those that
  are known, see `runtime.event_store.commits.context_columns`; ``meta``: JSON of what a provider's user adds.
- ``events``: a JSON array of ``[type, body]``, or ``[type, body, schema]`` above schema 0; or ``zipped``: the
  same, deflated, where that saves a write unit; or, in ``events``, where the text is in the bucket.
- ``state`` and ``fold``: the state after the last event, as JSON, and the stamp of the fold that made it.
- ``erasedAt``: when the events were blanked; ``closes``: that it closes an erased aggregate.
- ``feed`` and ``feedAt``: where and when the pull index has it, see `runtime.contract.FEED_INDEX`;
  ``aggregates``, in the first commit: where the index of a tenant's aggregates has it.

Bodies are text and no DynamoDB maps: that is read and written several times as fast, and says all that JSON
can say.
"""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from pydantic_core import from_json

from runtime.errors import CorruptRowError, FieldProblem, InvalidInputError
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import UnreadableCommit, made_commit
from runtime.event_store.commits.commit_json import (
    check_commit,
    events_json,
    events_of,
    json_text,
)
from runtime.event_store.commits.context_columns import (
    CONTEXT_COLUMNS,
    context_columns,
    metadata_in,
    user_in,
)
from runtime.model.keys import KEY_SEPARATOR
from runtime.store.codec import opened, sealed
from runtime.store.item_size import item_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.event_store.commits.commit import Commit
    from runtime.store.values import Row, Value

__all__ = [
    "BEHIND_COMMITS",
    "ERASED_AT",
    "EVENTS",
    "LAST",
    "aggregates_value",
    "blank_columns",
    "commit_in",
    "commit_of_row",
    "commit_row",
    "events_text",
    "is_closing",
    "place_key",
    "time_text",
    "types_in",
    "unreadable_in",
]

BEHIND_COMMITS: Final = ":"
"""The first text behind all digits."""

EVENTS: Final = "events"
LAST: Final = "last"
_ZIPPED: Final = "zipped"
ERASED_AT: Final = "erasedAt"
_CLOSES: Final = "closes"
_PERSONAL: Final = (_ZIPPED, "append", "state", "fold", *CONTEXT_COLUMNS)

_WRITE_UNIT: Final = 1024  # bytes
_LEVEL: Final = 6
_SORT_KEY: Final = re.compile("[0-9]{10}")


def place_key(version: int) -> str:
    """Sort key of the commit whose first event has a version.

    >>> place_key(4)
    '0000000004'
    """
    return f"{version:010d}"


def aggregates_value(key: Key) -> str:
    """Where the index of a tenant's aggregates has one."""
    return f"{key.stream}{KEY_SEPARATOR}{key.tenant}"


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
    check_commit(commit)
    row = _columns_besides(commit, more or {})
    if commit.closes:
        return row | {_CLOSES: True}
    row["types"] = _types(frozenset([event.type for event in commit.events]))
    text = events_json(commit.events)
    if commit.fold is None:
        row[EVENTS] = text
        if item_size(row) <= min(limit, _WRITE_UNIT):
            return row  # most rows: nothing can be saved
        del row[EVENTS]
    return _fitted(commit, row, text, limit, off_load)


def _fitted(commit: Commit, row: Row, text: str, limit: int, off_load: Callable[[str], str]) -> Row:
    """A row with its events, and with the state where that costs nothing or must be kept."""
    size = item_size(row)
    state = _NO_STATE
    if commit.fold is not None:
        state = _part({"state": json_text(commit.state, "state"), "fold": commit.fold})
    forms = _forms(text, size + state.size)
    events = _cheapest(forms, size)
    if size + events.size > limit:
        events = _part({EVENTS: off_load(text)})
        forms = (events,)
        if size + events.size > limit:
            message = (
                f"takes {size} bytes besides the events, and {limit} fit; shorten it, or append fewer types"
            )
            raise InvalidInputError([FieldProblem("metadata", message)])
    if state is not _NO_STATE:
        # Whatever fits into the unit that the events have begun costs nothing.
        paid = limit if commit.must_keep_state else _units(size + events.size) * _WRITE_UNIT
        with_state = _cheapest(forms, size + state.size)
        if size + state.size + with_state.size <= min(paid, limit):
            return row | with_state.columns | state.columns
    return row | events.columns


def _columns_besides(commit: Commit, more: Mapping[str, str]) -> Row:
    """The columns of a commit's row besides its events and its state."""
    return {
        "pk": commit.key.pk,
        "sk": place_key(commit.first),
        LAST: commit.last,
        "at": time_text(commit.at),
        "append": commit.append_id,
        **context_columns(commit),
        **more,
    }


class _Part(NamedTuple):
    """Columns of a row, and the bytes that they take."""

    columns: Row
    size: int


_NO_STATE: Final = _Part({}, 0)


def _part(columns: Row) -> _Part:
    return _Part(columns, item_size(columns))


def _forms(text: str, others: int) -> tuple[_Part, ...]:
    """How events may stand in a row: as text, and deflated where that may save a write unit."""
    plain = _part({EVENTS: text})
    if _units(others + plain.size) == 1:
        return (plain,)
    return plain, _part({_ZIPPED: sealed(zlib.compress(text.encode(), _LEVEL), path=EVENTS)})


def _cheapest(forms: tuple[_Part, ...], others: int) -> _Part:
    """The form that takes the fewest write units; the first of equal ones: text."""
    return forms[0] if len(forms) == 1 else min(forms, key=lambda form: _units(others + form.size))


@lru_cache(maxsize=1000)  # a program has few types, and appends the same ones together
def _types(names: frozenset[str]) -> Value:
    return sealed(names, path="types")


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


def commit_of_row(commit: Commit, row: Row) -> Commit | None:
    """What `commit_in` would read in the row that `commit_row` has made of a commit, without reading it.

    Args:
        commit: The commit.
        row: Its row.

    Returns:
        The commit as it will be read, or None where only reading tells: where it keeps a state, its events
        are deflated or in the bucket, or were made without their texts.
    """
    events, text = commit.events, row.get(EVENTS)
    if commit.closes or "state" in row or text is None or text[0] != "[":
        return None
    for event in events:
        if event.text is None:  # JSON may read it as something else: a tuple as a list
            return None
    if commit.known is not None and commit.fold is None and commit.at.tzinfo is UTC:
        return commit  # an aggregate has made it, and nobody else has it to change it
    return made_commit(
        _key_of(row["pk"]),
        commit.first,
        tuple(events),
        commit.append_id,
        commit.at if commit.at.tzinfo is UTC else commit.at.astimezone(UTC),
        commit.user_id,
        dict(commit.metadata),  # the caller may change theirs
        known=commit.known,
    )


def _commit(row: Row, text: str | None) -> Commit:
    sk = row["sk"]
    if not _SORT_KEY.fullmatch(sk):
        msg = "its sort key is no version in ten digits"
        raise ValueError(msg)
    closes = _CLOSES in row
    if text is None and not closes:
        text = events_text(row)
    events = () if text is None or closes else events_of(text)
    state = row.get("state")
    found = made_commit(
        _key_of(row["pk"]),
        int(sk),
        events,
        row.get("append", ""),
        _time(row["at"]),
        user_in(row),
        metadata_in(row),
        state=None if state is None else from_json(state),
        fold=row.get("fold"),
        is_erased=ERASED_AT in row,
        closes=closes,
    )
    if found.last != row[LAST] or not (events or closes):
        msg = f"it has {len(events)} events and the last version {row[LAST]}"
        raise ValueError(msg)
    return found


_key_of: Final = lru_cache(maxsize=1000)(Key.of_pk)  # an aggregate's rows come together


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        msg = "its time has no time zone"
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


def unreadable_in(row: Row, error: CorruptRowError) -> UnreadableCommit:
    """What can still be told of a commit that makes no sense.

    Args:
        row: Its row.
        error: What `commit_in` has raised.
    """
    pk, sk, last = row["pk"], row["sk"], row.get(LAST)
    try:
        key = _key_of(pk)
    except InvalidInputError:
        key = None
    try:
        types = types_in(row)
    except TypeError:
        types = ()
    if not isinstance(last, int) or isinstance(last, bool):
        last = 0
    first = int(sk) if _SORT_KEY.fullmatch(sk) else 1
    return UnreadableCommit(pk=pk, key=key, version=max(first, last, 1), types=types or None, error=error)


def blank_columns(types: Sequence[str], now: datetime) -> tuple[Row, tuple[str, ...]]:
    """What an erased commit's columns become: those to set, and those to remove.

    The names of the events stay, in order, and nothing that was said about anybody.

    Args:
        types: The names of the events.
        now: When it is erased.
    """
    return {EVENTS: json_text([[name] for name in types], EVENTS), ERASED_AT: time_text(now)}, _PERSONAL


def time_text(moment: datetime) -> str:
    """UTC, to the microsecond; a text that sorts as the times do.

    >>> time_text(datetime(2026, 1, 2, 3, 4, 5, 6789, UTC))
    '2026-01-02T03:04:05.006789Z'
    """
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    # Each append asks: `isoformat`, or an f-string, would take twice as long.
    return "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % (  # noqa: UP031
        utc.year,
        utc.month,
        utc.day,
        utc.hour,
        utc.minute,
        utc.second,
        utc.microsecond,
    )


def _units(size: int) -> int:
    return -(-size // _WRITE_UNIT)


def _corrupt(row: Row, error: Exception) -> NoReturn:
    # Not the error's own text where it is Python's: it may quote the events.
    what = str(error) if type(error) is ValueError else type(error).__name__
    msg = f"the commit {row.get('pk')} {row.get('sk')} makes no sense ({what}); restore the row"
    raise CorruptRowError(msg) from None
