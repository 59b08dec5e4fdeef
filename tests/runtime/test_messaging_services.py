"""SNS, SQS and Step Functions as a service's own code uses them."""

from __future__ import annotations

import json
import re
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from ipaddress import IPv4Address, IPv6Network
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import HttpUrl, computed_field

from runtime import (
    BatchDeliveryError,
    ConfigurationError,
    CqrsModel,
    InvalidInputError,
    OutcomeUnknownError,
    Settings,
    SqsMessage,
    StoreRefusedError,
    StoreUnavailableError,
)
from runtime.entry.http.json_format import dumps
from tests.support.polling import wait_until
from tests.support.service import TestResources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator

SERVICES = ("SNS", "SQS", "SFN")


@pytest.fixture
def resources(emulator: Emulator) -> TestResources:
    """Resources that find the emulator by the variables of each service, and by nothing else."""
    return made(emulator)


def made(emulator: Emulator, **variables: str) -> TestResources:
    environment = {f"{name}_ENDPOINT": emulator.endpoint_url for name in SERVICES}
    environment |= {f"{name}_REGION": emulator.region for name in SERVICES}
    return TestResources(emulator, Settings.from_environment(environment | variables))


@pytest.fixture
def queue_url(emulator: Emulator) -> Iterator[str]:
    client = emulator.client("sqs")
    url = client.create_queue(QueueName=f"q{uuid.uuid4().hex}")["QueueUrl"]
    yield url
    client.delete_queue(QueueUrl=url)


@pytest.fixture
def topic_arn(emulator: Emulator, queue_url: str) -> str:
    sns, sqs = emulator.client("sns"), emulator.client("sqs")
    topic: str = sns.create_topic(Name=f"t{uuid.uuid4().hex}")["TopicArn"]
    queue = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=queue["QueueArn"],
        Attributes={"RawMessageDelivery": "true", "FilterPolicy": '{"action": ["order-paid"]}'},
    )
    return topic


def bodies(resources: TestResources, queue_url: str) -> list[str]:
    return [message["Body"] for message in resources.sqs.receive_messages(queue_url)]


def test_a_message_reaches_the_subscribers_of_its_action(
    emulator: Emulator, topic_arn: str, queue_url: str
) -> None:
    resources = made(emulator, SNS_TOPIC_ARN=topic_arn)
    assert resources.sns.publish({"action": "order-lost"})
    assert resources.sns.publish({"action": "order-paid", "id": "A1"})
    assert [json.loads(body) for body in bodies(resources, queue_url)] == [
        {"action": "order-paid", "id": "A1"}
    ]


def test_a_topic_that_is_named_comes_before_the_default(
    emulator: Emulator, topic_arn: str, queue_url: str
) -> None:
    resources = made(emulator, SNS_TOPIC_ARN="arn:aws:sns:us-east-1:000000000000:gone")
    resources.sns.publish({"action": "order-paid"}, topic_arn)
    assert len(bodies(resources, queue_url)) == 1


def test_without_a_topic_nothing_is_published(resources: TestResources) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resources.sns.publish({"action": "order-paid"})
    assert str(caught.value) == "No topic ARN provided or configured as default."
    assert resources.wire.calls == []


@pytest.mark.parametrize("message", [{"id": "A1"}, {"action": ""}, {"action": 7}], ids=str)
def test_a_message_without_an_action_is_refused(resources: TestResources, message: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="action: must be a text"):
        resources.sns.publish(message, "arn:aws:sns:us-east-1:000000000000:mine")
    assert resources.wire.calls == []


def test_a_message_goes_through_a_queue(resources: TestResources, queue_url: str) -> None:
    assert resources.sqs.send_message(queue_url, {"order": "A1"}, attributes={"kind": "paid"})
    (message,) = resources.sqs.receive_messages(queue_url, max_messages=1, wait_seconds=1)
    assert json.loads(message["Body"]) == {"order": "A1"}
    assert message["MessageAttributes"]["kind"]["StringValue"] == "paid"
    resources.sqs.delete_message(queue_url, message["ReceiptHandle"])
    assert resources.sqs.receive_messages(queue_url, visibility_timeout=0) == []


def test_a_text_is_sent_as_it_is_and_a_delay_holds(resources: TestResources, queue_url: str) -> None:
    resources.sqs.send_message(queue_url, "plain")
    resources.sqs.send_message(queue_url, "later", delay_seconds=900)
    assert bodies(resources, queue_url) == ["plain"]


