"""The cursor of a handler: the last version of an aggregate that it has seen, and whose turn it is.

One row an aggregate and handler, in the module's sync table, ``pk`` = the aggregate's, ``sk`` =
``{handler}#{sort key}``:

- ``version``: last version done; ``lifeId``: the life of the aggregate that this is about.
- ``claim``, ``claimUntil``: who has the turn, and until when (seconds since 1970); ``wanted``: a
  version that others want done meanwhile.
- ``failedVersion``, ``failedError``: what failed last, while it is tried again.
- ``parkedVersion``, ``parkedAt``, ``parkedError``: where the handler has given up.
- ``skipped``: the versions that operators have passed over, with ``version``, ``at``, ``error``.

Every write holds only while the row is as its writer has read it, so turns never overlap and a
cursor never goes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.conditions import Attr

from runtime import clock
from runtime.model.rows import LIFE
from runtime.store.codec import isoformat, opened, sealed
from runtime.store.port import ConditionFailedError, Put, Set

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

    from runtime.store.port import Check, Store, Write
    from runtime.store.values import Place, Row

__all__ = ["CLAIM", "Cursor", "CursorRow", "TurnLostError"]

CLAIM: Final = ("claim", "claimUntil")
_FAILURE: Final = ("failedVersion", "failedError")
_PARKING: Final = ("parkedVersion", "parkedAt", "parkedError")
_MAX_ERROR: Final = 2000


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a handler is with one life of an aggregate.

    Attributes:
        version: Last version done; None when it has never seen the aggregate.
        parked_version: Version that it gave up at; None when it is not parked.
        parked_error: Why it gave up; None when it is not parked.
        failed_version: Version that failed at the last try; None when none did.
        failed_error: Why.
        claim: Who has the turn; None when nobody has.
        claim_until: Until when, in seconds since 1970.
        wanted: A version that others have left to whoever has the turn; None when there is none.
    """

    version: int | None = None
    parked_version: int | None = None
    parked_error: str | None = None
    failed_version: int | None = None
    failed_error: str | None = None
    claim: str | None = None
    claim_until: int = 0
    wanted: int | None = None

    @classmethod
    def of(cls, row: Row | None, life: str | None) -> Cursor:
        """The cursor in a row of the sync table; an empty one where the row is of another life.

        Args:
            row: The row.
            life: Life of the aggregate; None where its rows do not tell, which is any.
        """
        if row is None or (life is not None and row.get(LIFE) != life):
            return cls()
        parked = row.get("parkedVersion")
        return cls(
            row.get("version"),
            parked,
            None if parked is None else row.get("parkedError"),
            row.get("failedVersion"),
            row.get("failedError"),
            row.get("claim"),
            row.get("claimUntil", 0),
            row.get("wanted"),
        )

    def is_claimed(self) -> bool:
        """Whether somebody has the turn now."""
        return self.claim is not None and self.claim_until > clock.seconds()

    def is_abandoned(self) -> bool:
        """Whether a version was left to a turn that has ended without it, for want of time."""
        is_open = self.wanted is not None and not self.has_seen(self.wanted)
        return is_open and self.parked_version is None and not self.is_claimed()

    def has_seen(self, version: int) -> bool:
        """Whether the handler is past ``version``."""
        return self.version is not None and self.version >= version


