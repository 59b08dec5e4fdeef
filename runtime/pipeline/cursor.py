"""The cursor of a handler: the last version of an aggregate that it has seen.

One row an aggregate and handler, in the module's sync table:
``pk`` = the aggregate's, ``sk`` = ``{handler}#{sort key}``, ``version``, and while the
handler is parked ``parkedVersion``, ``parkedAt`` and ``parkedError``. While it is tried again,
``failedVersion`` and ``failedError`` are of its last try. ``skipped`` lists the
versions that operators have passed over: ``version``, ``at`` and ``error`` of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from runtime.model.keys import DetailKey
from runtime.store.codec import isoformat
from runtime.store.dynamodb import ConditionFailedError, Read, wire_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.store.codec import Item
    from runtime.store.dynamodb import DynamoDb

__all__ = ["Cursor", "CursorStore"]

_NOT_YET: Final = "attribute_not_exists(parkedVersion) AND (attribute_not_exists(#v) OR #v < :v)"


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a handler is with one aggregate.

    Attributes:
        version: Last version done; None when it has never seen the aggregate.
        parked_version: Version that it gave up at; None when it is not parked.
        parked_error: Why it gave up; None when it is not parked.
    """

    version: int | None
    parked_version: int | None
    parked_error: str | None = None

    @classmethod
    def of(cls, row: Item | None) -> Cursor:
        """The cursor in a row of the sync table."""
        fields = row or {}
        version, parked = fields.get("version"), fields.get("parkedVersion")
        error = fields.get("parkedError", {}).get("S") if parked else None
        return cls(int(version["N"]) if version else None, int(parked["N"]) if parked else None, error)


