"""The cursor of a handler: the last version of an aggregate that it has seen, and whose turn it is.

One row an aggregate and handler, in the module's sync table, ``pk`` = the aggregate's, ``sk`` =
``{handler}#{sort key}``:

- ``version``: last version done; ``lifeId``: the life of the aggregate that this is about.
- ``claim``, ``claimUntil``: who has the turn, and until when (seconds since 1970); ``wanted``: a
  version that others want done meanwhile.
- ``failedVersion``, ``failedError``, ``failedSince``: what failed last, while it is tried again, and
  since when; ``attempts``: how often, where no state machine counts that.
- ``resume``: where the commit begins that ``version`` is in the middle of.
- ``parkedVersion``, ``parkedAt``, ``parkedError``: where the handler has given up.
- ``skipped``: the versions that operators have passed over, with ``version``, ``at``, ``error``.

Every write holds only while the row is as its writer has read it, so turns never overlap and a
cursor never goes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr

from runtime.model.cursor import Cursor, TurnLostError
from runtime.model.cursor_writes import CLAIM, CursorWrites
from runtime.model.rows import LIFE
from runtime.store.codec import opened, sealed
from runtime.store.port import ConditionFailedError, Put, Set

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

    from runtime.store.port import Check, Store, Write
    from runtime.store.values import Place, Row

__all__ = ["CLAIM", "Cursor", "CursorRow", "TurnLostError"]


class CursorRow(CursorWrites):
    """One cursor row in a store. Read it with `read` or give it a row.

    Args:
        store: Where it is.
        place: Its place.
        life: Life of the aggregate; None where its rows do not tell.
        row: The row as it was read, or None without one.
    """

    def __init__(self, store: Store, place: Place, life: str | None, row: Row | None) -> None:
        self._store = store
        self._place = place
        self._life = life
        self._take(row)

    def _take(self, row: Row | None) -> None:
        self.row = row
        #: As the row was read, or written, last.
        self.cursor = Cursor.of(row, self._life)
        #: A row of another life is written over as a whole.
        self.is_foreign = row is not None and self._life is not None and row.get(LIFE) != self._life

    def read(self) -> Cursor:
        """Read the row anew."""
        self._take(self._store.batch_get([self._place]).get(self._place))
        return self.cursor

    def leave(self, version: int) -> bool:
        """Leave a version to whoever has the turn; False when that has changed since it was read."""
        if (self.cursor.wanted or 0) >= version:
            return True
        held = Attr("claim").eq(self.cursor.claim) & Attr("claimUntil").eq(self.cursor.claim_until)
        try:
            self._store.write(
                Set(
                    place=self._place,
                    columns={"wanted": version},
                    condition=held & (Attr("wanted").not_exists() | Attr("wanted").lt(version)),
                )
            )
        except ConditionFailedError as failure:
            (row,) = failure.rows.values()
            self._take(row)
            return (self.cursor.wanted or 0) >= version and self.cursor.is_claimed()
        return True

    def unpark(self, token: str, version: int | None, unmoved: Check | None = None) -> bool:
        """See `CursorWrites.unpark`. With a check, it is part of a transaction."""
        if unmoved is None:
            return super().unpark(token, version)
        columns = {"version": version, **self._life_column()}
        mine = Attr("claim").eq(token)
        write = Set(place=self._place, columns=columns, remove=self._unparked, condition=mine, label="cursor")
        try:
            self._store.write(write, unmoved)
        except ConditionFailedError as failure:
            if unmoved.label not in failure.rows:
                raise TurnLostError from failure
            return False
        return True

    def _with_skipped(self, entry: dict[str, Any]) -> Any:  # noqa: ANN401 - a sealed list
        entries = opened(self.row["skipped"]) if self.row and "skipped" in self.row else []
        return sealed([*entries, entry], path="skipped")

    def _change_mine(
        self, token: str, columns: dict[str, Any], remove: tuple[str, ...], wanted_up_to: int | None
    ) -> bool:
        condition: ConditionBase = Attr("claim").eq(token)
        if wanted_up_to is not None:
            condition &= Attr("wanted").not_exists() | Attr("wanted").lte(wanted_up_to)
        write = Set(place=self._place, columns=columns, remove=remove, condition=condition)
        try:
            self._store.write(write)
        except ConditionFailedError as failure:
            (row,) = failure.rows.values()
            if row is not None and row.get("claim") == token:
                self._take(row)
                return False
            # The first answer may have got lost, and the SDK have tried again: then it is done.
            version = columns.get("version")
            if row is None or version is None or (row.get("version") or 0) < version:
                raise TurnLostError from failure
            self._take(row)
            return True
        self._did(write)
        return True

    def _as_read(self) -> ConditionBase:
        """That the row's progress, parking, turn and wishes are those that were read."""
        row = self.row or {}
        condition: ConditionBase | None = None
        for name in ("version", "parkedVersion", "claim", "claimUntil", "wanted", LIFE):
            same = Attr(name).eq(row[name]) if name in row else Attr(name).not_exists()
            condition = same if condition is None else condition & same
        assert condition is not None  # noqa: S101 - there are columns
        return condition

    def _life_column(self) -> dict[str, Any]:
        return {} if self._life is None else {LIFE: self._life}

    def _change_as_read(
        self, columns: dict[str, Any], remove: tuple[str, ...], witness: Check | None = None
    ) -> bool:
        columns = columns | self._life_column()
        writes: list[Write]
        if self.row is None or self.is_foreign:  # the first row of a life, in place of what another has left
            row = {"pk": self._place.pk, "sk": self._place.sk, **columns}
            condition = Attr("pk").not_exists() if self.row is None else self._as_read()
            writes = [Put(table=self._place.table, row=row, condition=condition, label="cursor")]
            writes += [witness] if witness else []
        else:
            condition = self._as_read()
            writes = [
                Set(place=self._place, columns=columns, remove=remove, condition=condition, label="cursor")
            ]
        try:
            self._store.write(*writes)
        except ConditionFailedError as failure:
            if "cursor" in failure.rows:
                self._take(failure.rows["cursor"])
            return False
        self._did(writes[0])
        return True

    def _did(self, write: Write) -> None:
        """Take the row as it is after a write."""
        if isinstance(write, Put):
            self._take(dict(write.row))
        elif isinstance(write, Set):
            row = {"pk": self._place.pk, "sk": self._place.sk, **(self.row or {}), **write.columns}
            self._take({name: value for name, value in row.items() if name not in write.remove})