def test_any_number_of_messages_goes_in_calls_of_ten(resources: TestResources, queue_url: str) -> None:
    ids = resources.sqs.send_message_batch(queue_url, [SqsMessage(body=n) for n in range(23)])
    assert len(set(ids)) == 23
    assert resources.wire.names() == ["sqs:SendMessageBatch"] * 3
    found: list[Any] = []
    while page := resources.sqs.receive_messages(queue_url):
        found += page
    assert sorted(int(message["Body"]) for message in found) == list(range(23))
    resources.wire.clear()
    resources.sqs.delete_message_batch(queue_url, [message["ReceiptHandle"] for message in found])
    assert resources.wire.names() == ["sqs:DeleteMessageBatch"] * 3
    counts = resources.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])
    assert counts["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_a_call_carries_no_more_than_a_queue_takes(resources: TestResources, queue_url: str) -> None:
    messages = [SqsMessage(body="x" * 400_000, attributes={"a": "b" * 1000}) for _ in range(5)]
    resources.sqs.send_message_batch(queue_url, messages)
    assert [len(call.parameters["Entries"]) for call in resources.wire.calls] == [2, 2, 1]


def received(resources: TestResources, queue_url: str) -> list[str]:
    found: list[str] = []
    while page := bodies(resources, queue_url):
        found += page
    return found


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (SqsMessage(body="x" * 1_100_000), "has 1100000 bytes; 1048576 is the most"),
        (SqsMessage(body="b", attributes={"a": "x" * 1_100_000}), "1048576 is the most"),
        (SqsMessage(body=object()), "body: must be what JSON can hold"),
        (SqsMessage(body={"n": float("nan")}), "body: must be what JSON can hold"),
        (SqsMessage(body="b", delay_seconds="soon"), "refused: ParamValidationError"),  # type: ignore[arg-type]
    ],
    ids=["long", "long attribute", "object", "nan", "delay"],
)
def test_a_message_that_no_queue_takes_fails_alone(
    resources: TestResources, queue_url: str, bad: SqsMessage, why: str
) -> None:
    messages = [SqsMessage(body=0), bad, *[SqsMessage(body=n) for n in range(2, 25)]]
    with pytest.raises(BatchDeliveryError, match=re.escape(why)) as caught:
        resources.sqs.send_message_batch(queue_url, messages)
    assert list(caught.value.failed) == [1]
    assert sorted(map(int, received(resources, queue_url))) == [0, *range(2, 25)]


def test_a_call_that_is_refused_as_a_whole_is_taken_apart(resources: TestResources, queue_url: str) -> None:
    error = {"__type": "com.amazonaws.sqs#BatchRequestTooLong", "message": "too long"}

    def answer(call: Any) -> tuple[int, dict[str, Any]] | None:
        texts = [entry["MessageBody"] for entry in call.parameters["Entries"]]
        return (400, error) if "7" in texts else None

    resources.wire.answer(answer)
    with pytest.raises(BatchDeliveryError) as caught:
        resources.sqs.send_message_batch(queue_url, [SqsMessage(body=n) for n in range(23)])
    assert caught.value.failed == {7: "refused: BatchRequestTooLong"}
    resources.wire.answer(lambda _call: None)
    assert sorted(map(int, received(resources, queue_url))) == [*range(7), *range(8, 23)]


def test_a_queue_that_is_gone_is_told_by_one_call(resources: TestResources, queue_url: str) -> None:
    with pytest.raises(StoreRefusedError, match=r"NonExistentQueue|QueueDoesNotExist"):
        resources.sqs.send_message_batch(f"{queue_url}gone", [SqsMessage(body=n) for n in range(50)])
    assert len(resources.wire.calls) == 1


def test_a_call_that_got_lost_fails_alone_and_a_group_stays_in_order(emulator: Emulator) -> None:
    resources, client = made(emulator), emulator.client("sqs")
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = client.create_queue(QueueName=f"q{uuid.uuid4().hex}.fifo", Attributes=fifo)["QueueUrl"]
    resources.wire.answer(
        lambda call: (500, {}) if call.parameters["Entries"][0]["MessageBody"] == "10" else None
    )
    messages = [SqsMessage(body=n, group_id="a" if n in {12, 25} else f"g{n}") for n in range(30)]
    with pytest.raises(BatchDeliveryError) as caught:
        resources.sqs.send_message_batch(url, messages)
    assert list(caught.value.failed) == [*range(10, 20), 25]
    assert caught.value.failed[25] == "not sent, to stay behind entry 12 of its group"
    client.delete_queue(QueueUrl=url)


