"""Once: a record that something was done under an id, written in the transaction that does it.

Whoever repeats a call under its id finds the record, and in it what the first call came to. The
record is written on the condition that there is none yet, so of two calls at the same time one
fails, and finds the other's. It says which call it was made by, as a fingerprint in ``call``, and
goes with its ``ttl``, by default after a day.

Publish ids, keys of sequences and ids of tasks are records of this one form; what differs is
where they are, and the columns of their outcome.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Attr

from runtime import clock
from runtime.errors import FieldProblem, InvalidInputError, PublishIdReusedError
from runtime.store.port import Put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.store.values import Place, Row

__all__ = ["A_DAY", "Done", "Once", "digest_of"]

A_DAY: Final = 24 * 60 * 60
"""Seconds that a record is kept for unless it is said otherwise."""

_MAX_ID: Final = 255
#: Earlier releases have written fingerprints of another kind, as `fingerprint`: those tell nothing.
_CALL: Final = "call"
_TTL: Final = "ttl"


def digest_of(identifier: str, name: str) -> str:
    """An id as part of a key: 64 hexadecimal digits.

    Args:
        identifier: The id, of whatever characters.
        name: What the caller calls it.

    Raises:
        InvalidInputError: It is no text, empty, longer than 255 characters, or no Unicode text.
    """
    if not isinstance(identifier, str):
        message = f"must be text, got {type(identifier).__name__}"
        raise InvalidInputError([FieldProblem(name, message)])
    if not 1 <= len(identifier) <= _MAX_ID:
        message = f"must have 1 to {_MAX_ID} characters, got {len(identifier)}"
        raise InvalidInputError([FieldProblem(name, message)])
    try:
        return hashlib.sha256(identifier.encode()).hexdigest()
    except UnicodeEncodeError:
        message = "must be valid Unicode text, got a lone surrogate"
        raise InvalidInputError([FieldProblem(name, message)]) from None


@dataclass(frozen=True, slots=True)
class Done:
    """What an earlier call under an id has left.

    Attributes:
        row: The record: the columns of the outcome, and its own.
    """

    row: Row

    def check_same_call(self, own: str) -> None:
        """Refuse a call that is another one than the one that the record tells of.

        Args:
            own: Fingerprint of the call. A record of an earlier release has none, and is any call's.

        Raises:
            PublishIdReusedError: The record has another fingerprint.
        """
        made_by = self.row.get(_CALL)
        if made_by is not None and made_by != own:
            raise PublishIdReusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """The record of one id: where it is, and what it is like.

    Attributes:
        place: Where it is.
        label: What its write is called where its condition fails.
        seconds: How long it is kept; None for ever.
        columns: Columns that it has beside those of the outcome.
        told_by: Names of the columns of an outcome by which it is known from others; see `write`.
    """

    place: Place
    label: str
    seconds: int | None = A_DAY
    columns: Row = field(default_factory=dict)
    told_by: Sequence[str] = ()

    def done(self, row: Row | None) -> Done | None:
        """What the record says that stands there; None without one, or when its time is over."""
        if row is None or (_TTL in row and row[_TTL] < int(clock.seconds())):  # as `write` has it
            return None
        return Done(row)

    def write(self, own: str, outcome: Row, stale: Row | None = None) -> Put:
        """The write of the record, for the transaction that does what it tells of.

        It holds where there is no record, or one whose time is over. Where it does not,
        `ConditionFailedError.rows` has the other one by `label`, for `done`.

        Args:
            own: Fingerprint of the call.
            outcome: Columns that say what the call came to.
            stale: A record that stands there, and says nothing any more, since what it tells of is
                gone: it may be written over, as far as its `told_by` tell that it is still the one.
        """
        now = int(clock.seconds())
        # DynamoDB deletes expired rows hours or days late.
        free = Attr("pk").not_exists() | Attr(_TTL).lt(now)
        for name in self.told_by:
            if stale is not None and name in stale:
                free = free | Attr(name).eq(stale[name])
        row: Row = {"pk": self.place.pk, "sk": self.place.sk, **outcome, _CALL: own, **self.columns}
        if self.seconds is not None:
            row[_TTL] = now + self.seconds
        return Put(table=self.place.table, row=row, condition=free, label=self.label)
