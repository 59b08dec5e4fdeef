"""The notification queue: handing status notifications to whoever passes them on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runtime.contract import NOTIFICATION_ACTIONS
from runtime.errors import UnknownEventError
from runtime.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    NotificationHandler = Callable[[Mapping[str, Any]], None]

__all__ = ["NotificationQueue", "log_notification", "request_id_of"]


class NotificationQueue:
    """Handles the messages of the notification queue.

    The queue is known by its messages, not by its name, which CloudFormation gives it: a
    message is a notification when its ``action`` is one that the topic lets through to the
    queue. Anything else is an error, so that it comes again and ends in the dead-letter
    queue.

    Args:
        handlers: Called with each notification, in order.
    """

    def __init__(self, handlers: Sequence[NotificationHandler]) -> None:
        self._handlers = tuple(handlers)

    def handle(self, record: Mapping[str, Any]) -> None:
        """Hand on the notification in one SQS record.

        Raises:
            UnknownEventError: It is none.
        """
        try:
            notification = json.loads(record["body"])
        except ValueError:
            notification = None
        if not isinstance(notification, dict) or notification.get("action") not in NOTIFICATION_ACTIONS:
            msg = (
                f"message {record['messageId']} is no notification, which is a JSON object with an action "
                f"of {', '.join(NOTIFICATION_ACTIONS)}, and its queue has no handler; "
                "register one with app.on_queue"
            )
            raise UnknownEventError(msg)
        for handler in self._handlers:
            handler(notification)


def request_id_of(notification: Mapping[str, Any]) -> str | None:
    """The request that a notification answers, for the log; None where a key is its id instead."""
    identifier, pk = notification.get("id"), notification.get("pk")
    return None if pk and str(pk) in str(identifier) else identifier


def log_notification(notification: Mapping[str, Any]) -> None:
    """Write which command reached which status to the log."""
    content = notification.get("content") or {}
    logger.info(
        "notification",
        action=notification["action"],
        request_id=request_id_of(notification),
        table=notification.get("table"),
        status=content.get("status"),
    )
