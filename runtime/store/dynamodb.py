"""The few DynamoDB calls that the runtime makes, in the wire format.

Each method is one network call unless its docstring says otherwise, so the cost of
whatever is built on it can be read off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError

from runtime.backoff import back_off
from runtime.store.codec import to_wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from runtime.model.keys import DetailKey
    from runtime.store.codec import Item

__all__ = ["ConditionFailedError", "DynamoDb", "Read", "TransactionFailedError", "wire_key"]

_MAX_BATCH_GET: Final = 100
_MAX_ATTEMPTS: Final = 8
_FIRST_WAIT: Final = 0.02  # seconds
_LONGEST_WAIT: Final = 1.0
_RETRYABLE_REASONS: Final = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
_RETRYABLE_ERRORS: Final = {"TransactionInProgressException"}


@dataclass(frozen=True, slots=True)
class Read:
    """One row to read in a batch."""

    table: str
    pk: str
    sk: str


class ConditionFailedError(Exception):
    """A conditional write was refused. ``item`` is the row that stood there, if any."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the conditional request failed")
        self.item = item


class TransactionFailedError(Exception):
    """A transaction was refused and nothing of it was written.

    Attributes:
        codes: One code a write, in order: ``None`` or ``ConditionalCheckFailed`` ….
        items: The row that stood there, for each write whose condition failed.
    """

    def __init__(self, codes: Sequence[str], items: Sequence[Item | None]) -> None:
        super().__init__(f"the transaction was cancelled: {', '.join(codes)}")
        self.codes = tuple(codes)
        self.items = tuple(items)

    @property
    def may_pass_later(self) -> bool:
        """Whether only contention or throttling stood in the way."""
        return all(code == "None" or code in _RETRYABLE_REASONS for code in self.codes)