def test_one_receipt_of_a_refused_call_fails_alone(resources: TestResources, queue_url: str) -> None:
    resources.sqs.send_message_batch(queue_url, [SqsMessage(body=n) for n in range(9)])
    handles: list[Any] = [found["ReceiptHandle"] for found in resources.sqs.receive_messages(queue_url)]
    handles.insert(4, None)
    with pytest.raises(BatchDeliveryError) as caught:
        resources.sqs.delete_message_batch(queue_url, handles)
    assert list(caught.value.failed) == [4]
    assert resources.sqs.approximate_messages(queue_url) == 0


class Kind(Enum):
    PAID = "paid"
    OPEN = 1


@dataclass(frozen=True)
class Point:
    at_x: Decimal
    kinds: Any


class Row:
    """What a read model gives: an object that knows its JSON form."""

    def __json__(self) -> dict[str, Any]:
        return {"camelCase": b"\x01"}


class Made(CqrsModel):
    took: timedelta
    seals: list[bytes]
    points: dict[Kind, Point]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> timedelta:
        return self.took * 2


class Total(CqrsModel):
    net_total: Decimal
    due: date | None = None


WHAT_ANSWERS_HOLD: list[tuple[Any, Any]] = [
    ({"total": Decimal("12.50")}, {"total": 12.5}),
    ({"at": datetime(2026, 1, 2, tzinfo=UTC)}, {"at": "2026-01-02T00:00:00.000+00:00"}),
    (Total(net_total=Decimal("0.1")), {"netTotal": 0.1}),
    ([Total(net_total=Decimal(1), due=date(2026, 1, 2))], [{"netTotal": 1, "due": "2026-01-02"}]),
    ({"id": uuid.UUID(int=1), "tags": {"b", "a"}}, {"id": str(uuid.UUID(int=1)), "tags": ["a", "b"]}),
    ({"text": "\ud800 日本 \uffff"}, {"text": "\ud800 日本 \uffff"}),
    (
        {
            "took": timedelta(hours=3), "link": HttpUrl("https://example.com/a"), "raw": b"\x00\xff",
            "from": IPv4Address("192.0.2.1"), "net": IPv6Network("2001:db8::/32"),
            "file": PurePosixPath("/a/b"),
            "hour": time(1, 2), "kind": Kind.PAID, "point": Point(Decimal("0.5"), {Kind.PAID, Kind.OPEN}),
            "by": {Kind.PAID: 1, date(2026, 1, 2): 2, 5: 3},
            "set": {Point(Decimal(1), None), Point(Decimal(0), None)},
            "tuple": (1, (2,)), "deque": deque([None]), "view": MappingProxyType({"a": 1}), "rows": [Row()],
        },
        {
            "took": "PT3H", "link": "https://example.com/a", "raw": "AP8=", "from": "192.0.2.1",
            "net": "2001:db8::/32", "file": "/a/b", "hour": "01:02:00", "kind": "paid",
            "point": {"at_x": 0.5, "kinds": [1, "paid"]}, "by": {"paid": 1, "2026-01-02": 2, "5": 3},
            "set": [{"at_x": 0, "kinds": None}, {"at_x": 1, "kinds": None}], "tuple": [1, [2]],
            "deque": [None], "view": {"a": 1}, "rows": [{"camelCase": "AQ=="}],
        },
    ),
    (
        Made(took=timedelta(seconds=1), seals=[b"\xff"], points={Kind.PAID: Point(Decimal(1), None)}),
        {"took": "PT1S", "seals": ["/w=="], "points": {"paid": {"atX": 1, "kinds": None}}, "twice": "PT2S"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), WHAT_ANSWERS_HOLD, ids=range(len(WHAT_ANSWERS_HOLD)))
def test_services_send_what_answers_hold(
    emulator: Emulator, topic_arn: str, queue_url: str, value: Any, expected: Any
) -> None:
    resources = made(emulator, SNS_TOPIC_ARN=topic_arn)
    resources.sqs.send_message(queue_url, value)
    resources.sqs.send_message_batch(queue_url, [SqsMessage(body=value)])
    resources.sns.publish({"action": "order-paid", "value": value})
    found = [json.loads(body) for body in received(resources, queue_url)]
    assert json.loads(dumps(value)) == expected  # as a route is answered
    assert found == [expected, expected, {"action": "order-paid", "value": expected}]


def test_what_has_no_json_form_is_refused_by_field(resources: TestResources) -> None:
    topic = "arn:aws:sns:us-east-1:000000000000:mine"
    endless: dict[str, Any] = {}
    endless["itself"] = endless
    calls: list[tuple[str, Callable[[Any], Any]]] = [
        ("body", lambda value: resources.sqs.send_message("http://nowhere", value)),
        ("message", lambda value: resources.sns.publish({"action": "a", "value": value}, topic)),
        ("input", lambda value: resources.step_functions.start_execution("arn", value)),
        ("output", lambda value: resources.step_functions.resume_execution("token", value)),
    ]
    for field, call in calls:
        for value in (object(), float("inf"), Decimal("NaN"), endless):
            with pytest.raises(InvalidInputError) as caught:
                call(value)
            assert [problem.field for problem in caught.value.problems] == [field]
    with pytest.raises(InvalidInputError, match="message: must be at most 1048576 bytes with its action"):
        resources.sns.publish({"action": "a", "value": "x" * 2**20}, topic)
    assert resources.wire.calls == []


def test_what_a_batch_refuses_is_raised_and_the_rest_is_sent(
    emulator: Emulator, resources: TestResources
) -> None:
    client = emulator.client("sqs")
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = client.create_queue(QueueName=f"q{uuid.uuid4().hex}.fifo", Attributes=fifo)["QueueUrl"]
    messages = [SqsMessage(body=n, group_id=None if n == 11 else f"g{n}") for n in range(13)]
    with pytest.raises(BatchDeliveryError) as caught:
        resources.sqs.send_message_batch(url, messages)
    assert list(caught.value.failed) == [11]
    assert "SendMessageBatch refused 1 entries of the batch: entry 11: MissingParameter" in str(caught.value)
    found: list[str] = []
    while page := bodies(resources, url):
        found += page
    client.delete_queue(QueueUrl=url)
    assert sorted(map(int, found)) == [*range(11), 12]


def test_what_cannot_be_deleted_is_raised(resources: TestResources, queue_url: str) -> None:
    with pytest.raises(BatchDeliveryError, match="DeleteMessageBatch refused 1 entries"):
        resources.sqs.delete_message_batch(queue_url, ["no such handle"])


def refusing(resources: TestResources, first: int, status: int) -> None:
    """Answer every call from the first one on with an error."""
    resources.wire.answer(lambda _call: (status, {}) if len(resources.wire.calls) >= first else None)


@pytest.mark.parametrize("method", ["send", "delete"])
def test_a_batch_that_fails_in_the_middle_says_what_is_left(
    resources: TestResources, queue_url: str, method: str
) -> None:
    """12 entries are two calls."""
    for first, error in ((1, OutcomeUnknownError), (2, BatchDeliveryError)):
        resources.wire.answer(lambda _call: None)
        resources.sqs.send_message_batch(queue_url, [SqsMessage(body=n) for n in range(12)])
        handles = [
            message["ReceiptHandle"]
            for _ in range(2)
            for message in resources.sqs.receive_messages(queue_url, visibility_timeout=600)
        ]
        resources.wire.clear()
        refusing(resources, first, 500)
        call: Callable[[], object] = partial(resources.sqs.delete_message_batch, queue_url, handles)
        if method == "send":
            messages = [SqsMessage(body=n) for n in range(12)]
            call = partial(resources.sqs.send_message_batch, queue_url, messages)
        with pytest.raises(error) as caught:
            call()
        assert "unknown whether written" in str(caught.value)
        if isinstance(caught.value, BatchDeliveryError):
            assert list(caught.value.failed) == [10, 11]
            assert caught.value.written == "something"


def test_errors_of_the_sdk_are_the_librarys_own(resources: TestResources, queue_url: str) -> None:
    sqs, topic = resources.sqs, "arn:aws:sns:us-east-1:000000000000:gone"
    with pytest.raises(StoreRefusedError):
        sqs.send_message("http://127.0.0.1:1/nowhere/queue", "x" * 2_000_000)
    refusing(resources, 0, 500)
    calls: list[tuple[Callable[[], Any], type[Exception]]] = [
        (lambda: sqs.send_message(queue_url, "x"), OutcomeUnknownError),
        (lambda: sqs.delete_message(queue_url, "x"), OutcomeUnknownError),
        (lambda: sqs.receive_messages(queue_url), StoreUnavailableError),
        (lambda: sqs.approximate_messages(queue_url), StoreUnavailableError),
        (lambda: resources.sns.publish({"action": "a"}, topic), OutcomeUnknownError),
        (lambda: resources.step_functions.start_execution(topic), OutcomeUnknownError),
        (lambda: resources.step_functions.send_task_failure("t", "e"), OutcomeUnknownError),
    ]
    for call, error in calls:
        with pytest.raises(error):
            call()


def test_an_empty_batch_is_no_call(resources: TestResources) -> None:
    assert resources.sqs.send_message_batch("http://nowhere", []) == []
    resources.sqs.delete_message_batch("http://nowhere", [])
    assert resources.wire.calls == []


@pytest.fixture
def machine(emulator: Emulator) -> Iterator[Callable[[dict[str, Any]], str]]:
    """Makes state machines of one state."""
    client = emulator.client("stepfunctions")
    arns: list[str] = []

    def make(state: dict[str, Any]) -> str:
        definition = {"StartAt": "Only", "States": {"Only": {**state, "End": True}}}
        arn: str = client.create_state_machine(
            name=f"m{uuid.uuid4().hex}",
            definition=json.dumps(definition),
            roleArn="arn:aws:iam::000000000000:role/any",
        )["stateMachineArn"]
        arns.append(arn)
        return arn

    yield make
    for arn in arns:
        client.delete_state_machine(stateMachineArn=arn)


def ended(resources: TestResources, execution: str | None) -> dict[str, Any]:
    client = resources.client("stepfunctions")

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = client.describe_execution(executionArn=execution)
        return found if found["status"] != "RUNNING" else None

    return wait_until(look) or {}


def test_an_execution_of_one_name_is_started_once(
    resources: TestResources, machine: Callable[[dict[str, Any]], str]
) -> None:
    arn = machine({"Type": "Pass"})
    started = resources.step_functions.start_execution(arn, {"order": "A1"}, name="import-A1")
    assert json.loads(ended(resources, started)["output"]) == {"order": "A1"}
    assert resources.step_functions.start_execution(arn, {"order": "A2"}, name="import-A1") is None
    assert resources.step_functions.start_execution(arn) != resources.step_functions.start_execution(arn)


@pytest.mark.parametrize("name", ["n" * 81, "ORDER#acme/A 1", "€"], ids=["long", "marks", "no ascii"])
def test_a_name_that_cannot_be_one_becomes_one(
    resources: TestResources, machine: Callable[[dict[str, Any]], str], name: str
) -> None:
    arn = machine({"Type": "Pass"})
    started = resources.step_functions.start_execution(arn, name=name)
    other = resources.step_functions.start_execution(arn, name=f"{name}!")
    assert started
    assert other
    assert started != other
    ended(resources, started)
    assert resources.step_functions.start_execution(arn, name=name) is None
    starts = [call for call in resources.wire.calls if call.operation == "StartExecution"]
    names = [call.parameters["name"] for call in starts]
    assert all(len(used) <= 80 and used.isascii() for used in names)


def waiting(queue_url: str) -> dict[str, Any]:
    parameters = {"QueueUrl": queue_url, "MessageBody": {"token.$": "$$.Task.Token"}}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": parameters,
    }