class CursorRow:
    """One cursor row, and the writes that may be done to it. Read it with `read` or give it a row.

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
        self.cursor = Cursor.of(row, self._life)
        #: A row of another life is written over as a whole.
        self.is_foreign = row is not None and self._life is not None and row.get(LIFE) != self._life

    def read(self) -> Cursor:
        """Read the row anew."""
        self._take(self._store.batch_get([self._place]).get(self._place))
        return self.cursor

    def claim(self, token: str, seconds: float, witness: Check) -> bool:
        """Take the turn; False when the row is not as it was read any more.

        The first row of a life is made only while the aggregate exists: what is late for one
        that was erased must leave nothing behind.

        Args:
            token: Says who has the turn.
            seconds: How long the turn may take.
            witness: What must hold for the first row of a life to be made.
        """
        columns = {"claim": token, "claimUntil": int(clock.seconds() + seconds) + 1}
        if self.row is None or self.is_foreign:
            return self._write(self._new(columns), witness)
        return self._set(columns, (), self._as_read())

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

    def release(self, token: str, version: int) -> bool:
        """Let the turn go, with ``version`` done. False when others want a later one done by it first.

        Raises:
            TurnLostError: Somebody else has the turn: this one has taken longer than it said.
        """
        nothing_more = Attr("wanted").not_exists() | Attr("wanted").lte(version)
        return self._end(token, version, {}, (*CLAIM, "wanted", *_FAILURE), nothing_more)

    def advance(self, token: str, version: int) -> None:
        """Note that ``version`` is done, and keep the turn."""
        self._end(token, version, {}, (), None)

    def let_go(self, token: str, version: int | None) -> None:
        """Let the turn go half-way, with ``version`` done; what others want stays on the row."""
        self._end(token, version, {}, CLAIM, None)

    def unparking(self, token: str, version: int) -> Set:
        """`release` of a parked handler that has caught up, as part of a transaction."""
        return Set(
            place=self._place,
            columns={"version": version, **self._life_column()},
            remove=(*CLAIM, "wanted", *_FAILURE, *_PARKING),
            condition=Attr("claim").eq(token),
            label="cursor",
        )

    def fail(self, token: str, version: int | None, failed: int, error: Exception, hold: float) -> None:
        """Note that ``failed`` has failed, with ``version`` done.

        Args:
            token: Who has the turn.
            version: Last version that was done; None for none.
            failed: Version that failed.
            error: Why. It may quote the data, so it goes into this row and nowhere else.
            hold: Seconds for which the turn is kept for the same token to try again; 0 lets it go.
        """
        text = f"{type(error).__name__}: {error}"[:_MAX_ERROR]
        columns: dict[str, Any] = {"failedVersion": failed, "failedError": text}
        if hold:
            columns["claimUntil"] = int(clock.seconds() + hold) + 1
        self._end(token, version, columns, () if hold else CLAIM, None)

    def park(self, version: int, error: str, witness: Check) -> bool:
        """Stop the handler at ``version``; False when the row is not as it was read any more. See `claim`."""
        columns = _parking(version, error)
        if self.row is None or self.is_foreign:
            return self._write(self._new(columns), witness)
        return self._set(columns, (*CLAIM, *_FAILURE), self._as_read())

    def park_again(self, token: str, done: int | None, version: int, error: str) -> None:
        """Let the turn at a parked handler go, which fails at ``version`` now."""
        columns = {
            "parkedVersion": version,
            "parkedAt": isoformat(clock.now()),
            "parkedError": error[:_MAX_ERROR],
        }
        self._end(token, done, columns, (*CLAIM, *_FAILURE), None)

    def skip(self, token: str, version: int, error: str) -> None:
        """Pass ``version`` over, and say so in the row, during a turn."""
        entries = opened(self.row["skipped"]) if self.row and "skipped" in self.row else []
        entry = {"version": version, "at": isoformat(clock.now()), "error": error}
        value = sealed([*entries, entry], path="skipped")
        self._end(token, version, {"skipped": value}, (), None)
        self.row = (self.row or {}) | {"skipped": value}

    def _end(
        self,
        token: str,
        version: int | None,
        columns: dict[str, Any],
        remove: tuple[str, ...],
        more: ConditionBase | None,
    ) -> bool:
        mine = Attr("claim").eq(token)
        if version is not None:
            columns = {"version": version, **columns}
        try:
            self._store.write(
                Set(
                    place=self._place,
                    columns=columns,
                    remove=remove,
                    condition=mine if more is None else mine & more,
                )
            )
        except ConditionFailedError as failure:
            (row,) = failure.rows.values()
            if row is not None and row.get("claim") == token:
                self._take(row)
                return False
            # The first answer may have got lost, and the SDK have tried again: then it is done.
            if row is None or version is None or (row.get("version") or 0) < version:
                raise TurnLostError from failure
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

    def _new(self, columns: dict[str, Any]) -> Put:
        """The first row of a life, in place of what an earlier life has left."""
        row = {"pk": self._place.pk, "sk": self._place.sk, **self._life_column(), **columns}
        condition = Attr("pk").not_exists() if self.row is None else self._as_read()
        return Put(table=self._place.table, row=row, condition=condition, label="cursor")

    def _life_column(self) -> dict[str, Any]:
        return {} if self._life is None else {LIFE: self._life}

    def _set(self, columns: dict[str, Any], remove: tuple[str, ...], condition: ConditionBase) -> bool:
        return self._write(
            Set(
                place=self._place,
                columns=columns | self._life_column(),
                remove=remove,
                condition=condition,
                label="cursor",
            )
        )

    def _write(self, *writes: Write) -> bool:
        try:
            self._store.write(*writes)
        except ConditionFailedError:
            return False
        return True


def _parking(version: int, error: str) -> dict[str, Any]:
    return {
        "parkedVersion": version,
        "parkedAt": isoformat(clock.now()),
        "parkedError": error[:_MAX_ERROR],
    }


class TurnLostError(Exception):
    """A turn took longer than it was claimed for, and somebody else has begun one."""
