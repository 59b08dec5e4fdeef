"""Reading all commits of a table, segment by segment."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Attr

from runtime.errors import CorruptRowError
from runtime.event_store.commits.commit_row import LAST, unreadable_in
from runtime.event_store.commits.context_columns import CONTEXT_COLUMNS
from runtime.model.keys import KEY_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.event_store.commits.commit import Commit, UnreadableCommit
    from runtime.event_store.providers.storage import EventStorage
    from runtime.store.scan import Scan
    from runtime.store.values import Row

__all__ = ["scan"]

#: All of a commit but the state that is kept in it, which is no event.
_COLUMNS: Final = (
    "pk",
    "sk",
    LAST,
    "at",
    "append",
    "types",
    "events",
    "zipped",
    "erasedAt",
    "closes",
    *CONTEXT_COLUMNS,
)


def scan(
    storage: EventStorage, streams: Sequence[str], page: Scan
) -> tuple[Sequence[Commit | UnreadableCommit], str | None]:
    """See `Provider.everything`."""
    if not streams:
        return (), None
    # What is no commit has no such column.
    only = Attr(LAST).exists() & reduce(or_, (Attr("pk").begins_with(f"{s}{KEY_SEPARATOR}") for s in streams))
    found = page.read(storage.store, storage.tables.events, columns=_COLUMNS, only=only)
    return [_commit(storage, row) for row in found.rows], found.resume_token


def _commit(storage: EventStorage, row: Row) -> Commit | UnreadableCommit:
    try:
        return storage.commit(row)
    except CorruptRowError as error:
        return unreadable_in(row, error)
