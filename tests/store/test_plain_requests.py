"""What `json` writes of a request is what botocore's serializer would have made of it."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from runtime.clients.resources import Resources
from runtime.settings import Settings
from runtime.store.dynamodb import DynamoDbStore
from runtime.store.plain_requests import write_plainly
from runtime.store.port import Put
from runtime.store.values import Place
from tests.store.test_plain_answers import KEY, OPERATIONS
from tests.support.wire import Wire

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

    from constructs_lib.local import Emulator
    from runtime.testing.store_contract import TwoTables

TOKEN = "ClientRequestToken"  # noqa: S105 - a name
ARN = "arn:aws:dynamodb:eu-west-1:111122223333:table/t"
VALUES = st.recursive(
    st.one_of(
        st.builds(lambda text: {"S": text}, st.text(st.characters(exclude_categories=["Cs"]))),
        st.builds(lambda number: {"N": str(number)}, st.integers()),
        st.builds(lambda content: {"B": content}, st.binary(max_size=9)),
        st.builds(lambda parts: {"BS": parts}, st.lists(st.binary(max_size=9), min_size=1)),
        st.sampled_from([{"BOOL": True}, {"NULL": True}, {"SS": ["a", "ß"]}, {"NS": ["1", "2"]}]),
    ),
    lambda inner: st.one_of(
        st.builds(lambda parts: {"L": parts}, st.lists(inner, max_size=3)),
        st.builds(lambda parts: {"M": parts}, st.dictionaries(st.text('aB" é', max_size=3), inner)),
    ),
    max_leaves=9,
)


def client_of(
    *, region: str = "us-east-1", account: str | None = None, **options: Any
) -> tuple[Any, list[Any]]:
    """A client that sends nothing, and each request that it would have sent."""
    session = boto3.Session("key", "secret", aws_account_id=account)
    # The local AWS of these tests has one endpoint for all accounts, which the environment names.
    config = Config(parameter_validation=False, ignore_configured_endpoint_urls=True, **options)
    client = session.client("dynamodb", region, config=config)
    sent: list[AWSPreparedRequest] = []
    wire = Wire()
    wire.listen(client)
    wire.answer(lambda _call: (200, "{}"))
    client.meta.events.register("before-send", lambda request, **_: sent.append(request))
    return client, sent


def two_clients(**options: Any) -> list[tuple[Any, list[Any]]]:
    """One that writes plainly, and one that does not; each with what it would have sent."""
    plain, other = client_of(**options), client_of(**options)
    write_plainly(plain[0])
    return [plain, other]


for_many_requests = cache(two_clients)  # it takes a while to make them


def requests_of(operation: str, request: dict[str, Any], **options: Any) -> list[AWSPreparedRequest]:
    """The request of a client that writes plainly, and of one that does not."""
    found = []
    for client, sent in two_clients(**options):
        getattr(client, operation)(**request)
        found += sent
    return found


def bodies_of(operation: str, request: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in requests_of(operation, request)]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_request_is_what_botocore_makes_of_it(operation: str) -> None:
    plain, other = bodies_of(operation, OPERATIONS[operation]("table"))
    assert plain.pop(TOKEN, "none").__class__ is other.pop(TOKEN, "none").__class__
    assert plain == other
    assert plain


@given(item=st.dictionaries(st.text("ab", min_size=1), VALUES, max_size=3))
def test_every_item_is_what_botocore_makes_of_it(item: dict[str, Any]) -> None:
    clients = for_many_requests()
    for client, _ in clients:
        client.put_item(TableName="t", Item=item)
    plain, other = (json.loads(sent.pop().body) for _, sent in clients)
    assert plain == other
    assert plain["Item"].keys() == item.keys()


def test_headers_are_those_of_botocore() -> None:
    plain, other = (
        {k.lower(): v for k, v in one.headers.items()}
        for one in requests_of("get_item", OPERATIONS["get_item"]("t"))
    )
    for name in ("x-amz-target", "content-type"):
        assert plain[name] == other[name]
    assert int(plain["content-length"]) < int(other["content-length"])  # no spaces


@pytest.mark.parametrize("operation", ["get_item", "batch_get_item", "transact_write_items"])
@pytest.mark.parametrize("table", ["table", ARN])
def test_the_endpoint_is_that_of_botocore(operation: str, table: str) -> None:
    plain, other = requests_of(
        operation, OPERATIONS[operation](table), account="999988887777", region="eu-west-1"
    )
    assert plain.url == other.url
    assert ("111122223333" if table == ARN else "999988887777") in plain.url


def test_a_transaction_has_one_token_however_often_it_is_sent() -> None:
    client, sent = client_of(retries={"mode": "standard", "total_max_attempts": 3})
    write_plainly(client)
    failures = iter([1, 1])

    def lose(**_: Any) -> None:
        if next(failures, None):
            raise ReadTimeoutError(endpoint_url="")

    client.meta.events.register_last("before-send", lose)
    client.transact_write_items(**OPERATIONS["transact_write_items"]("t"))
    tokens = {json.loads(one.body)[TOKEN] for one in sent}
    assert len(sent) == 3
    assert len(tokens) == 1


def test_what_others_do_to_the_parameters_counts() -> None:
    client, sent = client_of()
    write_plainly(client)
    events = client.meta.events
    events.register(
        "before-parameter-build.dynamodb.GetItem", lambda params, **_: params.update(TableName="mine")
    )
    events.register("provide-client-params", lambda params, **_: params | {"ConsistentRead": True})
    client.get_item(TableName="theirs", Key=KEY)
    assert json.loads(sent[0].body) == {"TableName": "mine", "Key": KEY, "ConsistentRead": True}


def test_what_others_do_to_the_request_is_done_to_the_one_that_is_sent() -> None:
    client, sent = client_of()
    write_plainly(client)
    seen: list[bytes] = []
    client.meta.events.register_first("before-call", lambda params, **_: seen.append(params["body"]))
    client.get_item(TableName="t", Key=KEY)
    assert seen == [sent[0].body]


def test_what_traces_a_call_finds_its_parameters_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    make_call = vars(BaseClient)["_make_api_call"]

    def traced(client: Any, operation: str, request: dict[str, Any]) -> Any:
        answer = make_call(client, operation, request)
        seen.append(request)
        return answer

    client, _ = client_of()
    write_plainly(client)
    monkeypatch.setattr(BaseClient, "_make_api_call", traced)  # as X-Ray's SDK does
    for operation in ("get_item", "batch_get_item"):
        client_request = OPERATIONS[operation]("t")
        getattr(client, operation)(**client_request)
        assert seen.pop() == client_request


def test_the_clients_of_a_function_spare_botocore_the_rows(
    tables: TwoTables, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    endpoints = {"DYNAMODB": emulator.endpoint_url}
    settings = Settings(endpoints=endpoints, regions={"DYNAMODB": emulator.region})
    client = Resources(settings).client("dynamodb")
    write_plainly(client)  # a second time changes nothing
    store = DynamoDbStore(client)
    left: list[dict[str, Any]] = []
    serialize = client._serializer.serialize_to_request  # noqa: SLF001 - what is spared

    def seen(parameters: dict[str, Any], model: Any) -> Any:
        left.append(parameters.copy())
        return serialize(parameters, model)

    client._serializer.serialize_to_request = seen  # noqa: SLF001
    row = {"pk": "p", "sk": "s", "text": 'ü "B" \u2028 \U0001f600'}
    store.write(Put(table=tables.first, row=row))
    assert store.get(Place(tables.first, "p", "s")) == row
    assert left == [{}, {}]
