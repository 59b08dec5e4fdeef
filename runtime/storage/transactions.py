"""The writes that move one aggregate forward by one version, all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.storage.rows import data_row, history_row, version_of

if TYPE_CHECKING:
    from runtime.settings import ModuleTables
    from runtime.storage.codec import Item

__all__ = ["advance_writes", "insert_command", "status_update"]


def advance_writes(tables: ModuleTables, existing: Item | None, command: Item) -> list[dict[str, Any]]:
    """Put the data row of ``command``, and keep the one that it replaces in the history.

    The first write holds only while the data row is still ``existing``: whoever read an
    older one loses, and nothing is written.
    """
    writes: list[dict[str, Any]] = [
        {"Put": {"TableName": tables.data, "Item": data_row(command, existing), **_unchanged(existing)}}
    ]
    if existing is not None:
        writes.append({"Put": {"TableName": tables.history, "Item": history_row(existing)}})
    return writes


def insert_command(tables: ModuleTables, command: Item) -> dict[str, Any]:
    """Put a command whose version nobody has taken."""
    return {
        "Put": {
            "TableName": tables.command,
            "Item": command,
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def status_update(tables: ModuleTables, command: Item, status: str) -> dict[str, Any]:
    """Set the status of a command row that exists; never make a phantom row."""
    return {
        "Update": {
            "TableName": tables.command,
            "Key": {"pk": command["pk"], "sk": command["sk"]},
            "UpdateExpression": "SET #status = :status",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":status": {"S": status}},
        }
    }


def _unchanged(existing: Item | None) -> dict[str, Any]:
    if existing is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    if "version" not in existing:
        return {
            "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(#version)",
            "ExpressionAttributeNames": {"#version": "version"},
        }
    return {
        "ConditionExpression": "#version = :read",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":read": {"N": str(version_of(existing))}},
    }
