"""One notification for each final status, after the commit; a topic that is down hurts nobody (I7)."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from runtime.entry.worker import Worker
from runtime.pipeline.cursors import Cursor
from runtime.pipeline.finish import finish
from tests.runtime.test_handlers import Recorder
from tests.support.service import PK, Service, Services, on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.local import Emulator


class Inbox:
    """A queue that listens to a topic."""

    def __init__(self, emulator: Emulator) -> None:
        self._sqs, sns = emulator.client("sqs"), emulator.client("sns")
        name = f"q{uuid.uuid4().hex}"
        self.topic_arn = sns.create_topic(Name=name)["TopicArn"]
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        sns.subscribe(
            TopicArn=self.topic_arn,
            Protocol="sqs",
            Endpoint=arn,
            Attributes={
                "RawMessageDelivery": "true",
                "FilterPolicy": '{"action": ["command-status", "sfn-alarm"]}',
            },
        )

    def take(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        while batch := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            messages += [json.loads(message["Body"]) for message in batch]
            for message in batch:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return messages


class MemoryInbox:
    """What services in memory sent to its topic."""

    topic_arn = "arn:aws:sns:us-east-1:000000000000:inbox"

    def __init__(self, services: Services) -> None:
        self._services = services
        self._taken = 0

    def take(self) -> list[dict[str, Any]]:
        messages = [
            message.content
            for service in self._services.made
            for message in service.resources.messages
            if message.to == self.topic_arn
        ]
        new, self._taken = messages[self._taken :], len(messages)
        return new


@pytest.fixture
def inbox(make_service: Services) -> Inbox | MemoryInbox:
    return Inbox(make_service.emulator) if make_service.emulator else MemoryInbox(make_service)


def work(service: Service, action: str, version: int = 1, **extra: Any) -> None:
    reference = {"module": "todo", "pk": PK, "sk": "A1", "version": version, **extra}
    Worker({"todo": service.module}).run(
        {"action": action, "input": reference, "context": {"Execution": {"Id": f"arn:{version}"}}}
    )


def test_an_applied_command_is_told_once(make_service: Callable[..., Service], inbox: Inbox) -> None:
    service = make_service(topic_arn=inbox.topic_arn)
    service.publish()
    work(service, "apply")
    work(service, "apply")
    assert inbox.take() == [
        {
            "action": "command-status",
            "id": "req-1",
            "table": service.tables.command,
            "pk": PK,
            "sk": "A1@1",
            "tenantCode": "acme",
            "content": {"status": "finish:FINISHED", "source": None},
        }
    ]


def test_a_key_without_a_tenant_is_told_as_nobodys(
    make_service: Callable[..., Service], inbox: Inbox
) -> None:
    """The key `acme` is not the tenant acme: its users must not hear of it."""
    service = make_service(topic_arn=inbox.topic_arn)
    command = service.command(pk="acme")
    everywhere = json.dumps([{"tenant": "", "role": "system_admin"}])
    service.module.commands.publish_async(command, invoke_context=service.user(roles=everywhere))
    task = {"module": "todo", "pk": "acme", "sk": "A1", "version": 1}
    Worker({"todo": service.module}).run({"action": "apply", "input": task})
    (told,) = inbox.take()
    assert (told["pk"], told["tenantCode"]) == ("acme", "")


def test_each_version_that_is_caught_up_is_told(make_service: Callable[..., Service], inbox: Inbox) -> None:
    service = make_service(topic_arn=inbox.topic_arn)
    for version in range(3):
        service.publish(version=version)
    work(service, "apply", 3)
    assert [message["sk"] for message in inbox.take()] == ["A1@1", "A1@2", "A1@3"]


def test_with_handlers_the_end_is_told_and_not_the_beginning(
    make_service: Callable[..., Service], inbox: Inbox
) -> None:
    service = make_service(topic_arn=inbox.topic_arn, handlers=[Recorder])
    service.publish()
    work(service, "apply")
    work(service, "finish", results=[{"handler": "Recorder", "outcome": "done"}])  # its cursor says otherwise
    assert inbox.take() == []
    work(service, "handle", handler="Recorder")
    for _ in range(2):
        work(service, "finish", results=[{"handler": "Recorder", "outcome": "done"}])
    assert [message["content"]["status"] for message in inbox.take()] == ["finish:FINISHED"]


DONE, PARKED = Cursor(version=1), Cursor(parked_version=1)


@pytest.mark.parametrize(
    ("cursors", "status"),
    [
        ([DONE, DONE], "finish:FINISHED"),
        ([PARKED, PARKED], "sync_data:FAILED"),
        ([DONE, PARKED], "finish:FINISHED"),
    ],
    ids=["finished twice", "failed twice", "failed after it was finished"],
)
def test_a_second_end_neither_overwrites_the_first_nor_is_told(
    make_service: Callable[..., Service], inbox: Inbox, cursors: list[Cursor], status: str
) -> None:
    """Each end goes by the row as it was before both of them."""
    service = make_service(topic_arn=inbox.topic_arn, handlers=[Recorder])
    service.publish()
    work(service, "apply")
    command = service.image(1)
    assert finish(service.context, command, cursors[:1])
    ended = service.row("command", "A1@1")
    assert not finish(service.context, command, cursors[1:])
    assert service.row("command", "A1@1") == ended
    assert [message["content"]["status"] for message in inbox.take()] == [status]


def test_a_repair_ends_what_had_failed(make_service: Callable[..., Service], inbox: Inbox) -> None:
    service = make_service(topic_arn=inbox.topic_arn, handlers=[Recorder])
    service.publish()
    work(service, "apply")
    command = service.image(1)
    assert [finish(service.context, command, [cursor]) for cursor in (PARKED, DONE)] == [True, True]
    told = [message["content"]["status"] for message in inbox.take()]
    assert told == ["sync_data:FAILED", "finish:FINISHED"]


def test_a_synchronous_publish_is_told(make_service: Callable[..., Service], inbox: Inbox) -> None:
    service = make_service(topic_arn=inbox.topic_arn)
    service.publish_sync()
    assert [message["sk"] for message in inbox.take()] == ["A1@1"]


def test_what_a_synchronous_publish_catches_up_is_told(
    make_service: Callable[..., Service], inbox: Inbox
) -> None:
    """The pending commands' own doorbells come late and find them applied: nobody else would tell."""
    service = make_service(topic_arn=inbox.topic_arn)
    service.publish()
    service.publish(version=1)
    service.publish_sync(version=2)
    work(service, "apply", 1)
    work(service, "apply", 2)
    assert [message["sk"] for message in inbox.take()] == ["A1@1", "A1@2", "A1@3"]


def test_a_parked_handler_raises_one_alarm_without_the_error_text(
    make_service: Callable[..., Service], inbox: Inbox
) -> None:
    service = make_service(alarm_topic_arn=inbox.topic_arn, handlers=[Recorder])
    service.publish()
    work(service, "apply")
    for _ in range(2):
        work(service, "park", handler="Recorder", error="ValueError", cause="the card is 4111-1111")
    (alarm,) = inbox.take()
    assert (alarm["action"], alarm["id"], alarm["table"]) == ("sfn-alarm", f"{PK}#A1", "todo")
    assert alarm["content"] == {"errorMessage": "Recorder is parked: ValueError", "sfnId": "arn:1"}


@on_dynamodb
@pytest.mark.parametrize("publish", ["publish", "publish_sync"])
def test_a_topic_that_is_gone_fails_nothing(make_service: Callable[..., Service], publish: str) -> None:
    service = make_service(topic_arn="arn:aws:sns:us-east-1:000000000000:gone")
    getattr(service, publish)()
    work(service, "apply")
    assert "sns:Publish" in service.wire.names()
    assert (service.row("command", "A1@1") or {})["status"] == "finish:FINISHED"
