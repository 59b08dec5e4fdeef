"""A storage that reads each row once: for a provider whose rows are in this process anyway."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime.event_store.commits.commit_row import commit_in
from runtime.event_store.providers.storage import EventStorage

if TYPE_CHECKING:
    from runtime.event_store.commits.commit import Commit
    from runtime.store.values import Row

__all__ = ["RememberingStorage"]


@dataclass(frozen=True, slots=True)
class RememberingStorage(EventStorage):
    """An `EventStorage` that remembers the commits that it has read, and the rows that they were read from.

    A row that says anything else than the remembered one is read anew. What is in the bucket is asked for
    each time: it may be gone.
    """

    _known: dict[tuple[str, str], tuple[Row, Commit]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def commit(self, row: Row) -> Commit:
        """See `EventStorage.commit`."""
        place = (row["pk"], row["sk"])
        known = self._known.get(place)
        if known is not None and known[0] == row:
            return known[1]
        text = self.large.text_of(row)
        found = commit_in(row, text)
        if text is None:
            self._known[place] = (row.copy(), found)  # the row is the caller's to change
        return found

    def forget(self, row: Row) -> None:
        """Forget the commit at a row's place: what it says is not to be told any more."""
        self._known.pop((row["pk"], row["sk"]), None)
