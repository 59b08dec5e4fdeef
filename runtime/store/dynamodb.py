"""The store in DynamoDB: the one place that knows its wire format, its expressions and its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.conditions import ConditionExpressionBuilder
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from runtime.aws_errors import Attempts, error_code, translated
from runtime.backoff import back_off
from runtime.errors import ContentionError
from runtime.store.codec import decoded, encoded, encoded_value
from runtime.store.plain_answers import read_plainly
from runtime.store.port import Check, ConditionFailedError, Delete, Page, Put, ScannedPage, Set
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from boto3.dynamodb.conditions import ConditionBase
    from mypy_boto3_dynamodb import DynamoDBClient

    from runtime.store.codec import Item
    from runtime.store.port import Write
    from runtime.store.values import Row

__all__ = ["DynamoDbStore"]

_SERVICE: Final = "DynamoDB"
_OF_THE_SDK: Final = (ClientError, BotoCoreError, ResponseParserError)
_MAX_BATCH_GET: Final = 100
_MAX_ATTEMPTS: Final = 8
_FIRST_WAIT: Final = 0.02  # seconds
_LONGEST_WAIT: Final = 1.0
_CONDITION_FAILED: Final = "ConditionalCheckFailed"
_CONTENTION: Final = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


class DynamoDbStore:
    """DynamoDB as a `Store`.

    Args:
        client: A boto3 client of the service.
    """

    def __init__(self, client: DynamoDBClient) -> None:
        self._client = client
        self._attempts = Attempts(client, _SERVICE)
        read_plainly(client)

    def get(self, place: Place, *, consistent: bool = True) -> Row | None:
        """See `Store.get`."""
        answer = self._read(
            self._client.get_item,
            TableName=place.table,
            Key=_key(place.pk, place.sk),
            ConsistentRead=consistent,
        )
        item = answer.get("Item")
        return decoded(item) if item else None

    def batch_get(
        self, places: Iterable[Place], *, eventually_consistent: frozenset[str] = frozenset()
    ) -> dict[Place, Row]:
        """See `Store.batch_get`."""
        pending = list(dict.fromkeys(places))
        found: dict[Place, Row] = {}
        attempt = 0
        while pending:
            chunk, pending = pending[:_MAX_BATCH_GET], pending[_MAX_BATCH_GET:]
            answer = self._read(
                self._client.batch_get_item, RequestItems=_request_items(chunk, eventually_consistent)
            )
            for table, items in answer.get("Responses", {}).items():
                for item in items:
                    row = decoded(item)
                    found[Place(table, row["pk"], row["sk"])] = row
            # An unprocessed key is not a missing row.
            unprocessed = [
                Place(table, key["pk"]["S"], key["sk"]["S"])
                for table, request in answer.get("UnprocessedKeys", {}).items()
                for key in request["Keys"]
            ]
            if unprocessed:
                back_off(attempt, base=_FIRST_WAIT, longest=_LONGEST_WAIT)
                attempt += 1
                pending = unprocessed + pending
        return found

    def query(
        self,
        table: str,
        key: ConditionBase,
        *,
        index: str | None = None,
        start: Row | None = None,
        limit: int | None = None,
        descending: bool = False,
        consistent: bool = True,
        columns: Sequence[str] | None = None,
        only: ConditionBase | None = None,
    ) -> Page:
        """See `Store.query`."""
        expressions = _Expressions()
        request: dict[str, Any] = {
            "TableName": table,
            "KeyConditionExpression": expressions.condition(key, is_key=True),
            "ConsistentRead": consistent and index is None,
            "ScanIndexForward": not descending,
            **_page_parameters(expressions, start, limit, columns, only),
        }
        if index is not None:
            request["IndexName"] = index
        answer = self._read(self._client.query, **request, **expressions.parameters())
        last = answer.get("LastEvaluatedKey")
        return Page([decoded(item) for item in answer["Items"]], decoded(last) if last else None)

    def scan(
        self,
        table: str,
        *,
        segment: int = 0,
        total_segments: int = 1,
        start: Row | None = None,
        limit: int,
        columns: Sequence[str] | None = None,
        only: ConditionBase | None = None,
    ) -> ScannedPage:
        """See `Store.scan`."""
        expressions = _Expressions()
        request: dict[str, Any] = {
            "TableName": table,
            "Segment": segment,
            "TotalSegments": total_segments,
            "ConsistentRead": True,
            **_page_parameters(expressions, start, limit, columns, only),
        }
        answer = self._read(self._client.scan, **request, **expressions.parameters())
        last = answer.get("LastEvaluatedKey")
        return ScannedPage(
            [decoded(item) for item in answer["Items"]],
            answer["ScannedCount"],
            decoded(last) if last else None,
        )

    def write(self, *writes: Write) -> None:
        """See `Store.write`."""
        if len(writes) == 1:
            self._write_one(writes[0])
        elif writes:
            self._transact(writes)

    def update(self, write: Set) -> Row:
        """See `Store.update`."""
        answer = self._write_one(write, ReturnValues="ALL_NEW")
        return decoded(answer["Attributes"])

    def approximate_rows(self, table: str) -> int | None:
        """See `Store.approximate_rows`."""
        answer = self._read(self._client.describe_table, TableName=table)
        count: int | None = answer["Table"].get("ItemCount")
        return count

    def _write_one(self, write: Write, **more: Any) -> Any:  # noqa: ANN401 - boto3's answer
        if isinstance(write, Check):
            return self._transact([write])
        operation: dict[str, Callable[..., Any]] = {
            "Put": self._client.put_item,
            "Update": self._client.update_item,
            "Delete": self._client.delete_item,
        }
        kind, request = _request(write)
        # Once for all, as in a transaction.
        self._attempts.begin()
        for attempt in range(_MAX_ATTEMPTS):
            try:
                return operation[kind](**request, **more)
            except Exception as error:  # what signs an attempt may raise any
                code = error_code(error)
                if code == f"{_CONDITION_FAILED}Exception":
                    raise ConditionFailedError({write.label: _old(error.response)}) from error  # type: ignore[attr-defined]
                # A transaction has the row: it is over in a moment.
                if code != "TransactionConflictException":
                    self._attempts.fail(error)
                self._wait(attempt)
        raise AssertionError  # the last attempt fails, or returns

    def _transact(self, writes: Sequence[Write]) -> None:
        items = [{kind: request} for kind, request in map(_request, writes)]
        # Once for all: an attempt without an answer may be what the next ones are in conflict with.
        self._attempts.begin()
        for attempt in range(_MAX_ATTEMPTS):
            try:
                self._client.transact_write_items(TransactItems=items)  # type: ignore[arg-type]
            except Exception as error:  # as above
                codes, rows = _reasons(error)
                failed = {
                    write.label: row
                    for write, code, row in zip(writes, codes, rows, strict=False)
                    if code == _CONDITION_FAILED
                }
                if failed:
                    raise ConditionFailedError(failed) from error
                if not codes or not all(code == "None" or code in _CONTENTION for code in codes):
                    self._attempts.fail(error)
                self._wait(attempt)
            else:
                return

    def _wait(self, attempt: int) -> None:
        """Wait for the transactions that have the same rows, or give up."""
        if attempt == _MAX_ATTEMPTS - 1:
            msg = "other transactions were on the same rows for as long as this one tried; try again"
            self._attempts.fail(ContentionError(msg))
        back_off(attempt, base=_FIRST_WAIT, longest=_LONGEST_WAIT)

    @staticmethod
    def _read(call: Callable[..., Any], **request: Any) -> Any:  # noqa: ANN401 - boto3's
        try:
            return call(**request)
        except _OF_THE_SDK as error:
            raise translated(error, _SERVICE) from error


class _Expressions:
    """The expressions of one request, with the names and values that they share."""

    def __init__(self) -> None:
        self._builder = ConditionExpressionBuilder()
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def condition(self, condition: ConditionBase, *, is_key: bool = False) -> str:
        """The expression of a condition."""
        built = self._builder.build_expression(condition, is_key_condition=is_key)
        self._names |= built.attribute_name_placeholders
        self._values |= {
            name: encoded_value(value) for name, value in built.attribute_value_placeholders.items()
        }
        return str(built.condition_expression)

    def column(self, name: str) -> str:
        """The placeholder of a column's name."""
        placeholder = f"#c{len(self._names)}"  # boto3's begin with "n"
        self._names[placeholder] = name
        return placeholder

    def value(self, value: Any) -> str:  # noqa: ANN401 - a Value
        """The placeholder of a value."""
        placeholder = f":c{len(self._values)}"
        self._values[placeholder] = encoded_value(value)
        return placeholder

    def assignments(self, write: Set) -> Iterator[str]:
        """What sets the columns that a write has values for."""
        for name, value in write.columns.items():
            yield f"{self.column(name)} = {self.value(value)}"
        for name, value in write.defaults.items():
            column = self.column(name)
            yield f"{column} = if_not_exists({column}, {self.value(value)})"
        for name, add in write.add.items():
            column = self.column(name)
            first, amount = self.value(add.first), self.value(add.amount)
            yield f"{column} = if_not_exists({column}, {first}) + {amount}"

    def parameters(self) -> dict[str, Any]:
        """The names and values. DynamoDB refuses empty ones."""
        found = {"ExpressionAttributeNames": self._names, "ExpressionAttributeValues": self._values}
        return {name: values for name, values in found.items() if values}


