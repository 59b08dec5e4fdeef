"""Where an event leaves its traces, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from boto3.dynamodb.types import TypeDeserializer
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from examples.demo.place import Place

__all__ = ["Traces"]


class Traces:
    """Looks into the tables and the database."""

    def __init__(self, place: Place) -> None:
        self._outputs = place.outputs
        self._dynamodb = place.aws.client("dynamodb")
        self._sql = psycopg.connect(place.database_url, autocommit=True, row_factory=dict_row)

    def close(self) -> None:
        """Let go of the database."""
        self._sql.close()

    def commit(self, pk: str, version: int) -> dict[str, Any] | None:
        """A commit of an aggregate, or None."""
        found = self._dynamodb.get_item(
            TableName=self._outputs["BlogEventsTableName"],
            Key={"pk": {"S": pk}, "sk": {"S": f"{version:010d}"}},
            ConsistentRead=True,
        ).get("Item")
        decode = TypeDeserializer().deserialize
        return {name: decode(value) for name, value in found.items()} if found else None

    def cursor(self, pk: str, handler: str) -> dict[str, Any] | None:
        """Where a handler is with an aggregate, or None: in the database that it fills."""
        statement = "SELECT version FROM cqrs_event_cursors WHERE pk = %s AND handler = %s"
        return self._sql.execute(statement, [pk, handler]).fetchone()

    def sql_row(self, table: str, tenant: str, row_id: str) -> dict[str, Any] | None:
        """A row in PostgreSQL, or None."""
        statement = psycopg.sql.SQL("SELECT * FROM {} WHERE tenant = %s AND id = %s")
        found = self._sql.execute(statement.format(psycopg.sql.Identifier(table)), [tenant, row_id])
        return found.fetchone()
