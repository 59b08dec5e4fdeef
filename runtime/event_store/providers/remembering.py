"""A storage that reads no row twice, nor what it has written: for rows that are in this process anyway."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime.event_store.commits.commit_row import commit_in, commit_of_row
from runtime.event_store.providers.storage import EventStorage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runtime.event_store.commits.commit import Commit
    from runtime.store.values import Row

__all__ = ["RememberingStorage"]


@dataclass(frozen=True, slots=True)
class RememberingStorage(EventStorage):
    """An `EventStorage` that remembers the commits that it has read or written, each with its row.

    A row that says anything else than the remembered one is read anew. What is in the bucket is asked for
    each time: it may be gone. The store lends its rows: the same object is the same row, and nobody changes
    it.
    """

    _known: dict[tuple[str, str], tuple[Row, Commit]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def commit(self, row: Row) -> Commit:
        """See `EventStorage.commit`."""
        place = (row["pk"], row["sk"])
        known = self._known.get(place)
        if known is not None and known[0] == row:
            if known[0] is not row:
                self._known[place] = (row, known[1])  # as it is given the next time
            return known[1]
        text = self.large.text_of(row)
        found = commit_in(row, text)
        if text is None:
            self._known[place] = (row, found)
        return found

    def commits(self, rows: Iterable[Row]) -> Iterator[Commit]:
        """See `EventStorage.commits`."""
        known_at, read = self._known.get, self.commit
        for row in rows:
            # As `commit` begins, without a call: a load asks for each commit of an aggregate.
            known = known_at((row["pk"], row["sk"]))
            yield known[1] if known is not None and known[0] is row else read(row)

    def remember(self, commit: Commit, row: Row) -> None:
        """See `EventStorage.remember`: the commit is remembered as it will be read."""
        found = commit_of_row(commit, row)
        if found is not None:
            self._known[row["pk"], row["sk"]] = (row, found)

    def forget(self, row: Row) -> None:
        """See `EventStorage.forget`."""
        self._known.pop((row["pk"], row["sk"]), None)
