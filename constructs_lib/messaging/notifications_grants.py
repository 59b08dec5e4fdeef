"""Permissions on the topics and queues of `Notifications`, by intent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_iam as iam

from constructs_lib.props.grants import READ_WITH_KEY, allow_key, combined

if TYPE_CHECKING:
    from aws_cdk import aws_sns as sns

    from constructs_lib.messaging.notifications import Notifications

__all__ = ["NotificationsGrants"]


class NotificationsGrants:
    """Permissions on the topics and queues of `Notifications`, with the use of their keys."""

    def __init__(self, notifications: Notifications) -> None:
        self._notifications = notifications

    def publish(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` publish status changes."""
        return self._publish(self._notifications.topic, grantee)

    def raise_alarm(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` publish alarms."""
        return self._publish(self._notifications.alarm_topic, grantee)

    def replay(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` see how full both queues are, and put dead letters back into the queue."""
        queue, dead_letters = self._notifications.queue, self._notifications.dead_letter_queue
        depth = "sqs:GetQueueAttributes"
        return combined(
            queue.grant(grantee, depth, "sqs:SendMessage"),
            dead_letters.grant(grantee, depth, "sqs:ReceiveMessage", "sqs:DeleteMessage"),
            *allow_key(grantee, queue.encryption_master_key, *READ_WITH_KEY, "kms:GenerateDataKey"),
            *allow_key(grantee, dead_letters.encryption_master_key, *READ_WITH_KEY),
        )

    def _publish(self, topic: sns.ITopic, grantee: iam.IGrantable) -> iam.Grant:
        # Not topic.grant_publish: that allows kms:GenerateDataKey*, of which SNS needs one.
        grant = iam.Grant.add_to_principal_or_resource(
            grantee=grantee, actions=["sns:Publish"], resource_arns=[topic.topic_arn], resource=topic
        )
        if (key := topic.master_key) is None:
            return grant
        return grant.combine(key.grant(grantee, "kms:Decrypt", "kms:GenerateDataKey"))
