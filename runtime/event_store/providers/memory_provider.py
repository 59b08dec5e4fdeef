"""Commits in this process: for tests, for trying things out, and for programs that keep nothing."""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING, Final

from runtime import clock
from runtime.errors import CorruptRowError, FieldProblem, InvalidInputError
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import Notice
from runtime.event_store.commits.commit_row import LAST, unreadable_in
from runtime.event_store.commits.large_events import LargeEvents
from runtime.event_store.providers.remembering import RememberingStorage
from runtime.event_store.providers.store_provider import StoreProvider
from runtime.model.keys import KEY_SEPARATOR
from runtime.settings import EventTables
from runtime.store.bucket import MemoryBucket
from runtime.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runtime.event_store.commits.commit import Commit
    from runtime.store.memory import Change
    from runtime.store.values import Place, Row

__all__ = ["MemoryProvider"]

_TABLES: Final = EventTables(events="events", sync="sync", has_handlers=True, has_aggregates_index=True)
_ROW_LIMIT: Final = 100 * 1024  # as in a deployment that says nothing else


class MemoryProvider(StoreProvider):
    """Commits in this process: a `Provider` with the answers of `DynamoProvider`, and an order of all events.

    It has no moving parts: no network, no waiting, no clock but for times. Threads may share it.

    Example:
        >>> domain = create_domain(MemoryProvider(), user, post)

    Args:
        commits: What was appended before, in order.
        page_size: The most commits that are read at once; 1 finds code that counts on more. Default: 1000.

    Raises:
        InvalidInputError: The page size is below 1, or a commit cannot be stored.
        AppendRefusedError: Two of the commits have one version.
    """

    def __init__(self, commits: Iterable[Commit] = (), *, page_size: int = 1000) -> None:
        self._memory = MemoryStore(clock=clock.seconds, lends_rows=True)
        large = LargeEvents(MemoryBucket(clock.now), _TABLES.events, _ROW_LIMIT)
        storage = self._remembered = RememberingStorage(self._memory, _TABLES, large)
        super().__init__(lambda: storage, page_size=page_size)
        self._log: list[tuple[int, Place]] = []
        self._memory.on_change(self._on_change)
        for commit in commits:
            self.append([commit])

    def notices(self, streams: Sequence[str], after: str | None, limit: int) -> Sequence[Notice]:
        """See `Provider.notices`: in the order of the appends, each once.

        A position is the number of events that were appended until then, in decimal.
        """
        if limit < 1:
            raise InvalidInputError([FieldProblem("limit", f"must be 1 or more, got {limit!r}")])
        if after is not None and not after.isdecimal():
            message = f"must be a position that this provider has given, got {after!r}"
            raise InvalidInputError([FieldProblem("after", message)])
        log = self._log  # it only grows
        begin = bisect_right(log, int(after or 0), key=lambda entry: entry[0])
        told = (
            self._notice(position, row)
            for position, place in islice(log, begin, len(log))
            if _stream_of(place) in streams and (row := self._memory.get(place))
        )
        return list(islice(told, limit))

    def _notice(self, position: int, row: Row) -> Notice:
        try:
            commit = self.storage.commit(row)
        except CorruptRowError as error:  # whoever goes by the notice comes across it, and fails at it alone
            found = unreadable_in(row, error)
            return Notice(Key.of_pk(row["pk"]), found.version, str(position), found.types)
        types = None if commit.closes else commit.types  # what closes an aggregate is for everybody
        return Notice(commit.key, commit.last, str(position), types, commit)

    def _on_change(self, change: Change) -> None:
        """Note a commit. The store calls it in the order of its writes, one at a time, before they return."""
        row = change.new
        if change.place.table != _TABLES.events or row is None or LAST not in row:
            return  # no commit: the record of a command
        if change.old is not None:  # it was blanked, and what it said must not be told any more
            self._remembered.forget(row)
            return
        position = (self._log[-1][0] if self._log else 0) + row[LAST] - int(row["sk"]) + 1
        self._log.append((position, change.place))


def _stream_of(place: Place) -> str:
    stream, _, _ = place.pk.partition(KEY_SEPARATOR)
    return stream
