"""Reading the commits of an aggregate, forwards and backwards, and never with a gap between two.

A query is no snapshot: of two commits of the same moment it may find the later one alone. So where one is
missing, it is asked for again, once; what is missing then is gone.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Key as Column

from runtime.errors import CorruptStreamError
from runtime.event_store.commits.commit_json import MAX_EVENT_VERSION
from runtime.event_store.commits.commit_row import BEHIND_COMMITS, place_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from boto3.dynamodb.conditions import ConditionBase

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.providers.storage import EventStorage
    from runtime.store.values import Row

__all__ = ["Reader"]

#: The second page of a read back has so many times the commits of the first one.
_GROWTH: Final = 4
_PARTITION_KEY: Final = Column("pk")
_SORT_KEY: Final = Column("sk")
_ALL: Final = _SORT_KEY.between(place_key(1), BEHIND_COMMITS)


class Reader:
    """Reads the commits of one aggregate.

    Args:
        storage: Where they are.
        key: Whose.
        page_size: The most commits that are read with one call; None for what fits into 1 MB.
    """

    def __init__(self, storage: EventStorage, key: Key, page_size: int | None) -> None:
        self._storage = storage
        self._key = key
        self._page_size = page_size

    def forwards(self, after: int, until: int | None) -> Iterator[Commit]:
        """See `Provider.read`."""
        begin, last = max(after, 0), MAX_EVENT_VERSION if until is None else until
        done, missing = begin, 0
        while done < last:
            found: Commit | None = None
            for found in self._between(done + 1, last):
                if found.first != done + 1:
                    break
                done = found.last
                yield found
            else:
                found = None
            if done == begin and done and (around := self._around(done)):
                # The caller has asked for what is behind the middle of a commit.
                done = around.last
                yield around
            elif found is None:
                return
            elif found.first <= done:
                raise self._overlap(found)
            elif missing == done + 1:
                raise self._corrupt(missing, found.first)
            else:
                missing = done + 1

    def backwards(self, until: int | None, likely: int) -> Iterator[Commit]:
        """See `Provider.read_back`."""
        last = MAX_EVENT_VERSION if until is None else until
        behind: int | None = None  # version that begins the commit which came last
        missing = 0
        while last > 0:
            found: Commit | None = None
            for found in self._back_from(last, likely):
                if behind is not None and found.last != behind - 1:
                    break
                behind = found.first
                yield found
                if behind == 1:
                    return
            else:
                found = None
            if found is None and behind is None:
                return
            assert behind is not None  # noqa: S101 - what came first has nothing behind it to fit to
            if found is not None and found.last >= behind:
                raise self._overlap(found)
            if missing == behind - 1:
                raise self._corrupt(found.last + 1 if found else 1, behind)
            last = missing = behind - 1

    def _between(self, first: int, last: int) -> Iterator[Commit]:
        if first == 1 and last >= MAX_EVENT_VERSION:
            return self._commits(_whole(self._key.pk), (), descending=False)  # most reads
        condition = _SORT_KEY.between(place_key(first), _end(last))
        return self._commits(self._own & condition, (), descending=False)

    def _back_from(self, last: int, likely: int) -> Iterator[Commit]:
        limits = (max(likely, 1), max(likely, 1) * _GROWTH)
        return self._commits(self._own & _SORT_KEY.lte(_end(last)), limits, descending=True)

    @property
    def _own(self) -> ConditionBase:
        return _PARTITION_KEY.eq(self._key.pk)

    def _around(self, version: int) -> Commit | None:
        """The commit that a version and the one behind it are in; None where there is none."""
        for commit in self._back_from(version, 1):
            return commit if commit.last > version else None
        return None

    def _commits(
        self, condition: ConditionBase, limits: tuple[int, ...], *, descending: bool
    ) -> Iterator[Commit]:
        """Commits under a condition; the first pages have at most so many as ``limits``."""
        pages = self._pages(condition, iter(limits), descending=descending)
        return chain.from_iterable(map(self._storage.commits, pages))

    def _pages(
        self, condition: ConditionBase, sizes: Iterator[int], *, descending: bool
    ) -> Iterator[Sequence[Row]]:
        storage, start = self._storage, None
        while True:
            page = storage.store.query(
                storage.tables.events,
                condition,
                start=start,
                limit=self._limit(next(sizes, None)),
                descending=descending,
            )
            yield page.rows
            start = page.next
            if start is None:
                return

    def _limit(self, size: int | None) -> int | None:
        most = self._page_size
        return size if most is None else most if size is None else min(size, most)

    def _overlap(self, found: Commit) -> CorruptStreamError:
        msg = (
            f"{self._key.pk} has the versions {found.first} to {found.last} in a commit, and some of them in "
            "another one; take the row away that was written by hand"
        )
        return CorruptStreamError(msg)

    def _corrupt(self, missing: int, found: int) -> CorruptStreamError:
        what = f"version {missing}" if missing == found - 1 else f"versions {missing} to {found - 1}"
        msg = f"{self._key.pk} has no {what}, and a later one; restore the rows that are gone"
        return CorruptStreamError(msg)


@lru_cache(maxsize=1000)  # who reads an aggregate reads it again
def _whole(pk: str) -> ConditionBase:
    """The condition for all commits of an aggregate."""
    return _PARTITION_KEY.eq(pk) & _ALL


def _end(last: int) -> str:
    """The last sort key that a commit can have whose first event is no later than a version."""
    return BEHIND_COMMITS if last >= MAX_EVENT_VERSION else place_key(last)
