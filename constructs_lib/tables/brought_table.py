"""Tables that were brought: whether they are what the rows need, as far as CDK knows.

It knows what the app itself makes. Of an imported table it knows the name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.known_properties import known_properties
from runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_index", "check_keys", "check_rows", "check_stream", "has_ttl"]

_KEY: Final = {"HASH": contract.PARTITION_KEY, "RANGE": contract.SORT_KEY}
_NEW_IMAGES: Final = ("NEW_IMAGE", "NEW_AND_OLD_IMAGES")


def check_keys(name: str, table: dynamodb.ITableV2) -> None:
    """Refuse a table whose key is not ``pk`` and ``sk``, both strings.

    Args:
        name: Name of the property that brought it.
        table: The table.

    Raises:
        InvalidPropsError: It has another key.

    """
    if (known := _known(table)) is not None and (found := _key(known, known)) != _strings(_KEY):
        msg = (
            f"{name} must have the key pk and sk, both strings, got {_said(found)} of {table.node.path}; "
            "a key cannot be changed: leave the property out for a new table, or bring another one"
        )
        raise InvalidPropsError(msg)


def check_rows(tables: Mapping[str, dynamodb.ITableV2 | None]) -> None:
    """Refuse tables that cannot hold the rows of a module.

    Args:
        tables: Tables by the names of their properties.

    Raises:
        InvalidPropsError: One has another key, or stands in two places: the rows of one kind would overwrite
            those of another.

    """
    _check_distinct(tables)
    for name, table in tables.items():
        if table is not None:
            check_keys(name, table)


def _check_distinct(tables: Mapping[str, dynamodb.ITableV2 | None]) -> None:
    seen: dict[str, str] = {}
    for name, table in tables.items():
        if table is not None:
            arn = str(Stack.of(table).resolve(table.table_arn)) + Stack.of(table).node.path
            if (other := seen.setdefault(arn, name)) != name:
                msg = (
                    f"{name} must be another table than {other}, got {table.node.path} for both; "
                    "each keeps rows of its own under the same keys"
                )
                raise InvalidPropsError(msg)


def check_index(prop: str, what: str, table: dynamodb.ITableV2, index: str, key: tuple[str, str]) -> None:
    """Refuse a table without an index that it is said to have.

    Args:
        prop: Name of the property that says so.
        what: The table in words.
        table: The table.
        index: Name of the index.
        key: Its partition key and its sort key, both strings.

    Raises:
        InvalidPropsError: It has no such index, or one with another key.

    """
    if (known := _known(table)) is None:
        return
    indexes = known.get("globalSecondaryIndexes") or []
    made = next((given for given in indexes if given.get("indexName") == index), None)
    found = None if made is None else _key(known, made)
    if found != _strings({"HASH": key[0], "RANGE": key[1]}):
        got = f"no index {index!r}" if found is None else f"one of {_said(found)}"
        msg = (
            f"{prop} needs the index {index!r} with the key {key[0]} and {key[1]}, both strings, got {got} "
            f"of {table.node.path}; add it to the {what}, or leave the property out"
        )
        raise InvalidPropsError(msg)


def check_stream(table: dynamodb.ITableV2, what: str) -> None:
    """Refuse a table whose stream does not tell new images.

    Args:
        table: The table.
        what: The table in words, such as "command table".

    Raises:
        InvalidPropsError: It has no stream, or one of keys or old images only.

    """
    if (known := _known(table)) is None:
        return
    view = (known.get("streamSpecification") or {}).get("streamViewType")
    if view not in _NEW_IMAGES:
        msg = (
            f"table must have a stream of new images on its {what}, got {view or 'no stream'} of "
            f"{table.node.path}; give that table dynamo_stream=StreamViewType.NEW_IMAGE "
            "(stream=... for dynamodb.Table)"
        )
        raise InvalidPropsError(msg)


def has_ttl(table: dynamodb.ITableV2) -> bool:
    """Whether rows expire by their ``ttl``; of a table that is not known they do."""
    if (known := _known(table)) is None:
        return True
    expiry = known.get("timeToLiveSpecification") or {}
    return expiry.get("enabled") is True and expiry.get("attributeName") == contract.TTL_ATTRIBUTE


def _known(table: dynamodb.ITableV2) -> dict[str, Any] | None:
    return known_properties(table, dynamodb.CfnTable, dynamodb.CfnGlobalTable)


def _key(table: Mapping[str, Any], of: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The key of a table or of its index: name and type of each part."""
    types = {given["attributeName"]: given["attributeType"] for given in table["attributeDefinitions"]}
    return {
        part["keyType"]: (part["attributeName"], types[part["attributeName"]]) for part in of["keySchema"]
    }


def _strings(key: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    return {part: (name, "S") for part, name in key.items()}


def _said(key: Mapping[str, tuple[str, str]]) -> str:
    return " and ".join(f"{name} ({kind})" for name, kind in key.values())
