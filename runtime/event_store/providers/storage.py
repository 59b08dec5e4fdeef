"""What a provider over the store port works on: a store, its tables, and how a commit is kept in them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime import clock
from runtime.contract import AGGREGATES_COLUMN, FEED_COLUMN, FEED_SLICES, FEED_SORT_KEY
from runtime.event_store.commit_row import commit_in, commit_row, time_text
from runtime.model.keys import KEY_SEPARATOR
from runtime.store.item_size import MAX_ITEM_BYTES

if TYPE_CHECKING:
    from runtime.event_store.commit import Commit
    from runtime.settings import EventTables
    from runtime.store.port import Store
    from runtime.store.values import Row

__all__ = ["EventStorage"]


@dataclass(frozen=True, slots=True)
class EventStorage:
    """Where the commits of one module are.

    Attributes:
        store: The tables.
        tables: Their names, and what they have.
    """

    store: Store
    tables: EventTables

    def row(self, commit: Commit) -> Row:
        """The row of a commit.

        Raises:
            InvalidInputError: The commit cannot be stored; the message names the field.
        """
        more = {}
        if self.tables.has_feed_index:
            # When it is appended, and not when what it tells of has happened: listeners go by it.
            more = {FEED_COLUMN: _slice_of(commit.key.pk), FEED_SORT_KEY: time_text(clock.now())}
        if self.tables.has_aggregates_index and commit.first == 1:
            more[AGGREGATES_COLUMN] = f"{commit.key.stream}{KEY_SEPARATOR}{commit.key.tenant}"
        return commit_row(commit, limit=MAX_ITEM_BYTES, more=more)

    def commit(self, row: Row) -> Commit:
        """The commit in a row.

        Raises:
            CorruptRowError: It makes no sense.
        """
        return commit_in(row)


def _slice_of(pk: str) -> str:
    """The slice of the pull index that has an aggregate."""
    return str(zlib.crc32(pk.encode()) % FEED_SLICES)