def _request(write: Write) -> tuple[str, dict[str, Any]]:
    """The parameters of a write, the same alone and in a transaction."""
    expressions = _Expressions()
    request: dict[str, Any]
    match write:
        case Put():
            kind, request = "Put", {"TableName": write.table, "Item": encoded(write.row)}
        case Set():
            kind, request = "Update", _place_parameters(write.place)
            parts = [
                ("SET", [*expressions.assignments(write)]),
                ("REMOVE", [expressions.column(name) for name in write.remove]),
            ]
            request["UpdateExpression"] = " ".join(f"{verb} {', '.join(p)}" for verb, p in parts if p)
        case Delete():
            kind, request = "Delete", _place_parameters(write.place)
        case Check():
            kind, request = "ConditionCheck", _place_parameters(write.place)
    if write.condition is not None:
        request["ConditionExpression"] = expressions.condition(write.condition)
        request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return kind, request | expressions.parameters()


def _place_parameters(place: Place) -> dict[str, Any]:
    return {"TableName": place.table, "Key": _key(place.pk, place.sk)}


def _page_parameters(
    expressions: _Expressions,
    start: Row | None,
    limit: int | None,
    columns: Sequence[str] | None,
    only: ConditionBase | None,
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if start is not None:
        found["ExclusiveStartKey"] = encoded(start)
    if limit is not None:
        found["Limit"] = limit
    if columns is not None:
        found["ProjectionExpression"] = ", ".join(expressions.column(name) for name in columns)
    if only is not None:
        found["FilterExpression"] = expressions.condition(only)
    return found


def _request_items(places: Sequence[Place], eventually_consistent: frozenset[str]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for place in places:
        request = tables.setdefault(
            place.table, {"Keys": [], "ConsistentRead": place.table not in eventually_consistent}
        )
        request["Keys"].append(_key(place.pk, place.sk))
    return tables


def _key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _old(found: Mapping[str, Any]) -> Row | None:
    item = found.get("Item")
    return decoded(item) if item else None


def _reasons(error: Exception) -> tuple[list[str], list[Row | None]]:
    """Why each write of a transaction was refused, and the rows that stand there; empty for another error."""
    if error_code(error) == "TransactionInProgressException":
        return ["TransactionConflict"], [None]
    if error_code(error) != "TransactionCanceledException":
        return [], []
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[attr-defined]
    return [reason.get("Code") or "None" for reason in reasons], [_old(reason) for reason in reasons]