class DynamoDb:
    """DynamoDB as the runtime uses it.

    Args:
        client: A boto3 client of the service.
    """

    def __init__(self, client: DynamoDBClient) -> None:
        self._client = client

    def get(self, table: str, pk: str, sk: str, *, consistent: bool) -> Item | None:
        """The row with this key, or None."""
        response = self._client.get_item(TableName=table, Key=wire_key(pk, sk), ConsistentRead=consistent)
        return _item(response.get("Item"))

    def batch_get(
        self, reads: Iterable[Read], *, eventually_consistent: frozenset[str] = frozenset()
    ) -> dict[Read, Item]:
        """The rows that exist among ``reads``, strongly consistent.

        One call for each 100 rows, and one more for each answer that leaves keys
        unprocessed: an unprocessed key is not a missing row.

        Args:
            reads: Rows to read; duplicates are read once.
            eventually_consistent: Tables to read at half the price.
        """
        pending = list(dict.fromkeys(reads))
        found: dict[Read, Item] = {}
        attempt = 0
        while pending:
            chunk, pending = pending[:_MAX_BATCH_GET], pending[_MAX_BATCH_GET:]
            response = self._client.batch_get_item(RequestItems=_request_items(chunk, eventually_consistent))
            for table, items in response.get("Responses", {}).items():
                found |= {Read(table, i["pk"]["S"], i["sk"]["S"]): cast("Item", i) for i in items}
            unprocessed = [
                Read(table, key["pk"]["S"], key["sk"]["S"])
                for table, request in response.get("UnprocessedKeys", {}).items()
                for key in request["Keys"]
            ]
            if unprocessed:
                back_off(attempt, base=_FIRST_WAIT, longest=_LONGEST_WAIT)
                attempt += 1
                pending = unprocessed + pending
        return found

    def put(self, table: str, item: Item) -> None:
        """Write ``item``, in place of whatever stands there."""
        self._client.put_item(TableName=table, Item=item)

    def put_new(self, table: str, item: Item) -> None:
        """Insert ``item``.

        Raises:
            ConditionFailedError: There is a row with this key.
        """
        try:
            self._client.put_item(
                TableName=table,
                Item=item,
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise
            raise ConditionFailedError(_item(error.response.get("Item"))) from error

    def update(self, table: str, key: DetailKey, **request: Any) -> None:  # noqa: ANN401 - boto3's parameters
        """Update one row by expression.

        Raises:
            ConditionFailedError: ``ConditionExpression`` does not hold.
        """
        try:
            self._client.update_item(TableName=table, Key=wire_key(*key), **request)
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise
            raise ConditionFailedError(_item(error.response.get("Item"))) from error

    def set_columns(
        self,
        table: str,
        key: DetailKey,
        columns: Mapping[str, Any],
        *,
        only_with: Mapping[str, str],
    ) -> Item:
        """Set columns of one row, None takes one away; the row after it.

        Raises:
            ConditionFailedError: There is no row, or one of ``only_with`` has another text.
        """
        values = to_wire(columns)
        gone = [name for name in columns if name not in values]
        expression = " ".join(
            f"{verb} {', '.join(parts)}"
            for verb, parts in (
                ("SET", [f"#{name} = :{name}" for name in values]),
                ("REMOVE", [f"#{name}" for name in gone]),
            )
            if parts
        )
        conditions = ["attribute_exists(pk)", *(f"#{name} = :only_{name}" for name in only_with)]
        try:
            response = self._client.update_item(
                TableName=table,
                Key=wire_key(*key),
                UpdateExpression=expression,
                ConditionExpression=" AND ".join(conditions),
                ExpressionAttributeNames={f"#{name}": name for name in (*columns, *only_with)},
                **_values(
                    {f":{name}": value for name, value in values.items()}
                    | {f":only_{name}": {"S": text} for name, text in only_with.items()}
                ),
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise
            raise ConditionFailedError(_item(error.response.get("Item"))) from error
        return cast("Item", response["Attributes"])

    def scan(
        self,
        table: str,
        segment: int,
        total_segments: int,
        start: Item | None,
        *,
        limit: int,
        **request: Any,  # noqa: ANN401 - boto3's parameters
    ) -> tuple[list[Item], int, Item | None]:
        """One page of a segment: its rows, how many were looked at, and the key to go on from."""
        if start:
            request["ExclusiveStartKey"] = start
        response = self._client.scan(
            TableName=table,
            Segment=segment,
            TotalSegments=total_segments,
            Limit=limit,
            ConsistentRead=True,
            **request,
        )
        rows = cast("list[Item]", response["Items"])
        return rows, response["ScannedCount"], _item(response.get("LastEvaluatedKey"))

    def query(self, table: str, **request: Any) -> tuple[list[Item], Item | None]:  # noqa: ANN401
        """One page: its rows, and the key to go on from."""
        response = self._client.query(TableName=table, **request)
        return cast("list[Item]", response["Items"]), _item(response.get("LastEvaluatedKey"))

    def approximate_rows(self, table: str) -> int | None:
        """DynamoDB's own count of a table's rows, up to six hours old; None where it has none."""
        return self._client.describe_table(TableName=table)["Table"].get("ItemCount")

    def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        """Write all or nothing. Tries again while only contention stands in the way.

        Args:
            writes: ``TransactItems`` of the API: ``{"Put": {…}}``, ``{"Update": {…}}`` ….

        Raises:
            TransactionFailedError: A condition failed, or contention did not end.
        """
        for attempt in range(_MAX_ATTEMPTS):
            try:
                self._client.transact_write_items(TransactItems=writes)  # type: ignore[arg-type]
            except ClientError as error:
                failure = _transaction_failure(error)
                if not failure.may_pass_later or attempt == _MAX_ATTEMPTS - 1:
                    raise failure from error
                back_off(attempt, base=_FIRST_WAIT, longest=_LONGEST_WAIT)
            else:
                return


def wire_key(pk: str, sk: str) -> Item:
    """Key of a row in the wire format."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _request_items(reads: Sequence[Read], eventually_consistent: frozenset[str]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for read in reads:
        request = tables.setdefault(
            read.table, {"Keys": [], "ConsistentRead": read.table not in eventually_consistent}
        )
        request["Keys"].append(wire_key(read.pk, read.sk))
    return tables


def _item(found: object) -> Item | None:
    # boto3's stubs type each wire value as a union that says no more than Item does.
    return cast("Item | None", found)


def _values(values: Mapping[str, Any]) -> dict[str, Any]:
    # DynamoDB refuses an empty map.
    return {"ExpressionAttributeValues": values} if values else {}


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _transaction_failure(error: ClientError) -> TransactionFailedError:
    code = _code(error)
    if code in _RETRYABLE_ERRORS:
        return TransactionFailedError(["TransactionConflict"], [None])
    if code != "TransactionCanceledException":
        raise error
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
    return TransactionFailedError(
        [reason.get("Code") or "None" for reason in reasons], [reason.get("Item") for reason in reasons]
    )
