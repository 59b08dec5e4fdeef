"""The notification queue: handing status notifications to whoever passes them on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from runtime.errors import UnknownEventError
from runtime.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    NotificationHandler = Callable[[Mapping[str, Any]], None]

__all__ = ["NotificationQueue", "log_notification"]


class NotificationQueue:
    """Handles batches of the notification queue.

    A message that fails, or that is no notification, is reported, so that it comes again
    and ends in the dead-letter queue; the others of its batch are done.

    Args:
        handlers: Called with each notification, in order.
    """

    def __init__(self, handlers: Sequence[NotificationHandler]) -> None:
        self._handlers = tuple(handlers)
        self._processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)

    def process(self, event: dict[str, Any], context: Any) -> Any:  # noqa: ANN401 - Lambda's types
        """Handle one batch; the partial batch response."""
        return process_partial_response(
            event=event, record_handler=self._handle, processor=self._processor, context=context
        )

    def _handle(self, record: SQSRecord) -> None:
        try:
            notification = json.loads(record.body)
        except ValueError:
            notification = None
        if not isinstance(notification, dict) or "action" not in notification:
            msg = f"message {record.message_id} is no notification: it must be a JSON object with an action"
            raise UnknownEventError(msg)
        for handler in self._handlers:
            handler(notification)


def log_notification(notification: Mapping[str, Any]) -> None:
    """Write which command reached which status to the log."""
    content = notification.get("content") or {}
    logger.info(
        "notification",
        action=notification["action"],
        notification_id=notification.get("id"),
        table=notification.get("table"),
        status=content.get("status"),
    )
