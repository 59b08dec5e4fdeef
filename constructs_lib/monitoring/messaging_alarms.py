"""Alarms of what clients and other systems are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    if notifications.alarms_only:
        yield from _of_alarms(notifications, metrics, thresholds)
        return
    if thresholds.dead_letters is not None:
        yield Watched(
            name="DeadLetters",
            metric=notifications.metric_dead_letters(period=FIVE_MINUTES),
            threshold=thresholds.dead_letters,
            means="Messages that could not be handled or delivered are in the dead-letter queue. "
            "They are deleted after 14 days.",
            next_step="the log of the notifier; mend the cause, then 'cqrs replay-dlq'",
            is_state=True,
        )
    if thresholds.oldest_notification is not None:
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
            means="Notifications could not be sent: the topic was not reached, or a tenant has no channel. "
            "The commands themselves are applied; clients see it when they read.",
            next_step="look for 'notification not' in the logs of api, stream, worker and notifier",
        )


def _of_alarms(
    notifications: Notifications, metrics: ServiceMetrics, thresholds: AlarmThresholds
) -> Iterator[Watched]:
    """Watch the way of the alarms, where there are no notifications of clients."""
    if thresholds.dead_letters is not None and notifications.has_dead_letter_queue:
        yield Watched(
            name="DeadLetters",
            metric=notifications.metric_dead_letters(period=FIVE_MINUTES),
            threshold=thresholds.dead_letters,
            means="Alarms that a subscriber did not take are in the dead-letter queue. They are deleted "
            "after 14 days.",
            next_step="the messages in that queue, which say who did not take them; then the subscription",
            is_state=True,
        )
    if thresholds.notifications_lost is not None:
        yield Watched(
            name="NotificationsLost",
            metric=metrics.of_module(Metric.NOTIFICATIONS_LOST),
            threshold=thresholds.notifications_lost,
            means="Alarms of parked event handlers could not be sent: the topic was not reached. The "
            "handlers are parked all the same.",
            next_step="'cqrs status', which names what is parked; then 'notification not sent' in the log of "
            "projector",
        )
