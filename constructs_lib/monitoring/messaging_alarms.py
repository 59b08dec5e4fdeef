"""Alarms of what clients and other systems are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from constructs_lib.monitoring.shared_alarms import Told
from constructs_lib.monitoring.watched import FIVE_MINUTES, Watched
from runtime.contract import Metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.messaging.notifications import Notifications
    from constructs_lib.monitoring.alarm_thresholds import AlarmThresholds
    from constructs_lib.monitoring.service_metrics import ServiceMetrics

__all__ = ["messaging_alarms"]


def messaging_alarms(
    notifications: Notifications, metrics: ServiceMetrics, thresholds: AlarmThresholds
) -> Iterator[Watched]:
    """Watch the queue of notifications, its dead letters, and what was never sent."""
    told = _of_alarms() if notifications.alarms_only else _of_notifications()
    if thresholds.dead_letters is not None and notifications.has_dead_letter_queue:
        yield Watched(
            name="DeadLetters",
            metric=notifications.metric_dead_letters(period=FIVE_MINUTES),
            threshold=thresholds.dead_letters,
            means=told.dead.means,
            next_step=told.dead.next_step,
            is_state=True,
        )
    if thresholds.oldest_notification is not None and not notifications.alarms_only:
        yield Watched(
            name="OldestNotification",
            metric=notifications.metric_oldest_message(period=FIVE_MINUTES),
            threshold=thresholds.oldest_notification.to_seconds(),
            means="Notifications wait in their queue: the notifier fails, is throttled or is too slow. "
            "Clients see the outcome of their commands late.",
            next_step="'cqrs status', then the log of the notifier",
            is_state=True,
        )
    if thresholds.notifications_lost is not None:
        yield Watched(
            name="NotificationsLost",
            metric=metrics.of_module(Metric.NOTIFICATIONS_LOST),
            threshold=thresholds.notifications_lost,
            means=told.lost.means,
            next_step=told.lost.next_step,
        )


class _Texts(NamedTuple):
    dead: Told
    lost: Told


def _of_notifications() -> _Texts:
    return _Texts(
        dead=Told(
            "Messages that could not be handled or delivered are in the dead-letter queue. They are deleted "
            "after 14 days.",
            "the log of the notifier; mend the cause, then 'cqrs replay-dlq'",
        ),
        lost=Told(
            "Notifications could not be sent: the topic was not reached, or a tenant has no channel. The "
            "commands themselves are applied; clients see it when they read.",
            "look for 'notification not' in the logs of api, stream, worker and notifier",
        ),
    )


def _of_alarms() -> _Texts:
    """What it means where there are alarms only."""
    return _Texts(
        dead=Told(
            "Alarms that a subscriber did not take are in the dead-letter queue. They are deleted after 14 "
            "days.",
            "the messages in that queue, which say who did not take them; then the subscription",
        ),
        lost=Told(
            "Alarms of parked event handlers could not be sent: the topic was not reached. The handlers are "
            "parked all the same.",
            "'cqrs status', which names what is parked; then 'notification not sent' in the log of projector",
        ),
    )
