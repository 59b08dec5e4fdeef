"""Putting notifications that could not be handled back into their queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from runtime.clients.sqs import SqsMessage
from runtime.contract import NOTIFICATION_ACTIONS
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.scope import Scope

__all__ = ["replay_notifications"]

_BATCH: Final = 10
#: Long enough that a call does not meet what it has left there; then it is visible again.
_HIDDEN_SECONDS: Final = 60


def replay_notifications(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """Move at most ``limit`` notifications from the dead-letter queue back to their queue.

    Only notifications are moved: alarms that a subscriber did not take end in the same
    dead-letter queue, and the notifier has no use for them. A message is deleted after it
    was sent, so a crash between the two tells a client twice.

    Raises:
        ConfigurationError: The function does not know the queues.
    """
    settings, sqs = scope.resources.settings, scope.resources.sqs
    source, target = settings.dead_letter_queue_url, settings.queue_url
    if source is None or target is None:
        msg = "DEAD_LETTER_QUEUE_URL and NOTIFICATION_QUEUE_URL must be set to replay notifications"
        raise ConfigurationError(msg)
    limit, moved, left_alone = arguments.limit(), 0, 0
    if arguments.flag("dryRun"):
        waiting = sqs.approximate_messages(source)
        return {"moved": min(limit, waiting), "left": max(0, waiting - limit)}
    while moved + left_alone < limit:
        messages = sqs.receive_messages(
            source,
            max_messages=min(_BATCH, limit - moved - left_alone),
            visibility_timeout=_HIDDEN_SECONDS,
        )
        if not messages:
            break
        notifications = [message for message in messages if _is_notification(message)]
        left_alone += len(messages) - len(notifications)
        if notifications:
            sqs.send_message_batch(target, [_again(message) for message in notifications])
            sqs.delete_message_batch(source, [message["ReceiptHandle"] for message in notifications])
        moved += len(notifications)
    return {"moved": moved, "left": sqs.approximate_messages(source)}


def _is_notification(message: Mapping[str, Any]) -> bool:
    try:
        body = json.loads(message["Body"])
    except ValueError:
        return False
    return isinstance(body, dict) and body.get("action") in NOTIFICATION_ACTIONS


def _again(message: Mapping[str, Any]) -> SqsMessage:
    attributes = message.get("MessageAttributes", {})
    texts = {n: a["StringValue"] for n, a in attributes.items() if a.get("DataType") == "String"}
    return SqsMessage(body=message["Body"], attributes=texts)
