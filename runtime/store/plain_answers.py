"""Answers of DynamoDB with rows in them, as `json` reads them.

They are JSON in the very form in which the store wants them. botocore goes through all of it once more by
the model of the service, to find the binary values in it, and takes nine tenths of what a page of rows
costs for that. So what was answered is read before botocore's parser comes to it, by the event that
botocore has for that, and binary values are looked for only where there are some. Errors, and whatever is
no answer with rows, botocore's parser reads as ever.
"""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["OPERATIONS", "read_plainly"]

#: Those whose requests and answers have rows in them.
OPERATIONS: Final = (
    "BatchGetItem",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "TransactWriteItems",
    "UpdateItem",
)
_FIRST_OF_OTHERS: Final = 300  # HTTP statuses from here on are no answers
#: A column with this name, or a name within a map, may look like one as well: `_with_bytes` tells them apart.
_SIGNS_OF_BYTES: Final = (b'"B"', b'"BS"')


def read_plainly(client: DynamoDBClient) -> None:
    """Let a client read answers with rows by `json`. Once is as good as twice.

    Args:
        client: A boto3 client of DynamoDB.
    """
    for operation in OPERATIONS:
        event = f"before-parse.dynamodb.{operation}"
        client.meta.events.register(event, _read, unique_id=f"cqrs-plain-answers-{operation}")


def _read(
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: Any,  # noqa: ANN401 - botocore's events
) -> None:
    body = response_dict["body"]
    if response_dict["status_code"] >= _FIRST_OF_OTHERS:
        return
    has_bytes = any(sign in body for sign in _SIGNS_OF_BYTES)
    try:
        found = json.loads(body, object_hook=_with_bytes if has_bytes else None)
    except ValueError:
        return
    if isinstance(found, dict):
        customized_response_dict.update(found)
        response_dict["body"] = b""  # nothing is left for botocore's parser


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    """A value with its bytes as such: JSON has them as base64 text, where a map would have a value."""
    if len(value) == 1:
        ((kind, content),) = value.items()
        if kind == "B" and isinstance(content, str):
            return {"B": b64decode(content)}
        if kind == "BS" and isinstance(content, list):
            return {"BS": [b64decode(part) for part in content]}
    return value
