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

from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.conditions import Attr

from runtime import clock
from runtime.model.cursor import MAX_ERROR, Cursor, TurnLostError, error_text
from runtime.model.rows import LIFE
from runtime.store.codec import isoformat, opened, sealed
from runtime.store.port import ConditionFailedError, Put, Set

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

    from runtime.store.port import Check, Store, Write
    from runtime.store.values import Place, Row

__all__ = ["CLAIM", "Cursor", "CursorRow", "TurnLostError"]

CLAIM: Final = ("claim", "claimUntil")
_FAILURE: Final = ("failedVersion", "failedError", "failedSince", "attempts")
_PARKING: Final = ("parkedVersion", "parkedAt", "parkedError")


class CursorRow:
    """One cursor row in a store, and the writes that may be done to it: a `TurnRow`.

    Read it with `read` or give it a row.

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

    def claim(self, token: str, seconds: float, witness: Check | None = None) -> bool:
        """Take the turn; False when the row is not as it was read any more.

        The first row of a life is made only while the aggregate exists: what is late for one
        that was erased must leave nothing behind.

        Args:
            token: Says who has the turn.
            seconds: How long the turn may take.
            witness: What must hold for the first row of a life to be made. Default: nothing.
        """
        columns = {"claim": token, "claimUntil": int(clock.seconds() + seconds) + 1}
        return self._set_as_read(columns, (), witness)

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

    def release(self, token: str | None, version: int | None) -> bool:
        """Let the turn go, with ``version`` done. False when others want a later one done by it first.

        Args:
            token: Who has the turn; None where none was claimed. Then it holds while the row is as it was
                read, and False means that it is not.
            version: Last version that was done; None for none.

        Raises:
            TurnLostError: Somebody else has the turn: this one has taken longer than it said.
        """
        return self._end(token, version, {}, (*CLAIM, "wanted", *_FAILURE), _wanted_up_to(version))

    def advance(self, token: str, version: int, *, resume: int | None = None) -> None:
        """Note that ``version`` is done, and keep the turn."""
        self._end(token, version, {}, (), resume=resume)

    def let_go(self, token: str | None, version: int | None, *, resume: int | None = None) -> None:
        """Let the turn go half-way, with ``version`` done; what others want stays on the row."""
        self._end(token, version, {}, CLAIM, resume=resume)

    def unpark(self, token: str, version: int | None, unmoved: Check | None = None) -> bool:
        """`release` of a parked handler that has caught up; False when a later version has come meanwhile.

        Args:
            token: Who has the turn.
            version: Last version that was done.
            unmoved: What holds while none has come. Default: that nobody has left one on the row.

        Raises:
            TurnLostError: See `release`.
        """
        remove = (*CLAIM, "wanted", *_FAILURE, *_PARKING)
        if unmoved is None:
            return self._end(token, version, {}, remove, _wanted_up_to(version))
        columns = {"version": version, **self._life_column()}
        mine = Attr("claim").eq(token)
        write = Set(place=self._place, columns=columns, remove=remove, condition=mine, label="cursor")
        try:
            self._store.write(write, unmoved)
        except ConditionFailedError as failure:
            if unmoved.label not in failure.rows:
                raise TurnLostError from failure
            return False
        return True

    def fail(
        self,
        token: str | None,
        version: int | None,
        failed: int,
        error: Exception,
        hold: float = 0,
        *,
        resume: int | None = None,
    ) -> None:
        """Note that ``failed`` has failed, with ``version`` done. Nothing is counted yet; see `count`.

        Args:
            token: Who has the turn; None where none was claimed: then a row that says so already stays.
            version: Last version that was done; None for none.
            failed: Version that failed.
            error: Why. It may quote the data, so it goes into this row and nowhere else.
            hold: Seconds for which the turn is kept for the same token to try again; 0 lets it go.
            resume: Where the commit begins that ``version`` is in the middle of.
        """
        cursor, text = self.cursor, error_text(error)
        is_known = (cursor.version, cursor.failed_version, cursor.failed_error) == (version, failed, text)
        if token is None and is_known:
            return
        columns: dict[str, Any] = {"failedVersion": failed, "failedError": text}
        remove = () if hold else CLAIM
        if hold:
            columns["claimUntil"] = int(clock.seconds() + hold) + 1
        if cursor.failed_version != failed or cursor.failed_since is None:
            columns["failedSince"] = int(clock.seconds())
            remove = (*remove, "attempts")
        self._end(token, version, columns, remove, resume=resume)

    def count(self) -> bool:
        """Count the failure that the row tells of; False when the row is not as it was read any more."""
        return self._set_as_read({"attempts": self.cursor.attempts + 1}, ())

    def park(self, version: int, error: str, witness: Check | None = None) -> bool:
        """Stop the handler at ``version``; False when the row is not as it was read any more. See `claim`."""
        return self._set_as_read(_parking(version, error), (*CLAIM, *_FAILURE), witness)

    def park_again(
        self, token: str, done: int | None, version: int, error: str, *, resume: int | None = None
    ) -> None:
        """Let the turn at a parked handler go, which fails at ``version`` now."""
        self._end(token, done, _parking(version, error), (*CLAIM, *_FAILURE), resume=resume)

    def skip(self, token: str, version: int, error: str, *, resume: int | None = None) -> None:
        """Pass ``version`` over, and say so in the row, during a turn."""
        entries = opened(self.row["skipped"]) if self.row and "skipped" in self.row else []
        entry = {"version": version, "at": isoformat(clock.now()), "error": error}
        value = sealed([*entries, entry], path="skipped")
        self._end(token, version, {"skipped": value}, (), resume=resume)

    def _end(
        self,
        token: str | None,
        version: int | None,
        columns: dict[str, Any],
        remove: tuple[str, ...],
        more: ConditionBase | None = None,
        *,
        resume: int | None = None,
    ) -> bool:
        if version is not None:
            columns = {"version": version, **columns}
            if resume is not None:
                columns["resume"] = resume
            else:
                remove = (*remove, "resume")
        if token is None:
            return self._set_as_read(columns, remove)
        mine = Attr("claim").eq(token)
        condition = mine if more is None else mine & more
        write = Set(place=self._place, columns=columns, remove=remove, condition=condition)
        try:
            self._store.write(write)
        except ConditionFailedError as failure:
            (row,) = failure.rows.values()
            if row is not None and row.get("claim") == token:
                self._take(row)
                return False
            # The first answer may have got lost, and the SDK have tried again: then it is done.
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

    def _set_as_read(
        self, columns: dict[str, Any], remove: tuple[str, ...], witness: Check | None = None
    ) -> bool:
        """Change the row, if it is as it was read; where there is none yet, of this life, make it."""
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


def _wanted_up_to(version: int | None) -> ConditionBase:
    """That nobody wants a version beyond this one."""
    return Attr("wanted").not_exists() | Attr("wanted").lte(version or 0)


def _parking(version: int, error: str) -> dict[str, Any]:
    return {
        "parkedVersion": version,
        "parkedAt": isoformat(clock.now()),
        "parkedError": error[:MAX_ERROR],
    }