class CursorStore:
    """Cursors in a module's sync table."""

    def __init__(self, dynamodb: DynamoDb, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def read(self, key: DetailKey, handler: str) -> Read:
        """Where the cursor row is."""
        return Read(self._table, key.pk, f"{handler}#{key.sk}")

    def advance(self, key: DetailKey, handler: str, version: int, *, unpark: bool = False) -> None:
        """Note that ``handler`` has seen ``version``. A cursor never goes back.

        Args:
            key: Key of the aggregate.
            handler: Name of the handler.
            version: What it has seen.
            unpark: Also take it out of the parking where it was parked at this version or an
                earlier one, for a caller that sees to the versions which met it parked. A slow
                delivery does not: nobody would show these versions to the handler any more.
        """
        not_seen = "(attribute_not_exists(#v) OR #v < :v)"
        forget = "SET #v = :v REMOVE failedVersion, failedError"
        values = {":v": {"N": str(version)}}
        if unpark:
            here = "(attribute_not_exists(parkedVersion) OR parkedVersion <= :v)"
            expression = f"{forget}, parkedVersion, parkedAt, parkedError"
            if self._update(key, handler, expression, f"{not_seen} AND {here}", values):
                return
        # False where a concurrent delivery of the same version was faster.
        self._update(key, handler, forget, not_seen, values)

    def note_failure(self, key: DetailKey, handler: str, version: int, error: str) -> None:
        """Keep why ``handler`` failed at ``version``, for the time that it is parked there.

        The text may quote the data, so it goes no other way than into this row beside them.
        """
        self._update(
            key,
            handler,
            "SET failedVersion = :v, failedError = :error",
            _NOT_YET,
            {":v": {"N": str(version)}, ":error": {"S": error}},
        )

    def is_parked_at(self, key: DetailKey, handler: str, version: int) -> bool:
        """Whether ``handler`` is parked at this very version: one consistent read."""
        row = self._dynamodb.get(self._table, *self._key(key, handler), consistent=True)
        return Cursor.of(row).parked_version == version

    def park(self, key: DetailKey, handler: str, version: int, kind: str, text: str) -> bool:
        """Stop ``handler`` at ``version``. False when it is past it, or parked already.

        Args:
            key: Key of the aggregate; the sort key without a version.
            handler: Name of the handler's class.
            version: Version that it gave up at.
            kind: Name of the error of its last try.
            text: What to keep beside it, where the try itself has left nothing: it ran out of time.
        """
        values: dict[str, Any] = {":v": {"N": str(version)}, ":now": _now()}
        shown = "SET parkedVersion = :v, parkedAt = :now, parkedError = "
        forget = " REMOVE failedVersion, failedError"
        for error, condition, more in (
            (
                "failedError",
                f"{_NOT_YET} AND failedVersion = :v AND begins_with(failedError, :kind)",
                {":kind": {"S": f"{kind}:"}},
            ),
            (":error", _NOT_YET, {":error": {"S": f"{kind}: {text}"}}),
        ):
            if self._update(key, handler, shown + error + forget, condition, values | more):
                return True
        return False

    def park_again(self, key: DetailKey, handler: str, parked: int, version: int, error: str) -> bool:
        """Move a handler that is parked at ``parked`` to ``version``, where it fails now."""
        return self._update(
            key,
            handler,
            "SET parkedVersion = :v, parkedAt = :now, parkedError = :error",
            "parkedVersion = :parked AND (attribute_not_exists(#v) OR #v < :v)",
            {
                ":v": {"N": str(version)},
                ":now": _now(),
                ":error": {"S": error},
                ":parked": {"N": str(parked)},
            },
        )

    def advance_parked(self, key: DetailKey, handler: str, parked: int, version: int) -> bool:
        """Note that a handler has seen ``version`` while it stays parked at ``parked``.

        False when somebody else has moved it on, or unparked it, meanwhile.
        """
        return self._update(
            key,
            handler,
            "SET #v = :v",
            "parkedVersion = :parked AND (attribute_not_exists(#v) OR #v < :v)",
            {":v": {"N": str(version)}, ":parked": {"N": str(parked)}},
        )

    def skip_parked(self, key: DetailKey, handler: str, parked: int, error: str) -> bool:
        """Pass the parked version over, and say so in the row. False like `advance_parked`."""
        entry = {"version": {"N": str(parked)}, "at": _now(), "error": {"S": error}}
        return self._update(
            key,
            handler,
            "SET #v = :v, skipped = list_append(if_not_exists(skipped, :none), :entry)",
            "parkedVersion = :v AND (attribute_not_exists(#v) OR #v < :v)",
            {":v": {"N": str(parked)}, ":none": {"L": []}, ":entry": {"L": [{"M": entry}]}},
        )

    def unparking(self, key: DetailKey, handler: str, parked: int, version: int) -> dict[str, Any]:
        """The transaction item that unparks a handler which has come to ``version``."""
        return {
            "Update": {
                "TableName": self._table,
                "Key": self._wire_key(key, handler),
                "UpdateExpression": (
                    "SET #v = :v REMOVE parkedVersion, parkedAt, parkedError, failedVersion, failedError"
                ),
                "ConditionExpression": "parkedVersion = :parked AND (attribute_not_exists(#v) OR #v <= :v)",
                "ExpressionAttributeNames": {"#v": "version"},
                "ExpressionAttributeValues": {":v": {"N": str(version)}, ":parked": {"N": str(parked)}},
            }
        }

    def _update(
        self, key: DetailKey, handler: str, expression: str, condition: str, values: Mapping[str, Any]
    ) -> bool:
        """Update a cursor row; False when the condition does not hold."""
        try:
            self._dynamodb.update(
                self._table,
                self._key(key, handler),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeNames={"#v": "version"},
                ExpressionAttributeValues=values,
            )
        except ConditionFailedError:
            return False
        return True

    def _wire_key(self, key: DetailKey, handler: str) -> Item:
        return wire_key(*self._key(key, handler))

    def _key(self, key: DetailKey, handler: str) -> DetailKey:
        row = self.read(key, handler)
        return DetailKey(row.pk, row.sk)


def _now() -> dict[str, str]:
    return {"S": isoformat(datetime.now(UTC))}
