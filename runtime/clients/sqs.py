"""Sending to, receiving from and deleting from SQS queues."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtime.clients.calls import Calls
from runtime.clients.sqs_batch import Batch
from runtime.errors import InvalidInputError
from runtime.model.json_text import message_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from runtime.clients.sqs_batch import Entry

__all__ = ["SqsMessage", "SqsService"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsMessage:
    """A message for a queue.

    Attributes:
        body: A text, which is sent as it is, or what an HTTP answer can hold: also models, Decimals,
            dates. With the attributes at most 1 MiB, or less where the queue says so.
        delay_seconds: How long it stays hidden, up to 900. Default: the queue's own delay.
        group_id: Group of a FIFO queue.
        deduplication_id: Makes a repeated message of a FIFO queue one message.
        attributes: Message attributes, all of type String.
    """

    body: Any
    delay_seconds: int | None = None
    group_id: str | None = None
    deduplication_id: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def request(self) -> dict[str, Any]:
        """The message as SQS's API wants it.

        Raises:
            InvalidInputError: The body has no JSON form.
        """
        body = self.body if isinstance(self.body, str) else message_text(self.body, field="body")
        request = {
            "MessageBody": body,
            "DelaySeconds": self.delay_seconds,
            "MessageGroupId": self.group_id,
            "MessageDeduplicationId": self.deduplication_id,
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": value} for name, value in self.attributes.items()
            },
        }
        return {name: value for name, value in request.items() if value not in (None, {})}


class SqsService:
    """Messages to and from queues.

    Example:
        >>> resources.sqs.send_message(queue_url, {"order": "A1"}, delay_seconds=60)

    Every method raises `StoreUnavailableError` where SQS is busy or out of reach and
    `StoreRefusedError` where it refuses the call; one that changes something raises
    `OutcomeUnknownError` where no answer came: it may have been done.

    Args:
        client: Makes the boto3 client.
    """

    def __init__(self, client: Callable[[], SQSClient]) -> None:
        self._calls = Calls("SQS", client)

    def send_message(self, queue_url: str, body: Any, **options: Any) -> str:  # noqa: ANN401 - whatever an HTTP answer can hold
        """Send one message and return its id. ``options`` are the other fields of `SqsMessage`.

        Raises:
            InvalidInputError: The body has no JSON form.
        """
        request = SqsMessage(body=body, **options).request
        with self._calls.writing() as sqs:
            return sqs.send_message(QueueUrl=queue_url, **request)["MessageId"]

    def send_message_batch(self, queue_url: str, messages: Sequence[SqsMessage]) -> list[str]:
        """Send any number of messages, in calls of at most ten, and return their ids in order.

        What is refused is refused alone: where SQS refuses a call as a whole, each of its messages
        is sent by itself. A call that fails for another reason fails alone, too; two of them in
        a row end it. In a FIFO queue the messages behind them in their groups are not sent
        either, so that each group stays in order.

        Raises:
            BatchDeliveryError: Some were not sent. All others are sent: send those again
                that ``failed`` names.
        """
        delivery = Batch("SendMessageBatch", ordered=queue_url.endswith(".fifo"))
        for position, message in enumerate(messages):
            try:
                delivery.add(position, message.request)
            except InvalidInputError as error:
                delivery.refuse(position, str(error))

        def send(entries: list[Entry]) -> Mapping[str, Any]:
            with self._calls.writing() as sqs:
                return sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)  # type: ignore[arg-type]

        done = delivery.run(send)
        return [done[position]["MessageId"] for position in range(len(messages))]

    def receive_messages(
        self,
        queue_url: str,
        *,
        max_messages: int = 10,
        wait_seconds: int = 0,
        visibility_timeout: int | None = None,
    ) -> list[MessageTypeDef]:
        """Take messages, which stay in the queue, hidden, until they are deleted.

        Args:
            queue_url: The queue.
            max_messages: At most so many, from 1 to 10.
            wait_seconds: How long to wait for the first one, up to 20.
            visibility_timeout: Seconds that they stay hidden. Default: the queue's own.
        """
        request: dict[str, Any] = {
            "QueueUrl": queue_url,
            "MaxNumberOfMessages": max_messages,
            "WaitTimeSeconds": wait_seconds,
            "MessageAttributeNames": ["All"],
            "MessageSystemAttributeNames": ["All"],
        }
        if visibility_timeout is not None:
            request["VisibilityTimeout"] = visibility_timeout
        # A message that is taken without an answer is hidden for a while, and comes again.
        with self._calls.reading() as sqs:
            return sqs.receive_message(**request).get("Messages", [])

    def approximate_messages(self, queue_url: str) -> int:
        """About how many messages are in a queue, those that are hidden or delayed among them."""
        names: list[Any] = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        with self._calls.reading() as sqs:
            found = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return sum(int(found.get(name, 0)) for name in names)

    def delete_message(self, queue_url: str, receipt_handle: str) -> None:
        """Delete a message that was received."""
        with self._calls.writing() as sqs:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=receipt_handle)

    def delete_message_batch(self, queue_url: str, receipt_handles: Sequence[str]) -> None:
        """Delete any number of messages that were received, in calls of at most ten.

        What is refused is refused alone, as in `send_message_batch`.

        Raises:
            BatchDeliveryError: Some could not be deleted; they will be received again.
        """
        delivery = Batch("DeleteMessageBatch")
        for position, handle in enumerate(receipt_handles):
            delivery.add(position, {"ReceiptHandle": handle})

        def delete(entries: list[Entry]) -> Mapping[str, Any]:
            with self._calls.writing() as sqs:
                return sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)  # type: ignore[arg-type]

        delivery.run(delete)
