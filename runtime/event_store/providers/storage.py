"""What a provider over the store port works on: a store, its tables, and how a commit is kept in them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Attr
from boto3.dynamodb.conditions import Key as Column

from runtime import clock
from runtime.contract import AGGREGATES_COLUMN, FEED_COLUMN, FEED_SLICES, FEED_SORT_KEY
from runtime.event_store.commits.commit_row import (
    BEHIND_COMMITS,
    EVENTS,
    aggregates_value,
    commit_in,
    commit_row,
    time_text,
)
from runtime.store.bucket import REFERENCE_PREFIX, object_key_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from boto3.dynamodb.conditions import ConditionBase

    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.commits.large_events import LargeEvents
    from runtime.settings import EventTables
    from runtime.store.port import Store
    from runtime.store.values import Row

__all__ = ["EventStorage"]

_IS_COMMIT: Final = Column("sk").lt(BEHIND_COMMITS)


@dataclass(frozen=True, slots=True)
class EventStorage:
    """Where the commits of one module are.

    Attributes:
        store: The tables.
        tables: Their names, and what they have.
        large: Where events are that are too large for a row.
    """

    store: Store
    tables: EventTables
    large: LargeEvents

    def row(self, commit: Commit, *, most: int | None = None) -> Row:
        """The row of a commit. One call where its events go to the bucket.

        Args:
            commit: The commit.
            most: Bytes that the row may have. Default: what any row may.

        Raises:
            InvalidInputError: The commit cannot be stored; the message names the field.
            ConfigurationError: It is too large for a row, and there is no bucket.
        """
        more = {}
        if self.tables.has_feed_index:
            # When it is appended, and not when what it tells of has happened: listeners go by it.
            more = {FEED_COLUMN: _slice_of(commit.key.pk), FEED_SORT_KEY: time_text(clock.now())}
        if self.tables.has_aggregates_index and commit.first == 1 and not commit.closes:
            more[AGGREGATES_COLUMN] = aggregates_value(commit.key)
        return commit_row(
            commit,
            limit=self.large.limit if most is None else min(most, self.large.limit),
            more=more,
            off_load=lambda text: self.large.off_load(commit.key, text),
        )

    def commit(self, row: Row) -> Commit:
        """The commit in a row. One call where its events are in the bucket.

        Raises:
            CorruptRowError: It makes no sense, or the bucket does not have its events.
        """
        return commit_in(row, self.large.text_of(row))

    def commits(self, rows: Iterable[Row]) -> Iterator[Commit]:
        """The commits in rows, each one read when it is asked for; see `commit`."""
        return map(self.commit, rows)

    def remember(self, commit: Commit, row: Row) -> None:
        """Note a commit that is about to be appended, in the row that `row` has made of it.

        That is nothing here: what is stored says what was appended. `RememberingStorage` saves reading it.
        """

    def forget(self, row: Row) -> None:
        """Forget the commit at a row's place: it is not to be told any more, or was not appended."""

    def rows(
        self,
        pk: str,
        condition: ConditionBase,
        *,
        columns: Sequence[str] | None = None,
        only: ConditionBase | None = None,
    ) -> Iterator[Row]:
        """Rows of an aggregate; pages are read as they are needed.

        Args:
            pk: Its partition key.
            condition: Which sort keys.
            columns: Columns to return. Default: all of them.
            only: Filter on the rows that are read.
        """
        start: Row | None = None
        while True:
            page = self.store.query(
                self.tables.events, Column("pk").eq(pk) & condition, start=start, columns=columns, only=only
            )
            yield from page.rows
            start = page.next
            if start is None:
                return

    def last_row(self, pk: str) -> Row | None:
        """The row of an aggregate's last commit, whatever it says; None without one. One call."""
        page = self.store.query(
            self.tables.events, Column("pk").eq(pk) & _IS_COMMIT, limit=1, descending=True
        )
        return page.rows[0] if page.rows else None

    def commit_rows(self, pk: str) -> Iterator[Row]:
        """The rows of an aggregate's commits, the first one first."""
        return self.rows(pk, _IS_COMMIT)

    def references(self, pk: str) -> set[str | None]:
        """The keys of the objects that the commits of an aggregate refer to."""
        rows = self.rows(
            pk,
            _IS_COMMIT,
            columns=("pk", "sk", EVENTS),
            # What is in the rows would be sent for nothing.
            only=Attr(EVENTS).begins_with(REFERENCE_PREFIX),
        )
        return {object_key_in(row[EVENTS]) for row in rows}


def _slice_of(pk: str) -> str:
    """The slice of the pull index that has an aggregate."""
    return str(zlib.crc32(pk.encode()) % FEED_SLICES)
