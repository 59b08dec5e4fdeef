"""The condition key `dynamodb:LeadingKeys`, where policies are enforced.

AWS: the partition keys of the items that a call is about, of each item in a transaction for itself; of a
query the one that it asks for, in an index that of the index; a scan has none
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html).

Stock has no such key, so that a policy which allows by it allows nothing.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.services import dynamodb

from ..patching import replace

__all__ = ["apply"]

_KEY = "dynamodb:LeadingKeys"
_EQUAL = re.compile(r"([#\w.-]+)\s*=\s*(:\w+)")


class _ItemsTable(str):
    """The ARN of a table, with the partition key of the item of a transaction that is in it."""

    __slots__ = ("keys",)
    keys: list[str]


def apply() -> None:
    """Tell the policies which partition keys a call is about, where they are enforced."""
    if not app.AUTH:
        return

    def service_context(body: bytes) -> dict[str, Any]:
        found: dict[str, Any] = stock_context(body)
        keys = _keys_of(_parsed(body))
        return found | {_KEY: keys} if keys else found

    stock_context = replace(
        iam_actions, "dynamodb_service_context", service_context, holding=('context["dynamodb:Select"]',)
    )

    def transaction_checks(action: str, body: bytes, *place: Any) -> list[tuple[str, str]]:
        checks: list[tuple[str, str]] = stock_checks(action, body, *place)
        requests = [
            item[member]
            for item in (_parsed(body).get("TransactItems") or () if checks else ())
            for member in iam_actions._DYNAMODB_TRANSACT_ITEM_ACTIONS
            if member in item
        ]
        return [
            (checked, _of_item(arn, request))
            for (checked, arn), request in zip(checks, requests, strict=True)
        ]

    stock_checks = replace(
        iam_actions,
        "dynamodb_transaction_checks",
        transaction_checks,
        holding=("for member, action in _DYNAMODB_TRANSACT_ITEM_ACTIONS.items():",),
    )

    def enforce(*arguments: Any, **keywords: Any) -> Any:
        resource = keywords.get("resource_arn")
        if isinstance(resource, _ItemsTable):
            keywords["service_context"] = {**(keywords.get("service_context") or {}), _KEY: resource.keys}
        return stock_enforce(*arguments, **keywords)

    # `iam_decisions` has replaced it already, and has looked at what it was.
    stock_enforce = replace(iam_evaluator, "enforce", enforce, holding=())


def _of_item(arn: str, request: dict[str, Any]) -> _ItemsTable:
    found = _ItemsTable(arn)
    found.keys = _keys_of(request)
    return found


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _keys_of(request: dict[str, Any]) -> list[str]:
    """The partition keys that a request is about, as text."""
    if items := request.get("RequestItems"):
        return [key for table, wanted in items.items() for key in _keys_of_batch(table, wanted)]
    name = _partition_key(request.get("TableName"), request.get("IndexName"))
    if condition := request.get("KeyConditionExpression"):
        return _keys_of_condition(condition, name, request)
    return _value(request.get("Key") or request.get("Item") or {}, name)


def _keys_of_batch(table: str, wanted: Any) -> list[str]:
    name = _partition_key(table, None)
    keys = wanted.get("Keys", []) if isinstance(wanted, dict) else [_written(request) for request in wanted]
    return [value for key in keys for value in _value(key, name)]


def _written(request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = request.get("PutRequest", {}).get("Item") or request["DeleteRequest"]["Key"]
    return found


def _keys_of_condition(condition: str, name: str | None, request: dict[str, Any]) -> list[str]:
    names, values = request.get("ExpressionAttributeNames") or {}, request["ExpressionAttributeValues"]
    return [
        text
        for column, value in _EQUAL.findall(condition)
        if names.get(column, column) == name
        for text in _value(values, value)
    ]


def _value(item: dict[str, Any], name: str | None) -> list[str]:
    return [str(value) for value in (item.get(name) or {}).values()] if name else []


def _partition_key(table: str | None, index: str | None) -> str | None:
    found = dynamodb._tables.get(str(table).rpartition("/")[2])
    if found is None:
        return None
    if index is None:
        name: str = found["pk_name"]
        return name
    indexes = [*(found.get("GlobalSecondaryIndexes") or ()), *(found.get("LocalSecondaryIndexes") or ())]
    schemas = [one["KeySchema"] for one in indexes if one["IndexName"] == index]
    return next((key["AttributeName"] for s in schemas for key in s if key["KeyType"] == "HASH"), None)
