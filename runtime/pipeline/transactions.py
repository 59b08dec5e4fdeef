"""The writes that move one aggregate forward by one version, all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.model.keys import get_tenant_code
from runtime.model.rows import data_row, history_row, version_of
from runtime.model.status import FINISHED

if TYPE_CHECKING:
    from runtime.module import CommandModule
    from runtime.settings import ModuleTables
    from runtime.store.codec import Item

__all__ = ["advance_writes", "final_columns", "insert_command", "status_update"]


def advance_writes(module: CommandModule[Any], existing: Item | None, command: Item) -> list[dict[str, Any]]:
    """Put the data row of ``command``, and keep the one that it replaces in the history.

    The first write holds only while the data row is still ``existing``: whoever read an
    older one loses, and nothing is written.
    """
    tables, tenant = module.tables, get_tenant_code(command["pk"]["S"])
    data = data_row(command, existing, module.ttl.calculate_ttl("data", tenant))
    writes: list[dict[str, Any]] = [{"Put": {"TableName": tables.data, "Item": data, **_unchanged(existing)}}]
    if existing is not None:
        history = history_row(existing, module.ttl.calculate_ttl("history", tenant))
        writes.append({"Put": {"TableName": tables.history, "Item": history}})
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


def status_update(module: CommandModule[Any], command: Item, status: str) -> dict[str, Any]:
    """Set the status of a command row that exists; never make a phantom row."""
    columns = final_columns(module, command["pk"]["S"], status)
    return {
        "Update": {
            "TableName": module.tables.command,
            "Key": {"pk": command["pk"], "sk": command["sk"]},
            "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in columns),
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": {f"#{name}": name for name in columns},
            "ExpressionAttributeValues": {f":{name}": value for name, value in columns.items()},
        }
    }


def final_columns(module: CommandModule[Any], pk: str, status: str) -> dict[str, dict[str, str]]:
    """The columns that a status writes: with the final one, retention begins."""
    columns = {"status": {"S": status}}
    if status == FINISHED:
        ttl = module.ttl.calculate_ttl("command", get_tenant_code(pk))
        if ttl is not None:
            columns["ttl"] = {"N": str(ttl)}
    return columns


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
