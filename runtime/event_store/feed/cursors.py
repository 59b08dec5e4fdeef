"""Where the progress of event handlers is kept: one cursor for each handler, generation and aggregate.

In the module's sync table a cursor is a row like those of the command pipeline
(`runtime.pipeline.cursors`): ``pk`` = the aggregate's, ``sk`` = ``{handler}@{generation}#``. What is
known of a handler as a whole is a row ``pk`` = ``$handler``, ``sk`` = its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from boto3.dynamodb.conditions import Attr

from runtime.model.cursor import CursorPage, KeptCursor
from runtime.pipeline.cursors import CursorRow
from runtime.store.port import ConditionFailedError, Put
from runtime.store.scan import Scan
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runtime.event_store.address import Key
    from runtime.pipeline.turn_row import TurnRow
    from runtime.store.port import Store
    from runtime.store.values import Row

__all__ = ["HANDLER", "SOME", "CursorKey", "CursorPage", "Cursors", "KeptCursor", "StoreCursors"]

HANDLER: Final = "$handler"
"""Partition of the rows that say what is known of handlers as a whole."""

SOME: Final = 20
"""How many aggregates `Cursors.some_seen` gives at most."""

_REVISION: Final = "revision"
_KEY: Final = ("pk", "sk")
_PAGE: Final = 1000
_MOST_PAGES: Final = 5


class CursorKey(NamedTuple):
    """Whose cursor, and for which aggregate.

    Attributes:
        handler: Name of the handler.
        generation: Of its read model.
        key: The aggregate.
    """

    handler: str
    generation: int
    key: Key


class Cursors(Protocol):
    """Where handlers' progress is kept."""

    def rows(self, wanted: Iterable[CursorKey]) -> Mapping[CursorKey, TurnRow]:
        """The cursor of each of these, consistently; of what is new, too. One call for each 100."""
        ...

    def read_handler(self, name: str) -> Mapping[str, Any] | None:
        """What is known of a handler as a whole, consistently; None where nothing is."""
        ...

    def write_handler(self, name: str, columns: Mapping[str, Any], *, revision: str | None) -> bool:
        """Put what is known of a handler in place of what has a ``revision``; False where that is gone.

        Args:
            name: The handler's.
            columns: All that is to be known: texts and numbers, ``revision`` among them.
            revision: That of what was read; None where there was nothing.
        """
        ...

    def parked(
        self, *, segment: int = 0, total_segments: int = 1, resume_from: str | None = None, limit: int = 100
    ) -> CursorPage:
        """One page of the cursors that are parked.

        Args:
            segment: Which part of the table, 0 to ``total_segments`` - 1.
            total_segments: Into how many parts it is divided.
            resume_from: ``resume_token`` of the page before, of the same segment.
            limit: Most rows to look at, 1 to 1000.

        Raises:
            InvalidInputError: An argument is out of range.
        """
        ...

    def some_seen(self, handler: str, generation: int) -> Sequence[str]:
        """Partition keys of some aggregates of which a handler has seen all that it was told of.

        Args:
            handler: Its name.
            generation: Of its read model.

        Returns:
            At most 20, of the first few thousand cursors: none where it has seen nothing, most likely.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoreCursors:
    """Cursors in a table of a store: `Cursors`. Two of one table are equal, and so are read together.

    Attributes:
        store: The store.
        table: Physical name of the module's sync table.
    """

    store: Store
    table: str

    def rows(self, wanted: Iterable[CursorKey]) -> dict[CursorKey, TurnRow]:
        """See `Cursors.rows`."""
        places = {whose: self._place(whose) for whose in wanted}
        found = self.store.batch_get(places.values()) if places else {}
        return {
            whose: CursorRow(self.store, place, None, found.get(place)) for whose, place in places.items()
        }

    def read_handler(self, name: str) -> Row | None:
        """See `Cursors.read_handler`."""
        row = self.store.get(Place(self.table, HANDLER, name))
        return None if row is None else {column: row[column] for column in row if column not in _KEY}

    def write_handler(self, name: str, columns: Mapping[str, Any], *, revision: str | None) -> bool:
        """See `Cursors.write_handler`."""
        same = Attr("pk").not_exists() if revision is None else Attr(_REVISION).eq(revision)
        row = {**columns, "pk": HANDLER, "sk": name}
        try:
            self.store.write(Put(table=self.table, row=row, condition=same))
        except ConditionFailedError as failure:
            # The first answer may have got lost, and the SDK have tried again: then it is done.
            (found,) = failure.rows.values()
            return found is not None and found.get(_REVISION) == columns.get(_REVISION)
        return True

    def parked(
        self, *, segment: int = 0, total_segments: int = 1, resume_from: str | None = None, limit: int = 100
    ) -> CursorPage:
        """See `Cursors.parked`. One call."""
        scan = Scan.checked(
            segment=segment, total_segments=total_segments, resume_from=resume_from, limit=limit
        )
        page = scan.read(self.store, self.table, only=Attr("parkedVersion").exists())
        return CursorPage(tuple(_kept(page.rows)), page.scanned, page.resume_token)

    def some_seen(self, handler: str, generation: int) -> list[str]:
        """See `Cursors.some_seen`. One call for each 1000 rows that are looked at."""
        mine = Attr("sk").eq(_sort_key(handler, generation)) & Attr("version").exists()
        for name in ("parkedVersion", "failedVersion", "claim"):
            mine &= Attr(name).not_exists()
        token: str | None = None
        for _ in range(_MOST_PAGES):
            page = Scan.checked(resume_from=token, limit=_PAGE).read(self.store, self.table, only=mine)
            token = page.resume_token
            if page.rows or token is None:
                return [row["pk"] for row in page.rows[:SOME]]
        return []

    def _place(self, whose: CursorKey) -> Place:
        return Place(self.table, whose.key.pk, _sort_key(whose.handler, whose.generation))


def _sort_key(handler: str, generation: int) -> str:
    return f"{handler}@{generation}#"


def _kept(rows: Iterable[Row]) -> Iterable[KeptCursor]:
    for row in rows:
        handler, _, generation = row["sk"].removesuffix("#").rpartition("@")
        if handler and generation.isdecimal():  # anything else was not written by a handler
            yield KeptCursor(
                handler,
                int(generation),
                row["pk"],
                row.get("version"),
                row.get("parkedVersion"),
                row.get("parkedAt"),
                row.get("parkedError"),
            )
