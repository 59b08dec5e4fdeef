"""The notification queue: each status notification goes to the app's handlers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runtime.clients.request_ids import request_id_of
from runtime.contract import NOTIFICATION_ACTIONS
from runtime.errors import UnknownTriggerError
from runtime.imports import check_done, name_of
from runtime.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.clients.resources import Resources

    NotificationHandler = Callable[[Mapping[str, Any]], None]

__all__ = ["NotificationQueue", "log_notification", "notification_handlers", "notification_in"]


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
            UnknownTriggerError: The record is not a notification.
            ConfigurationError: A handler returned its work instead of doing it.
        """
        notification = notification_in(record)
        for handler in self._handlers:
            result: object = handler(notification)
            if result is not None:
                check_done(result, f"the notification handler {name_of(handler)}")


def notification_in(record: Mapping[str, Any]) -> dict[str, Any]:
    """The notification in one SQS record of a queue that has no handler of its own.

    Raises:
        UnknownTriggerError: There is none in it: the queue is no notification queue.
    """
    try:
        notification = json.loads(record["body"])
    except ValueError:
        notification = None
    if isinstance(notification, dict) and notification.get("action") in NOTIFICATION_ACTIONS:
        return notification
    msg = (
        f"message {record['messageId']} is no notification, which is a JSON object with an action "
        f"of {', '.join(NOTIFICATION_ACTIONS)}, and its queue has no handler; "
        "register one with app.on_queue"
    )
    raise UnknownTriggerError(msg)


def notification_handlers(
    resources: Resources, own: Sequence[NotificationHandler] | None
) -> tuple[NotificationHandler, ...]:
    """What the notification queue calls: the push, where it is deployed, then ``own``.

    Args:
        resources: They know whether there is a push.
        own: Handlers of the app. None means that each notification is logged.
    """
    push = (resources.realtime,) if resources.settings.realtime_endpoint else ()
    return (*push, *((log_notification,) if own is None else own))


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
