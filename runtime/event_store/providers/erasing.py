"""Erasing an aggregate: what was said goes, and the numbers stay.

First a commit that closes it takes the next version, so from then on it is erased for everybody who makes
a state of it or reads it to its end, and nobody's append fits behind it. Then each commit is blanked, records
of commands are forgotten, and the objects of its large commits deleted. Interrupted, it is called again, and
goes on.

No row is deleted: an append is put on the condition that its key is free, and a key that was taken once must
not become free again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr
from boto3.dynamodb.conditions import Key as Column

from runtime import clock
from runtime.contract import AGGREGATES_COLUMN
from runtime.errors import ContentionError, CorruptRowError, CqrsError
from runtime.event_store.commits.command_row import COMMAND_PREFIX, forgotten_columns
from runtime.event_store.commits.commit_row import ERASED_AT, LAST, blank_columns, is_closing, types_in
from runtime.event_store.provider import AppendRefusedError
from runtime.event_store.providers.appending import append
from runtime.store.port import ConditionFailedError, Set
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.providers.storage import EventStorage
    from runtime.store.values import Row

__all__ = ["erase"]

_ATTEMPTS = 10


def erase(storage: EventStorage, closing: Commit) -> int:
    """See `Provider.erase`: two calls, one for each commit, and those that find commits, records and objects.

    Raises:
        ContentionError: Others appended to it for as long as this call tried to close it.
    """
    _close(storage, closing)
    try:
        return _blank(storage, closing)
    except CqrsError as error:
        if error.written == "nothing":  # of its own call, which others went before
            error.written = "something"
        raise


def _blank(storage: EventStorage, closing: Commit) -> int:
    blanked = 0
    for row in storage.commit_rows(closing.key.pk):
        if ERASED_AT in row or is_closing(row):
            continue
        columns, gone = blank_columns(_types(storage, row), clock.now())
        _set(storage, row, columns, (*gone, AGGREGATES_COLUMN))
        blanked += 1
    for row in storage.rows(closing.key.pk, Column("sk").begins_with(COMMAND_PREFIX)):
        columns, gone = forgotten_columns()
        with suppress(ConditionFailedError):  # its day was over, and DynamoDB has deleted it
            _set(storage, row, columns, gone)
    storage.large.delete_all(closing.key.pk)
    return blanked


def _close(storage: EventStorage, closing: Commit) -> None:
    """Append the closing commit behind whatever stands there, unless there is one."""
    for _ in range(_ATTEMPTS):
        last = storage.last_row(closing.key.pk)  # it may be one that nobody can read any more
        if last is not None and is_closing(last):
            return
        first = 1 if last is None else last[LAST] + 1
        try:
            append(storage, [replace(closing, first=first, events=(), closes=True)], {}, None)
        except AppendRefusedError:
            continue  # somebody has appended meanwhile
        return
    msg = f"others appended to {closing.key.pk} for as long as it was to be erased; nothing was erased"
    raise ContentionError(msg)


def _types(storage: EventStorage, row: Row) -> Sequence[str]:
    """The names of a commit's events, in order."""
    try:
        return storage.commit(row).types
    except CorruptRowError:
        # Its object is gone, or it was damaged: what cannot be read can be erased all the same.
        number, known = row[LAST] - int(row["sk"]) + 1, types_in(row)
        return [known[min(index, len(known) - 1)] for index in range(number)]


def _set(storage: EventStorage, row: Row, columns: Row, gone: Sequence[str]) -> None:
    place = Place(storage.tables.events, row["pk"], row["sk"])
    storage.store.write(Set(place=place, columns=columns, remove=gone, condition=Attr("pk").exists()))
