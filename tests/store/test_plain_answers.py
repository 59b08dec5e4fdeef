"""What `json` reads of an answer is what botocore's parser would have made of it."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.conditions import Attr
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.compat import HTTPHeaders

from runtime.store.codec import decoded, encoded
from runtime.store.dynamodb import DynamoDbStore
from runtime.store.plain_answers import read_plainly
from runtime.store.port import ConditionFailedError, Put
from runtime.store.values import Place
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.testing.store_contract import TwoTables

ITEM: dict[str, Any] = {
    "pk": {"S": "p"},
    "sk": {"S": 'a "B" and a "BS"'},
    "text": {"S": "ü \U0001f600 \u2028 \\ null"},
    "number": {"N": "-1.5"},
    "flag": {"BOOL": False},
    "nothing": {"NULL": True},
    "B": {"S": "a column that is called like a kind"},
    "BS": {"B": b"\x00\xff"},
    "texts": {"SS": ["a", "b"]},
    "numbers": {"NS": ["1", "2"]},
    "bytes": {"BS": [b"", b"\x01"]},
    "map": {
        "M": {
            "B": {"M": {"B": {"B": b"deep"}}},
            "empty": {"M": {}},
            "list": {"L": [{"B": b"in a list"}, {"M": {"BS": {"BS": [b"x"]}}}, {"L": []}]},
        }
    },
}
KEY = {"pk": ITEM["pk"], "sk": ITEM["sk"]}
WITHOUT_BYTES = {"pk": {"S": "p"}, "sk": {"S": "b"}, "n": {"N": "1"}, "m": {"M": {"a": {"L": [{"S": "x"}]}}}}
OPERATIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "put_item": lambda table: {"TableName": table, "Item": ITEM, "ReturnValues": "ALL_OLD"},
    "get_item": lambda table: {"TableName": table, "Key": KEY},
    "batch_get_item": lambda table: {"RequestItems": {table: {"Keys": [KEY]}}},
    "query": lambda table: {
        "TableName": table,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "p"}},
        "Limit": 1,
        "ReturnConsumedCapacity": "TOTAL",
    },
    "scan": lambda table: {"TableName": table},
    "update_item": lambda table: {
        "TableName": table,
        "Key": KEY,
        "UpdateExpression": "SET n = :n",
        "ExpressionAttributeValues": {":n": {"N": "1"}},
        "ReturnValues": "ALL_NEW",
    },
    "transact_write_items": lambda table: {"TransactItems": [{"Put": {"TableName": table, "Item": ITEM}}]},
    "delete_item": lambda table: {"TableName": table, "Key": KEY, "ReturnValues": "ALL_OLD"},
    "describe_table": lambda table: {"TableName": table},
}


@pytest.fixture
def client(make_client: Callable[..., Any]) -> Any:
    """A client that reads answers plainly."""
    made = make_client()
    read_plainly(made)
    return made


@pytest.fixture
def table(tables: TwoTables, shared_client: Any) -> str:
    for item in (ITEM, WITHOUT_BYTES):
        shared_client.put_item(TableName=tables.first, Item=item)
    return tables.first


def without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
    return answer


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_is_what_botocore_makes_of_it(
    client: Any, make_client: Callable[..., Any], table: str, operation: str
) -> None:
    other = make_client()
    request = OPERATIONS[operation](table)
    plain = without_metadata(getattr(client, operation)(**request))
    other.put_item(TableName=table, Item=ITEM)  # as it was
    assert plain == without_metadata(getattr(other, operation)(**request))


def test_metadata_is_that_of_botocore(client: Any, table: str) -> None:
    metadata = client.get_item(TableName=table, Key=KEY)["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 200
    assert metadata["RetryAttempts"] == 0
    assert metadata["HTTPHeaders"]["content-type"] == "application/x-amz-json-1.0"
    assert metadata["RequestId"]


def test_the_store_spares_botocore_the_rows(make_client: Callable[..., Any], table: str) -> None:
    client = make_client()
    store = DynamoDbStore(client)
    DynamoDbStore(client)  # a second one changes nothing
    left: list[bytes] = []
    client.meta.events.register_last(
        "before-parse.dynamodb.GetItem", lambda response_dict, **_: left.append(response_dict["body"])
    )
    place = Place(table, "p", ITEM["sk"]["S"])
    row = store.get(place)
    assert row is not None
    assert encoded(row) == ITEM
    assert left == [b""]


def test_what_traces_the_calls_of_botocore_sees_those_of_the_store(
    make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    seen: list[str] = []
    make_call = vars(BaseClient)["_make_api_call"]

    def traced(client: Any, operation: str, request: dict[str, Any]) -> Any:
        seen.append(operation)
        return make_call(client, operation, request)

    store = DynamoDbStore(make_client())
    monkeypatch.setattr(BaseClient, "_make_api_call", traced)  # as X-Ray's SDK does
    store.batch_get([Place(table, "p", "b")])
    store.write(Put(table=table, row={"pk": "p", "sk": "c"}))
    assert seen == ["BatchGetItem", "PutItem"]


def test_rows_in_the_way_of_a_write_keep_their_bytes(make_client: Callable[..., Any], table: str) -> None:
    store = DynamoDbStore(make_client())
    write = Put(table=table, row=decoded(ITEM), condition=Attr("pk").not_exists(), label="mine")
    other = Put(table=table, row={"pk": "p", "sk": "c"})
    for writes in ([write], [write, other]):
        with pytest.raises(ConditionFailedError) as failed:
            store.write(*writes)
        row = failed.value.rows["mine"]
        assert row is not None
        assert encoded(row) == ITEM


@pytest.mark.parametrize("body", ["", "{}", "nonsense", "{", '"text"', "[]", "null", '{"Item": null}'])
def test_an_answer_that_is_none_is_what_botocore_makes_of_it(
    make_client: Callable[..., Any], body: str
) -> None:
    outcomes = []
    for is_plain in (True, False):
        client = make_client()
        if is_plain:
            read_plainly(client)
        wire = Wire()
        wire.listen(client)
        wire.answer(lambda _call: (200, body))
        try:
            outcomes.append(repr(client.get_item(TableName="table", Key=KEY).get("Item")))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the same
            outcomes.append(repr(error))
    assert outcomes[0] == outcomes[1]


def test_an_answer_that_is_damaged_is_asked_for_again(client: Any, table: str) -> None:
    damaged = iter(range(1))

    def answer(request: Any, **_: Any) -> AWSResponse | None:
        if next(damaged, None) is None:
            return None
        body = b'{"Item": {"pk": {"S": "damaged"}}}'
        return AWSResponse(
            request.url, 200, HTTPHeaders.from_dict({"x-amz-crc32": str(zlib.crc32(b"another"))}), _Raw(body)
        )

    client.meta.events.register("before-send.dynamodb.GetItem", answer)
    found = client.get_item(TableName=table, Key=KEY)
    assert found["Item"] == ITEM
    assert found["ResponseMetadata"]["RetryAttempts"] == 1


class _Raw(BytesIO):
    def stream(self) -> Iterator[bytes]:
        yield self.read()
