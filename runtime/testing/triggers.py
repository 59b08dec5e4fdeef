"""What the queues, topics, buckets and event buses of a service's own deliver to its routes."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

from runtime.entry.trigger import TriggerSource, name_in_arn
from runtime.errors import ConfigurationError
from runtime.model.json_text import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.entry.app import CqrsApp
    from runtime.testing.clients import MemoryResources, QueuedMessage
    from runtime.testing.clock import Clock

__all__ = ["OwnTriggers"]

_REGION: Final = "eu-west-1"
_ACCOUNT: Final = "000000000000"
_ARNS: Final = {
    TriggerSource.SQS: f"arn:aws:sqs:{_REGION}:{_ACCOUNT}:",
    TriggerSource.SNS: f"arn:aws:sns:{_REGION}:{_ACCOUNT}:",
    TriggerSource.S3: "arn:aws:s3:::",
}
_KINDS: Final = {TriggerSource.SQS: "queue", TriggerSource.SNS: "topic", TriggerSource.S3: "bucket"}
#: Lambda's own for what it is invoked with asynchronously, and what a queue of the stack has.
_TRIES: Final = {TriggerSource.SQS: 4}
_TRIES_OF_A_CALL: Final = 3


@dataclass(frozen=True, slots=True)
class _Delivery:
    """What a function is to be called with, and what is left of it when all tries have failed."""

    event: dict[str, Any]
    content: Any


class OwnTriggers:
    """Delivers to the routes of an app what was sent to their queues, topics, buckets and buses.

    Args:
        app: The app.
        resources: Its clients, which keep what was sent.
        clock: What time it is.
        dead_letters: Gets what failed at every try.
    """

    def __init__(
        self, app: CqrsApp, resources: MemoryResources, clock: Clock, dead_letters: list[Any]
    ) -> None:
        self._app = app
        self._resources = resources
        self._clock = clock
        self._dead_letters = dead_letters
        self._waiting: deque[_Delivery] = deque()
        self._numbers = count(1)
        self._published = self._stored = 0

    def send(self, queue: str, body: Any, attributes: Mapping[str, str]) -> None:  # noqa: ANN401 - any JSON
        """Put a message into a queue that has a route."""
        arn = self._checked(TriggerSource.SQS, queue)
        self._resources.client("sqs").send_message(
            QueueUrl=f"https://sqs.{_REGION}.amazonaws.com/{_ACCOUNT}/{name_in_arn(arn)}",
            MessageBody=_text(body),
            MessageAttributes=_as_text(attributes),
        )

    def publish(self, topic: str, message: Any, attributes: Mapping[str, str]) -> None:  # noqa: ANN401
        """Publish a message to a topic that has a route."""
        self._resources.client("sns").publish(
            TopicArn=self._checked(TriggerSource.SNS, topic),
            Message=_text(message),
            MessageAttributes=_as_text(attributes),
        )

    def put_object(self, bucket: str, key: str, content: bytes | str) -> None:
        """Put an object into a bucket that has a route."""
        body = content.encode() if isinstance(content, str) else content
        name = name_in_arn(self._checked(TriggerSource.S3, bucket))
        self._resources.client("s3").put_object(Bucket=name, Key=key, Body=body)

    def put_event(self, source: str, detail_type: str, detail: Any) -> None:  # noqa: ANN401 - any JSON
        """Put an event on the bus."""
        if not self._app.has_bus_route(source, detail_type):
            msg = f"the app has no route for the event {detail_type!r} of {source!r}; see app.on_event"
            raise ConfigurationError(msg)
        event = {
            "version": "0",
            "id": f"event-{next(self._numbers)}",
            "source": source,
            "detail-type": detail_type,
            "account": _ACCOUNT,
            "region": _REGION,
            "time": self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "resources": [],
            "detail": json.loads(dumps(detail)),
        }
        self._waiting.append(_Delivery(event, event))

    def is_busy(self) -> bool:
        """Whether something is still to be delivered."""
        self._collect()
        return bool(self._waiting) or any(self._queues())

    def deliver(self) -> None:
        """Deliver what is there now; what the routes send meanwhile is there afterwards."""
        self._collect()
        waiting, self._waiting = self._waiting, deque()
        for delivery in waiting:
            self._call(delivery)
        for arn, url, messages in self._queues():
            for queued in messages:
                self._deliver_message(arn, url, queued)

    def _call(self, delivery: _Delivery) -> None:
        for _ in range(_TRIES_OF_A_CALL):
            try:
                self._app(delivery.event, None)
            except Exception:  # noqa: BLE001, S112 - as Lambda does with a call that nobody waits for
                continue
            return
        self._dead_letters.append(delivery.content)

    def _deliver_message(self, arn: str, url: str, queued: QueuedMessage) -> None:
        for _ in range(_TRIES[TriggerSource.SQS]):
            queued.times_received += 1
            if not self._app({"Records": [_sqs_record(arn, queued)]}, None)["batchItemFailures"]:
                break
        else:
            self._dead_letters.append(queued.message.text)
        self._resources.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=queued.id)

    def _queues(self) -> list[tuple[str, str, list[QueuedMessage]]]:
        """The queues that have a route and messages: ARN, URL, messages that nobody else has received."""
        found = []
        for url, queue in self._resources.queues.items():
            arn = self._route_arn(TriggerSource.SQS, url)
            waiting = [queued for queued in queue if not queued.is_hidden]
            if arn is not None and waiting:
                found.append((arn, url, waiting))
        return found

    def _collect(self) -> None:
        """Take what was published and stored since the last time, where a route is for it."""
        messages, objects = self._resources.messages, self._resources.object_events
        for message in messages[self._published :]:
            arn = self._route_arn(TriggerSource.SNS, message.to)
            if arn is not None:
                record = self._sns_record(arn, message.text, message.attributes)
                self._waiting.append(_Delivery({"Records": [record]}, message.text))
        for name, bucket, key, size in objects[self._stored :]:
            arn = self._route_arn(TriggerSource.S3, bucket)
            if arn is not None:
                record = self._s3_record(name, bucket, key, size)
                self._waiting.append(_Delivery({"Records": [record]}, record))
        self._published, self._stored = len(messages), len(objects)

    def _checked(self, source: TriggerSource, name: str) -> str:
        """ARN of what has a route.

        Raises:
            ConfigurationError: It has none.
        """
        arn = self._route_arn(source, name)
        if arn is None:
            known = sorted(self._app.names_with_route(source))
            msg = f"the app has no route for the {_KINDS[source]} {name!r}; it has some for {known}"
            raise ConfigurationError(msg)
        return arn

    def _route_arn(self, source: TriggerSource, name: str) -> str | None:
        """ARN of a queue, topic or bucket under which a route gets its messages; None without one.

        Args:
            source: What it is.
            name: Its name, its ARN, or the URL of a queue.
        """
        short = name_in_arn(name) if name.startswith("arn:") else name.rsplit("/", 1)[-1]
        for known in self._app.names_with_route(source):
            if known.startswith("arn:") and name_in_arn(known) == short:
                return known if known == name or not name.startswith("arn:") else None
            if known == short:
                return name if name.startswith("arn:") else _ARNS[source] + short
        return None

    def _sns_record(self, arn: str, text: str, attributes: Mapping[str, str]) -> dict[str, Any]:
        return {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": f"{arn}:subscription",
            "Sns": {
                "Type": "Notification",
                "MessageId": f"message-{next(self._numbers)}",
                "TopicArn": arn,
                "Subject": None,
                "Message": text,
                "Timestamp": self._timestamp(),
                "MessageAttributes": {
                    name: {"Type": "String", "Value": value} for name, value in attributes.items()
                },
            },
        }

    def _s3_record(self, event_name: str, bucket: str, key: str, size: int) -> dict[str, Any]:
        return {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": _REGION,
            "eventTime": self._timestamp(),
            "eventName": event_name,
            "s3": {
                "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                "object": {"key": quote_plus(key, safe="/"), "size": size},
            },
        }

    def _timestamp(self) -> str:
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _sqs_record(arn: str, queued: QueuedMessage) -> dict[str, Any]:
    return {
        "messageId": queued.id,
        "receiptHandle": queued.id,
        "body": queued.message.text,
        "attributes": {"ApproximateReceiveCount": str(queued.times_received)},
        "messageAttributes": {
            name: {"stringValue": value, "dataType": "String"}
            for name, value in queued.message.attributes.items()
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": _REGION,
    }


def _as_text(attributes: Mapping[str, str]) -> dict[str, Any]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}


def _text(content: Any) -> str:  # noqa: ANN401 - any JSON
    return content if isinstance(content, str) else dumps(content)
