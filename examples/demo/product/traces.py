"""Where products, orders, numbers and settings leave their traces."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
from boto3.dynamodb.types import TypeDeserializer
from psycopg.rows import dict_row

from examples.demo.errors import DemoError

if TYPE_CHECKING:
    from examples.demo.place import Place

__all__ = ["Traces"]


class Traces:
    """Looks into the tables and the database, and asks the operator function what `cqrs` asks it."""

    def __init__(self, place: Place) -> None:
        self._function = place.outputs["OperatorFunctionName"]
        self._dynamodb = place.aws.client("dynamodb")
        self._lambda = place.aws.client("lambda")
        self._sql = psycopg.connect(place.database_url, autocommit=True, row_factory=dict_row)

    def close(self) -> None:
        """Let go of the database."""
        self._sql.close()

    def row(self, table: str, pk: str, sk: str) -> dict[str, Any] | None:
        """A row of a table, such as ``order-data``, or None."""
        found = self._dynamodb.get_item(
            TableName=f"local-product-{table}",
            Key={"pk": {"S": pk}, "sk": {"S": sk}},
            ConsistentRead=True,
        ).get("Item")
        decode = TypeDeserializer().deserialize
        return {name: decode(value) for name, value in found.items()} if found else None

    def sql_row(self, item_id: str) -> dict[str, Any] | None:
        """The row of a product in PostgreSQL, or None."""
        return self._sql.execute("SELECT * FROM product WHERE id = %s", [item_id]).fetchone()

    def operate(self, operation: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """What the operator function answers.

        Raises:
            DemoError: It refused.
        """
        event = {"operation": operation, **arguments}
        answer = self._lambda.invoke(FunctionName=self._function, Payload=json.dumps(event))
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer or "error" in found:
            msg = f"{operation} was answered with {found}"
            raise DemoError(msg)
        return found
