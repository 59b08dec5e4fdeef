"""Sending to, receiving from and deleting from SQS queues."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from runtime.clients.calls import Calls
from runtime.errors import BatchDeliveryError, CqrsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

__all__ = ["SqsMessage", "SqsService"]

_BATCH_ENTRIES: Final = 10
#: What every queue takes in one call.
_BATCH_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsMessage:
    """A message for a queue.

    Attributes:
        body: A text, which is sent as it is, or what JSON can hold.
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
        """The message as SQS's API wants it."""
        body = self.body if isinstance(self.body, str) else json.dumps(self.body, separators=(",", ":"))
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

    def send_message(self, queue_url: str, body: Any, **options: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
        """Send one message and return its id. ``options`` are the other fields of `SqsMessage`."""
        request = SqsMessage(body=body, **options).request
        with self._calls.writing() as sqs:
            return sqs.send_message(QueueUrl=queue_url, **request)["MessageId"]

    def send_message_batch(self, queue_url: str, messages: Sequence[SqsMessage]) -> list[str]:
        """Send any number of messages, in calls of at most ten, and return their ids in order.

        Raises:
            BatchDeliveryError: Some were not sent. All others are sent: send those again
                that ``failed`` names.
        """
        ids: dict[int, str] = {}
        failed: dict[int, str] = {}
        for entries in _batches(messages):
            try:
                with self._calls.writing() as sqs:
                    answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)  # type: ignore[arg-type]
            except CqrsError as error:
                if not ids:
                    raise
                failed |= dict.fromkeys(range(int(entries[0]["Id"]), len(messages)), str(error))
                break
            ids |= {int(done["Id"]): done["MessageId"] for done in answer.get("Successful", ())}
            failed |= _failures(answer.get("Failed", ()))
        if failed:
            operation = "SendMessageBatch"
            raise BatchDeliveryError(operation, failed)
        return [ids[position] for position in range(len(messages))]

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

        Raises:
            BatchDeliveryError: Some could not be deleted; they will be received again.
        """
        failed: dict[int, str] = {}
        for start in range(0, len(receipt_handles), _BATCH_ENTRIES):
            entries = [
                {"Id": str(position), "ReceiptHandle": handle}
                for position, handle in enumerate(receipt_handles[start : start + _BATCH_ENTRIES], start)
            ]
            try:
                with self._calls.writing() as sqs:
                    answer = sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)  # type: ignore[arg-type]
            except CqrsError as error:
                if not start:
                    raise
                failed |= dict.fromkeys(range(start, len(receipt_handles)), str(error))
                break
            failed |= _failures(answer.get("Failed", ()))
        if failed:
            operation = "DeleteMessageBatch"
            raise BatchDeliveryError(operation, failed)


def _batches(messages: Sequence[SqsMessage]) -> Iterator[list[dict[str, Any]]]:
    """Split into what one call may carry; the entries' ids are their positions."""
    batch: list[dict[str, Any]] = []
    size = 0
    for position, message in enumerate(messages):
        entry = {"Id": str(position), **message.request}
        length = _size(entry)
        if batch and (len(batch) == _BATCH_ENTRIES or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += length
    if batch:
        yield batch


def _size(entry: Mapping[str, Any]) -> int:
    attributes = (
        name + attribute["DataType"] + attribute["StringValue"]
        for name, attribute in entry.get("MessageAttributes", {}).items()
    )
    return sum(len(text.encode()) for text in (entry["MessageBody"], *attributes))


def _failures(failed: Any) -> dict[int, str]:  # noqa: ANN401 - boto3's own shape
    return {int(entry["Id"]): f"{entry['Code']} {entry.get('Message', '')}".strip() for entry in failed}
