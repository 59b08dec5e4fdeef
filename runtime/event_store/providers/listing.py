"""The ids of a tenant's aggregates, by the sparse index of first commits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Key as Column

from runtime.contract import AGGREGATES_COLUMN, AGGREGATES_INDEX, PARTITION_KEY
from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.event_store.address import Key
from runtime.event_store.commits.commit_row import aggregates_value, place_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.event_store.providers.storage import EventStorage
    from runtime.store.values import Row

__all__ = ["list_ids"]


def list_ids(
    storage: EventStorage, stream: str, tenant: str, start: str | None, limit: int
) -> tuple[Sequence[str], str | None]:
    """See `StoreProvider.aggregate_ids`."""
    if not storage.tables.has_aggregates_index:
        msg = (
            "the events table has no index of aggregates, which lists the ids of a tenant: "
            "set aggregates_index=True"
        )
        raise ConfigurationError(msg)
    value = aggregates_value(Key(stream, "", tenant))
    page = storage.store.query(
        storage.tables.events,
        Column(AGGREGATES_COLUMN).eq(value),
        index=AGGREGATES_INDEX,
        start=None if start is None else _behind(start, stream, tenant, value),
        limit=limit,
        consistent=False,
        columns=(PARTITION_KEY,),
    )
    ids = [Key.of_pk(row[PARTITION_KEY]).aggregate_id for row in page.rows]
    return ids, None if page.next is None else json.dumps(Key.of_pk(page.next[PARTITION_KEY]).aggregate_id)


def _behind(start: str, stream: str, tenant: str, value: str) -> Row:
    """The key to go on behind; what a token says is an id, so it leads to no other tenant."""
    try:
        aggregate_id = json.loads(start)
    except (TypeError, ValueError, RecursionError):
        aggregate_id = None
    if not isinstance(aggregate_id, str) or not aggregate_id:
        message = "must be what an earlier page has returned"
        raise InvalidInputError([FieldProblem("start", message)])
    pk = Key(stream, aggregate_id, tenant).pk
    return {PARTITION_KEY: pk, "sk": place_key(1), AGGREGATES_COLUMN: value}
