"""The cursor of a handler: the last version of an aggregate that it has seen.

One row an aggregate and handler, in the module's sync table:
``pk`` = the aggregate's, ``sk`` = ``{handler}#{sort key}``, ``version``, and while the
handler is parked ``parkedVersion``, ``parkedAt`` and ``parkedError``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runtime.keys import DetailKey
from runtime.storage.codec import isoformat
from runtime.storage.dynamodb import ConditionFailedError, Read

if TYPE_CHECKING:
    from runtime.storage.codec import Item
    from runtime.storage.dynamodb import DynamoDb

__all__ = ["Cursor", "CursorStore"]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a handler is with one aggregate.

    Attributes:
        version: Last version done; None when it has never seen the aggregate.
        parked_version: Version that it gave up at; None when it is not parked.
    """

    version: int | None
    parked_version: int | None

    @classmethod
    def of(cls, row: Item | None) -> Cursor:
        """The cursor in a row of the sync table."""
        fields = row or {}
        version, parked = fields.get("version"), fields.get("parkedVersion")
        return cls(int(version["N"]) if version else None, int(parked["N"]) if parked else None)


class CursorStore:
    """Cursors in a module's sync table."""

    def __init__(self, dynamodb: DynamoDb, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def read(self, key: DetailKey, handler: str) -> Read:
        """Where the cursor row is."""
        return Read(self._table, key.pk, f"{handler}#{key.sk}")

    def advance(self, key: DetailKey, handler: str, version: int) -> None:
        """Note that ``handler`` has seen ``version``. A cursor never goes back."""
        try:
            self._dynamodb.update(
                self._table,
                self._key(key, handler),
                UpdateExpression="SET #v = :v REMOVE parkedVersion, parkedAt, parkedError",
                ConditionExpression="attribute_not_exists(#v) OR #v < :v",
                ExpressionAttributeNames={"#v": "version"},
                ExpressionAttributeValues={":v": {"N": str(version)}},
            )
        except ConditionFailedError:
            return  # a concurrent delivery of the same version was faster

    def park(self, key: DetailKey, handler: str, version: int, error: str) -> bool:
        """Stop ``handler`` at ``version``. False when it is past it, or parked already."""
        try:
            self._dynamodb.update(
                self._table,
                self._key(key, handler),
                UpdateExpression="SET parkedVersion = :v, parkedAt = :now, parkedError = :error",
                ConditionExpression=(
                    "attribute_not_exists(parkedVersion) AND (attribute_not_exists(#v) OR #v < :v)"
                ),
                ExpressionAttributeNames={"#v": "version"},
                ExpressionAttributeValues={
                    ":v": {"N": str(version)},
                    ":now": {"S": isoformat(datetime.now(UTC))},
                    ":error": {"S": error},
                },
            )
        except ConditionFailedError:
            return False
        return True

    def _key(self, key: DetailKey, handler: str) -> DetailKey:
        row = self.read(key, handler)
        return DetailKey(row.pk, row.sk)
