"""What is new, for processes that no stream calls: the pull index, slice by slice, merged by time.

A position is the time of the last entry that was told, as text. An entry may appear later than its time: its
append was under way, or the index was late. So each look goes back by two minutes, which is longer than an
append can take, and what was told already is passed over.

What was told is remembered in this process, by the position that it led to. Without the memory, as after a
restart, two minutes are told again: a doorbell that rings twice does no harm. The memory also has how far
other streams were looked through, so that a quiet stream beside a busy one does not read the busy one again
with each look.
"""

from __future__ import annotations

import heapq
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count, islice
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Key as Column

from runtime import clock
from runtime.contract import FEED_COLUMN, FEED_INDEX, FEED_PROJECTED, FEED_SLICES, FEED_SORT_KEY
from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import Notice
from runtime.event_store.commits.commit_row import LAST, time_text, types_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from boto3.dynamodb.conditions import ConditionBase

    from runtime.event_store.providers.storage import EventStorage
    from runtime.store.values import Row

__all__ = ["OVERLAP", "Listener"]

OVERLAP: Final = timedelta(minutes=2)
_MOST_REMEMBERED: Final = 64
_SEPARATOR: Final = "~"
_COLUMNS: Final = ("pk", "sk", FEED_SORT_KEY, *FEED_PROJECTED)


@dataclass(slots=True)
class _Heard:
    """What was told until a position.

    Attributes:
        mark: Time up to which all was looked through; empty before the first entry.
        entries: Times of the entries that were told, of the last two minutes before the mark, by their keys.
    """

    mark: str = ""
    entries: dict[tuple[str, str], str] = field(default_factory=dict)


class Listener:
    """Reads the pull index of an events table.

    Args:
        storage: Where the table is.
        page_size: The most entries that are read with one call; None for what fits into 1 MB.
    """

    def __init__(self, storage: EventStorage, page_size: int | None) -> None:
        self._storage = storage
        self._page_size = page_size
        self._heard: OrderedDict[tuple[frozenset[str], str | None], _Heard] = OrderedDict()
        self._lock = threading.Lock()
        self._numbers = count()

    @cached_property
    def _token(self) -> str:
        """What tells this process's positions from others'.

        Drawn in a call: a process may be one of many that were restored from one snapshot.
        """
        return secrets.token_hex(4)

    def notices(self, streams: Sequence[str], after: str | None, limit: int) -> list[Notice]:
        """See `Provider.notices`.

        Raises:
            ConfigurationError: The table has no pull index.
            InvalidInputError: The position is of another provider, or the limit is below 1.
        """
        if not self._storage.tables.has_feed_index:
            msg = (
                "the events table has no pull index, which tells what is new in it: set pull_index=True, or "
                "let the table's stream call the handlers"
            )
            raise ConfigurationError(msg)
        if limit < 1:
            raise InvalidInputError([FieldProblem("limit", f"must be 1 or more, got {limit!r}")])
        wanted = frozenset(streams)
        heard = self._recall(wanted, after)
        looked_at = [heard.mark]
        entries = heapq.merge(
            *(self._slice(str(number), heard, looked_at) for number in range(FEED_SLICES)), key=_order
        )
        unheard = (row for row in entries if Key.of_pk(row["pk"]).stream in wanted)
        told = list(islice(unheard, limit))
        now = time_text(clock.now())
        # Of a clock that is ahead: what others append meanwhile must not be taken for what was told before.
        if len(told) < limit:
            mark = min(max(looked_at), now)
        else:
            mark = min(max(heard.mark, told[-1][FEED_SORT_KEY]), now)
        notices = [self._notice(row, min(max(heard.mark, row[FEED_SORT_KEY]), now)) for row in told]
        if notices:
            notices[-1] = replace(notices[-1], position=self._position(mark))
            after = notices[-1].position
        self._remember(wanted, after, heard, mark, told)
        return notices

    def _slice(self, number: str, heard: _Heard, looked_at: list[str]) -> Iterator[Row]:
        """Entries of a slice that were not told, the oldest first; pages are read as they are needed."""
        tables, start = self._storage.tables, None
        entries: ConditionBase = Column(FEED_COLUMN).eq(number)
        if heard.mark:
            entries &= Column(FEED_SORT_KEY).gte(_earlier(heard.mark))
        while True:
            page = self._storage.store.query(
                tables.events,
                entries,
                index=FEED_INDEX,
                start=start,
                limit=self._page_size,
                consistent=False,
                columns=_COLUMNS,
            )
            for row in page.rows:
                looked_at[0] = max(looked_at[0], row[FEED_SORT_KEY])
                if (row["pk"], row["sk"]) not in heard.entries:
                    yield row
            start = page.next
            if start is None:
                return

    def _notice(self, row: Row, time: str) -> Notice:
        # A commit that closes an aggregate has no types, and is for everybody.
        return Notice(Key.of_pk(row["pk"]), row[LAST], self._position(time), types_in(row) or None)

    def _position(self, time: str) -> str:
        """A position that is no other one's: two entries may have the same time."""
        return f"{time}{_SEPARATOR}{self._token}{next(self._numbers)}"

    def _recall(self, streams: frozenset[str], after: str | None) -> _Heard:
        """What was told until a position, as far as it is remembered."""
        with self._lock:
            found = self._heard.get((streams, after))
            if found is not None:
                self._heard.move_to_end((streams, after))
                return found
        return _Heard() if after is None else _Heard(_time_of(after))

    def _remember(
        self, streams: frozenset[str], after: str | None, heard: _Heard, mark: str, told: Sequence[Row]
    ) -> None:
        entries = heard.entries | {(row["pk"], row["sk"]): row[FEED_SORT_KEY] for row in told}
        if mark:
            begin = _earlier(mark)
            entries = {key: time for key, time in entries.items() if time >= begin}
        with self._lock:
            self._heard[streams, after] = _Heard(mark, entries)
            self._heard.move_to_end((streams, after))
            if len(self._heard) > _MOST_REMEMBERED:
                self._heard.popitem(last=False)


def _order(row: Row) -> tuple[str, str, str]:
    return row[FEED_SORT_KEY], row["pk"], row["sk"]


def _earlier(time: str) -> str:
    return time_text(datetime.fromisoformat(time) - OVERLAP)


def _time_of(position: str) -> str:
    time, _, _ = position.partition(_SEPARATOR)
    try:
        return time_text(datetime.fromisoformat(time))
    except ValueError:
        message = f"must be a position that this provider has given, got {position!r}"
        raise InvalidInputError([FieldProblem("after", message)]) from None
