"""What stands for the other services of AWS in a test: it keeps what it was sent.

They are called as boto3's clients are, by the runtime and by a service's own code. Each has the few
methods that the runtime calls, and the refusals that it counts on; anything else is an
`AttributeError`, not an answer that AWS would not give.
"""

# ruff: noqa: N803 - boto3's names

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, NoReturn

from botocore.exceptions import ClientError

from runtime import clock
from runtime.clients.realtime import AppSyncEventsTransport
from runtime.clients.resources import Resources
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from runtime.settings import Settings
    from runtime.store.memory import MemoryStore
    from runtime.testing.clock import Clock

__all__ = ["Email", "Execution", "MemoryResources", "Message", "QueuedMessage"]

_PLACEHOLDER: Final = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Message:
    """What was published to a topic, or sent to a queue.

    Attributes:
        to: ARN of the topic, or URL of the queue.
        text: The message.
        attributes: Its message attributes, those that are text.
    """

    to: str
    text: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> Any:  # noqa: ANN401 - whatever JSON can hold
        """The message, where it is JSON."""
        return json.loads(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """An e-mail that was sent. Of a template, with the names filled in."""

    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    subject: str
    html: str
    text: str | None
    attachments: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class Execution:
    """An execution of a state machine.

    Attributes:
        state_machine: ARN of the state machine.
        name: Its name.
        input: Its input.
        status: ``RUNNING``; that of a command also ``SUCCEEDED`` or ``FAILED``.
        error: Kind of the error that it failed with.
        started: When it was started.
        only_applies: Whether its state machine is that of modules without data sync handlers.
    """

    state_machine: str
    name: str
    input: Any
    status: str = "RUNNING"
    error: str | None = None
    started: datetime = field(default_factory=clock.now)
    only_applies: bool = False

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"{self.state_machine.replace(':stateMachine:', ':execution:')}:{self.name}"


class MemoryResources(Resources):
    """Settings, a store in memory, and what stands for the other services.

    Args:
        settings: The settings of the function.
        store: The tables.
        clock: What time it is.

    Attributes:
        messages: What was published to topics, in order.
        queues: What is in queues, by their URLs.
        emails: What was sent, in order.
        executions: What was started, in order.
        objects: What is in buckets, by bucket and key.
        object_events: What happened to objects, in order: event, bucket, key, and size in bytes.
        pushes: What was pushed to clients: channel and event, in order.
    """

    def __init__(self, settings: Settings, store: MemoryStore, clock: Clock) -> None:
        super().__init__(settings)
        self.__dict__["store"] = store  # in place of the cached property
        self.messages: list[Message] = []
        self.queues: dict[str, deque[QueuedMessage]] = {}
        self.emails: list[Email] = []
        self.executions: list[Execution] = []
        self.objects: dict[tuple[str, str], _Object] = {}
        self.object_events: list[tuple[str, str, str, int]] = []
        self.pushes: list[tuple[str, Mapping[str, Any]]] = []
        self._clients: dict[str, _Client] = {
            "sns": _Sns(self.messages),
            "sqs": _Sqs(self.queues),
            "sesv2": _Ses(self.emails),
            "stepfunctions": _StepFunctions(self.executions, settings.apply_machine_arn),
            "s3": _S3(self.objects, self.object_events, clock),
        }
        self.__dict__["realtime"] = _Realtime(settings, self.pushes)

    def client(self, service: str, *, patient: bool = True) -> Any:  # noqa: ANN401, ARG002 - as in the base class
        """What stands for a service.

        Raises:
            ConfigurationError: Nothing does.
        """
        if service not in self._clients:
            msg = f"{service} has no counterpart in memory; there are {', '.join(sorted(self._clients))}"
            raise ConfigurationError(msg)
        return self._clients[service]

    def take_over(self, resources: Resources) -> None:
        """Let other resources, such as those that a service made when it was imported, be these."""
        vars(resources).clear()
        vars(resources).update(vars(self), client=self.client)


class _Events:
    def register(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - botocore's
        """Nothing is on a wire here that could be listened to."""


class _Meta:
    events = _Events()


class _Client:
    """What all of boto3's clients have."""

    meta = _Meta()


class _Sns(_Client):
    def __init__(self, messages: list[Message]) -> None:
        self._messages = messages

    def publish(
        self,
        *,
        TopicArn: str,
        Message: str,
        MessageAttributes: Mapping[str, Any] | None = None,
    ) -> dict[str, str]:
        attributes = {name: value["StringValue"] for name, value in (MessageAttributes or {}).items()}
        self._messages.append(_message(TopicArn, Message, attributes))
        return {"MessageId": f"message-{len(self._messages)}"}


@dataclass(slots=True)
class QueuedMessage:
    """A message in a queue.

    Attributes:
        message: The message.
        id: Its id, and its receipt handle.
        times_received: How often it was received.
        is_hidden: Whether somebody has received it, and not deleted it yet.
    """

    message: Message
    id: str
    times_received: int = 0
    is_hidden: bool = False


class _Sqs(_Client):
    """Queues that exist on first use. A message that was received stays hidden until it is deleted."""

    def __init__(self, queues: dict[str, deque[QueuedMessage]]) -> None:
        self._queues = queues
        self._sent = 0

    def send_message(
        self,
        *,
        QueueUrl: str,
        MessageBody: str,
        MessageAttributes: Mapping[str, Any] | None = None,
        **_: Any,  # noqa: ANN401 - delays, groups
    ) -> dict[str, str]:
        self._sent += 1
        attributes = {name: value["StringValue"] for name, value in (MessageAttributes or {}).items()}
        queued = QueuedMessage(_message(QueueUrl, MessageBody, attributes), f"message-{self._sent}")
        self._queues.setdefault(QueueUrl, deque()).append(queued)
        return {"MessageId": queued.id}

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
        sent = [
            {"Id": entry["Id"], **self.send_message(QueueUrl=QueueUrl, **_without(entry, "Id"))}
            for entry in Entries
        ]
        return {"Successful": sent, "Failed": []}

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int = 1, **_: Any) -> dict[str, Any]:  # noqa: ANN401
        waiting = [queued for queued in self._queues.get(QueueUrl, ()) if not queued.is_hidden]
        taken = waiting[:MaxNumberOfMessages]
        for queued in taken:
            queued.is_hidden = True
            queued.times_received += 1
        return {"Messages": [_received(queued) for queued in taken]} if taken else {}

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:
        if not self._delete(QueueUrl, ReceiptHandle):
            _refuse("ReceiptHandleIsInvalid", "DeleteMessage")

    def delete_message_batch(self, *, QueueUrl: str, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
        done = {entry["Id"]: self._delete(QueueUrl, entry["ReceiptHandle"]) for entry in Entries}
        return {
            "Successful": [{"Id": name} for name, is_done in done.items() if is_done],
            "Failed": [
                {"Id": name, "Code": "ReceiptHandleIsInvalid", "SenderFault": True}
                for name, is_done in done.items()
                if not is_done
            ],
        }

    def get_queue_attributes(self, *, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: ANN401
        queue = self._queues.get(QueueUrl, ())
        hidden = sum(queued.is_hidden for queued in queue)
        return {
            "Attributes": {
                "ApproximateNumberOfMessages": str(len(queue) - hidden),
                "ApproximateNumberOfMessagesNotVisible": str(hidden),
                "ApproximateNumberOfMessagesDelayed": "0",
            }
        }

    def _delete(self, url: str, handle: str) -> bool:
        queue = self._queues.get(url, deque())
        for queued in list(queue):
            if queued.id == handle:
                queue.remove(queued)
                return True
        return False


class _Ses(_Client):
    """SES, where each address is verified, and each e-mail arrives."""

    def __init__(self, emails: list[Email]) -> None:
        self._emails = emails

    def send_email(
        self,
        *,
        FromEmailAddress: str,
        Destination: Mapping[str, list[str]],
        Content: Mapping[str, Any],
        **_: Any,  # noqa: ANN401 - tags, the address for answers
    ) -> dict[str, str]:
        self._emails.append(
            Email(
                sender=FromEmailAddress,
                to=tuple(Destination.get("ToAddresses", ())),
                cc=tuple(Destination.get("CcAddresses", ())),
                bcc=tuple(Destination.get("BccAddresses", ())),
                **_content(Content),
            )
        )
        return {"MessageId": f"email-{len(self._emails)}"}


class _StepFunctions(_Client):
    """Step Functions: a name starts one execution. `MemoryApp.deliver` runs those of commands."""

    def __init__(self, executions: list[Execution], apply_machine_arn: str | None) -> None:
        self._executions = executions
        self._apply_machine_arn = apply_machine_arn

    def start_execution(self, *, stateMachineArn: str, input: str, name: str = "") -> dict[str, str]:  # noqa: A002
        name = name or f"execution-{len(self._executions) + 1}"
        for known in self._executions:
            if (known.state_machine, known.name) == (stateMachineArn, name):
                if known.status == "RUNNING" and known.input == json.loads(input):
                    return {"executionArn": known.arn}
                _refuse("ExecutionAlreadyExists", "StartExecution")
        only_applies = stateMachineArn == self._apply_machine_arn
        started = Execution(stateMachineArn, name, json.loads(input), only_applies=only_applies)
        self._executions.append(started)
        return {"executionArn": started.arn}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        found = next((known for known in self._executions if known.arn == executionArn), None)
        if found is None:
            _refuse("ExecutionDoesNotExist", "DescribeExecution")
        return {"name": found.name, "status": found.status, "startDate": found.started}

    def list_executions(self, *, stateMachineArn: str, statusFilter: str, **_: Any) -> dict[str, Any]:  # noqa: ANN401
        found = [
            e for e in self._executions if (e.state_machine, e.status) == (stateMachineArn, statusFilter)
        ]
        return {"executions": [{"name": e.name, "status": e.status, "startDate": e.started} for e in found]}


@dataclass(frozen=True, slots=True)
class _Object:
    content: bytes
    content_type: str
    metadata: Mapping[str, str]
    modified: Any


class _S3(_Client):
    """Buckets, which exist on first use."""

    def __init__(
        self,
        objects: dict[tuple[str, str], _Object],
        events: list[tuple[str, str, str, int]],
        clock: Clock,
    ) -> None:
        self._objects = objects
        self._events = events
        self._clock = clock

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        ContentType: str = "binary/octet-stream",
        Metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._objects[Bucket, Key] = _Object(
            bytes(Body), ContentType, dict(Metadata or {}), self._clock.now()
        )
        self._events.append(("ObjectCreated:Put", Bucket, Key, len(Body)))

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        found = self._objects.get((Bucket, Key))
        if found is None:
            _refuse("NoSuchKey", "GetObject", 404)
        return {"Body": BytesIO(found.content), "ContentType": found.content_type, "Metadata": found.metadata}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        found = self._objects.get((Bucket, Key))
        if found is None:
            _refuse("404", "HeadObject", 404)
        return {"LastModified": found.modified, "Metadata": found.metadata, "ContentType": found.content_type}

    def delete_object(self, *, Bucket: str, Key: str) -> None:
        if self._objects.pop((Bucket, Key), None):
            self._events.append(("ObjectRemoved:Delete", Bucket, Key, 0))

    def list_objects_v2(
        self,
        *,
        Bucket: str,
        Prefix: str = "",
        StartAfter: str = "",
        MaxKeys: int = 1000,
    ) -> dict[str, Any]:
        keys = sorted(
            key
            for bucket, key in self._objects
            if bucket == Bucket and key.startswith(Prefix) and key > StartAfter
        )
        shown = [
            {"Key": key, "LastModified": found.modified, "Size": len(found.content)}
            for key in keys[:MaxKeys]
            for found in (self._objects[Bucket, key],)
        ]
        return {
            "IsTruncated": len(keys) > MaxKeys,
            "KeyCount": len(shown),
            **({"Contents": shown} if shown else {}),
        }

    def get_paginator(self, operation: str) -> _Pages:
        return _Pages(getattr(self, operation))


class _Pages:
    def __init__(self, operation: Callable[..., dict[str, Any]]) -> None:
        self._operation = operation

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - boto3's
        while True:
            page = self._operation(**request)
            yield page
            if not page["IsTruncated"]:
                return
            request["StartAfter"] = page["Contents"][-1]["Key"]


class _Realtime(AppSyncEventsTransport):
    """The push, which arrives in a list."""

    def __init__(self, settings: Settings, pushes: list[tuple[str, Mapping[str, Any]]]) -> None:
        super().__init__(settings)
        self._pushes = pushes

    def publish(self, channel: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Keep the events."""
        self._pushes += [(channel, event) for event in events]


def _message(to: str, text: str, attributes: Mapping[str, str]) -> Message:
    return Message(to, text, attributes)


def _received(queued: QueuedMessage) -> dict[str, Any]:
    attributes = {
        name: {"DataType": "String", "StringValue": value}
        for name, value in queued.message.attributes.items()
    }
    return {
        "MessageId": queued.id,
        "ReceiptHandle": queued.id,
        "Body": queued.message.text,
        "Attributes": {"ApproximateReceiveCount": str(queued.times_received)},
        **({"MessageAttributes": attributes} if attributes else {}),
    }


def _content(content: Mapping[str, Any]) -> dict[str, Any]:
    """Subject, bodies and attachments of an e-mail, however it was given to SES."""
    if "Raw" in content:
        parsed = message_from_bytes(content["Raw"]["Data"], policy=policy.default)
        html, text = parsed.get_body(("html",)), parsed.get_body(("plain",))
        return {
            "subject": parsed["Subject"],
            "html": html.get_content().removesuffix("\n") if html else "",
            "text": text.get_content().removesuffix("\n") if text else None,
            "attachments": tuple(
                (part.get_filename() or "", part.get_payload(decode=True))
                for part in parsed.iter_attachments()
            ),
        }
    if "Simple" in content:
        body = content["Simple"]["Body"]
        return {
            "subject": content["Simple"]["Subject"]["Data"],
            "html": body["Html"]["Data"],
            "text": body["Text"]["Data"] if "Text" in body else None,
        }
    template = content["Template"]["TemplateContent"]
    data = json.loads(content["Template"]["TemplateData"])
    return {
        "subject": _filled(template["Subject"], data),
        "html": _filled(template["Html"], data),
        "text": _filled(template["Text"], data) if "Text" in template else None,
    }


def _filled(template: str, data: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in data:
            _refuse("BadRequestException", "SendEmail")
        return str(data[match[1]])

    return _PLACEHOLDER.sub(value, template)


def _without(entry: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != name}


def _refuse(code: str, operation: str, status: int = 400) -> NoReturn:
    raise ClientError(
        {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        operation,
    )