def token(resources: TestResources, queue_url: str) -> str:
    (message,) = wait_until(lambda: resources.sqs.receive_messages(queue_url))
    found: str = json.loads(message["Body"])["token"]
    return found


def test_an_execution_that_waits_is_resumed(
    resources: TestResources, machine: Callable[[dict[str, Any]], str], queue_url: str
) -> None:
    started = resources.step_functions.start_execution(machine(waiting(queue_url)))
    resources.step_functions.resume_execution(token(resources, queue_url), {"paid": True})
    result = ended(resources, started)
    assert (result["status"], json.loads(result["output"])) == ("SUCCEEDED", {"paid": True})


def test_an_execution_that_waits_is_failed(
    resources: TestResources, machine: Callable[[dict[str, Any]], str], queue_url: str
) -> None:
    started = resources.step_functions.start_execution(machine(waiting(queue_url)))
    resources.step_functions.send_task_failure(token(resources, queue_url), "Unpaid", "no money")
    result = ended(resources, started)
    assert (result["status"], result["error"], result["cause"]) == ("FAILED", "Unpaid", "no money")


def test_what_is_not_there_is_an_error(resources: TestResources) -> None:
    with pytest.raises(StoreRefusedError, match="StateMachineDoesNotExist"):
        resources.step_functions.start_execution("arn:aws:states:us-east-1:000000000000:stateMachine:gone")
    with pytest.raises(StoreRefusedError):
        resources.step_functions.resume_execution("no token")
