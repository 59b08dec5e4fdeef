"""The indexes that tables of this library have: of each only rows with its partition key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import aws_dynamodb as dynamodb

from constructs_lib.tables.table_extras import NO_EXTRAS
from runtime import contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.tables.table_extras import TableExtras

__all__ = ["aggregates_index", "feed_index", "open_index"]


def open_index(extras: TableExtras = NO_EXTRAS) -> dynamodb.GlobalSecondaryIndexPropsV2:
    """Give the index over the commands that are under way; see `runtime.contract.OPEN_INDEX`."""
    return _index(contract.OPEN_INDEX, contract.OPEN_COLUMN, contract.OPEN_SORT_KEY, extras)


def feed_index(extras: TableExtras = NO_EXTRAS) -> dynamodb.GlobalSecondaryIndexPropsV2:
    """Give the index over all commits by their time; see `runtime.contract.FEED_INDEX`."""
    return _index(
        contract.FEED_INDEX,
        contract.FEED_COLUMN,
        contract.FEED_SORT_KEY,
        extras,
        projected=contract.FEED_PROJECTED,
    )


def aggregates_index(extras: TableExtras = NO_EXTRAS) -> dynamodb.GlobalSecondaryIndexPropsV2:
    """Give the index over the first commits, by tenant; see `runtime.contract.AGGREGATES_INDEX`."""
    return _index(contract.AGGREGATES_INDEX, contract.AGGREGATES_COLUMN, contract.PARTITION_KEY, extras)


def _index(
    name: str, partition_key: str, sort_key: str, extras: TableExtras, *, projected: Sequence[str] = ()
) -> dynamodb.GlobalSecondaryIndexPropsV2:
    text = dynamodb.AttributeType.STRING
    options: dict[str, Any] = {"projection_type": dynamodb.ProjectionType.KEYS_ONLY}
    if projected:
        options = {"projection_type": dynamodb.ProjectionType.INCLUDE, "non_key_attributes": [*projected]}
    if extras.warm_throughput:
        # An index that is not ready holds up the writes to its table.
        options["warm_throughput"] = extras.warm_throughput
    return dynamodb.GlobalSecondaryIndexPropsV2(
        index_name=name,
        partition_key=dynamodb.Attribute(name=partition_key, type=text),
        sort_key=dynamodb.Attribute(name=sort_key, type=text),
        **options,
    )
