"""The tables of a module that keeps events, on the emulator."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from runtime import Settings
from runtime.contract import (
    AGGREGATES_COLUMN,
    AGGREGATES_INDEX,
    FEED_COLUMN,
    FEED_INDEX,
    FEED_PROJECTED,
    FEED_SORT_KEY,
    KIND_EVENTS,
)

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

__all__ = ["event_settings", "make_event_tables"]

MODULE = "blog"


def make_event_tables(emulator: Emulator) -> tuple[str, str]:
    """Make an events table with its indexes, and a sync table; their names.

    They are left to the emulator's end: to delete them takes half as long as to make them.
    """
    client: Any = emulator.client("dynamodb")
    names = tuple(f"{uuid.uuid4().hex[:8]}-{suffix}" for suffix in ("events", "sync"))
    texts = ("pk", "sk", FEED_COLUMN, FEED_SORT_KEY, AGGREGATES_COLUMN)
    client.create_table(
        TableName=names[0],
        **_key("pk", "sk"),
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in texts],
        GlobalSecondaryIndexes=[
            {
                "IndexName": FEED_INDEX,
                **_key(FEED_COLUMN, FEED_SORT_KEY),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(FEED_PROJECTED)},
            },
            {
                "IndexName": AGGREGATES_INDEX,
                **_key(AGGREGATES_COLUMN, "pk"),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            },
        ],
    )
    client.create_table(
        TableName=names[1],
        **_key("pk", "sk"),
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in texts[:2]],
    )
    return names[0], names[1]


def event_settings(emulator: Emulator, tables: tuple[str, str], **settings: Any) -> Settings:
    """Settings of a function with a module of these tables.

    Args:
        emulator: Where they are.
        tables: Their names, as `make_event_tables` returns them.
        settings: Further ones; ``indexes=False`` for tables without indexes.
    """
    has_indexes = settings.pop("indexes", True)
    module = {
        "kind": KIND_EVENTS,
        "events": tables[0],
        "sync_table": tables[1],
        "handlers": True,
        "feed": has_indexes,
        "aggregates": has_indexes,
    }
    services = ("DYNAMODB", "S3")
    return Settings(
        modules={MODULE: module},
        endpoints=dict.fromkeys(services, emulator.endpoint_url),
        regions=dict.fromkeys(services, emulator.region),
        **settings,
    )


def _key(partition: str, sort: str) -> dict[str, Any]:
    return {
        "KeySchema": [
            {"AttributeName": partition, "KeyType": "HASH"},
            {"AttributeName": sort, "KeyType": "RANGE"},
        ]
    }
