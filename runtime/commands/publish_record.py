"""The record of a publish id: a publish that is repeated under its id finds what it did.

A row of the command table, written in the same transaction as the command:
``sk`` = ``publish#{digest of sort key and id}``, ``version`` of the command, and a
``ttl`` of a day. It is marked as synchronous, which every stream filter leaves out.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.rows import version_of
from runtime.store.codec import to_wire
from runtime.store.dynamodb import Read

if TYPE_CHECKING:
    from runtime.model.keys import DetailKey
    from runtime.settings import ModuleTables
    from runtime.store.codec import Item

__all__ = ["read", "version_in", "writes"]

_SECONDS_KEPT: Final = 24 * 60 * 60
_MAX_ID: Final = 255


def read(tables: ModuleTables, key: DetailKey, publish_id: str | None) -> Read | None:
    """Where the record of ``publish_id`` is, or None without an id.

    Raises:
        InvalidInputError: The id is empty, or longer than 255 characters.
    """
    if publish_id is None:
        return None
    if not 1 <= len(publish_id) <= _MAX_ID:
        message = f"must have 1 to {_MAX_ID} characters, got {len(publish_id)}"
        raise InvalidInputError([FieldProblem("publish_id", message)])
    digest = hashlib.sha256(f"{key.sk}\0{publish_id}".encode()).hexdigest()
    return Read(tables.command, key.pk, f"publish#{digest}")


def writes(
    tables: ModuleTables, key: DetailKey, publish_id: str | None, version: int
) -> list[dict[str, Any]]:
    """The transaction items that record ``publish_id``: one, or none without an id."""
    record = read(tables, key, publish_id)
    if record is None:
        return []
    now = int(time.time())
    item = to_wire(
        {
            "pk": record.pk,
            "sk": record.sk,
            "version": version,
            "syncMode": "SYNC",
            "ttl": now + _SECONDS_KEPT,
        }
    )
    return [
        {
            "Put": {
                "TableName": tables.command,
                "Item": item,
                # DynamoDB deletes expired rows hours or days late.
                "ConditionExpression": "attribute_not_exists(pk) OR #ttl < :now",
                "ExpressionAttributeNames": {"#ttl": "ttl"},
                "ExpressionAttributeValues": {":now": {"N": str(now)}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }
    ]


def version_in(record: Item | None) -> int | None:
    """Version that the recorded publish made, or None without a record that still counts."""
    if record is None or int(record["ttl"]["N"]) < time.time():
        return None
    return version_of(record)
