"""Replaying what was set aside: stream records from their bucket, notifications from the dead letters."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.operations.pipeline import check_all_is_done
from tests.operations.test_operator import operate
from tests.support.service import PK, Service
from tests.support.values import event_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator
    from tests.support.wire import Call


class Bucket:
    """A bucket with the records that Lambda gave up."""

    def __init__(self, emulator: Emulator) -> None:
        self.name = f"records-{uuid.uuid4().hex[:12]}"
        self._s3 = emulator.client("s3")
        self._s3.create_bucket(Bucket=self.name)

    def put(self, name: str, body: Any) -> None:
        self._s3.put_object(Bucket=self.name, Key=name, Body=json.dumps(body))

    def keep(self, service: Service, name: str, *commands: str) -> None:
        records = [
            {
                "eventName": "INSERT",
                "eventSourceARN": f"arn:aws:dynamodb:us-east-1:0:table/{service.tables.command}/stream/x",
                "dynamodb": {
                    "SequenceNumber": str(number),
                    "NewImage": event_image(service.item("command", sk)),
                },
            }
            for number, sk in enumerate(commands)
        ]
        self.put(name, {"version": "1.0", "payload": json.dumps({"Records": records})})

    def names(self) -> list[str]:
        return [found["Key"] for found in self._s3.list_objects_v2(Bucket=self.name).get("Contents", ())]


@pytest.fixture
def bucket(emulator: Emulator) -> Iterator[Bucket]:
    made = Bucket(emulator)
    yield made
    s3 = emulator.client("s3")
    for name in made.names():
        s3.delete_object(Bucket=made.name, Key=name)
    s3.delete_bucket(Bucket=made.name)


@pytest.fixture
def inline(make_service: Callable[..., Service], bucket: Bucket) -> Service:
    return make_service(modules={"todo": {"mode": "inline"}}, failed_records_bucket=bucket.name)


def test_records_are_rung_again_and_go_when_they_are_done(inline: Service, bucket: Bucket) -> None:
    for version in range(2):
        inline.publish("A1", version)
    inline.publish("B1")
    bucket.keep(inline, "aws/lambda/1", "A1@1", "A1@2")
    bucket.keep(inline, "aws/lambda/2", "B1@1")
    dry = operate(inline, "replayRecords", dryRun=True)
    assert dry == {"objects": 2, "records": 3, "replayed": 3, "failed": [], "resumeToken": None}
    assert inline.row("data", "A1") is None
    first = operate(inline, "replayRecords", limit=1)
    assert (first["objects"], first["records"], first["replayed"]) == (1, 2, 2)
    assert bucket.names() == ["aws/lambda/2"]
    assert inline.row("data", "B1") is None
    rest = operate(inline, "replayRecords", resumeToken=first["resumeToken"])
    assert (rest["objects"], rest["resumeToken"]) == (1, None)
    assert bucket.names() == []
    check_all_is_done(inline)
    assert operate(inline, "replayRecords")["objects"] == 0


def test_an_object_stays_while_one_of_its_records_fails(inline: Service, bucket: Bucket) -> None:
    inline.publish("A1")
    inline.publish("B1")
    spoiled = {"pk": {"S": PK}, "sk": {"S": "A1"}, "version": {"S": "one"}}
    inline.client.put_item(TableName=inline.tables.data, Item=spoiled)
    bucket.keep(inline, "1", "A1@1", "B1@1")
    bucket.put("2", ["nothing that Lambda writes"])
    bucket.put("3", {"payload": "no JSON"})
    answer = operate(inline, "replayRecords")
    assert [one["object"] for one in answer["failed"]] == ["1", "2", "3"]
    assert answer["failed"][0]["error"] == "RecordsFailedError"
    assert (answer["objects"], answer["records"], answer["replayed"]) == (3, 2, 0)
    assert bucket.names() == ["1", "2", "3"]
    assert (inline.row("data", "B1") or {})["version"] == 1
    inline.client.delete_item(TableName=inline.tables.data, Key={"pk": {"S": PK}, "sk": {"S": "A1"}})
    assert len(operate(inline, "replayRecords")["failed"]) == 2
    check_all_is_done(inline)


@pytest.fixture
def queues(emulator: Emulator) -> tuple[str, str]:
    sqs = emulator.client("sqs")
    source, target = (sqs.create_queue(QueueName=f"q{uuid.uuid4().hex}")["QueueUrl"] for _ in range(2))
    return source, target


@pytest.fixture
def notified(make_service: Callable[..., Service], queues: tuple[str, str]) -> Service:
    return make_service(dead_letter_queue_url=queues[0], queue_url=queues[1])


def send(emulator: Emulator, url: str, *bodies: Any) -> None:
    for body in bodies:
        emulator.client("sqs").send_message(
            QueueUrl=url,
            MessageBody=body if isinstance(body, str) else json.dumps(body),
            MessageAttributes={"action": {"DataType": "String", "StringValue": "command-status"}},
        )


def taken(emulator: Emulator, url: str) -> list[Any]:
    sqs = emulator.client("sqs")
    found = []
    while batch := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        found += batch
    return found


def status(number: int) -> dict[str, Any]:
    return {"action": "command-status", "id": f"r{number}"}


def test_notifications_go_back_to_their_queue(
    emulator: Emulator, notified: Service, queues: tuple[str, str]
) -> None:
    send(emulator, queues[0], *(status(number) for number in range(25)))
    assert operate(notified, "replayNotifications", dryRun=True, limit=20) == {"moved": 20, "left": 5}
    assert operate(notified, "replayNotifications", limit=12) == {"moved": 12, "left": 13}
    assert operate(notified, "replayNotifications") == {"moved": 13, "left": 0}
    messages = taken(emulator, queues[1])
    assert sorted(json.loads(m["Body"])["id"] for m in messages) == sorted(f"r{n}" for n in range(25))
    assert {m["MessageAttributes"]["action"]["StringValue"] for m in messages} == {"command-status"}


def test_what_is_no_notification_stays(
    emulator: Emulator, notified: Service, queues: tuple[str, str]
) -> None:
    send(emulator, queues[0], {"action": "sfn-alarm"}, "no JSON", '["no object"]', status(1))
    assert operate(notified, "replayNotifications") == {"moved": 1, "left": 3}
    assert [json.loads(m["Body"]) for m in taken(emulator, queues[1])] == [status(1)]


def test_a_crash_between_sending_and_deleting_loses_nothing(
    emulator: Emulator, notified: Service, queues: tuple[str, str]
) -> None:
    send(emulator, queues[0], status(1))

    def crash(call: Call) -> None:
        if call.operation == "DeleteMessageBatch":
            raise KeyboardInterrupt

    notified.wire.before = crash
    with pytest.raises(KeyboardInterrupt):
        operate(notified, "replayNotifications")
    assert len(taken(emulator, queues[1])) == 1
    assert operate(notified, "health")["deadLetters"] == 1
