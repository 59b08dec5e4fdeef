"""A subscription of a queue whose key its topic may have, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Names
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_sqs as sqs

__all__ = ["subscribe_encrypted_queue"]


def subscribe_encrypted_queue(
    topic: sns.ITopic,
    queue: sqs.Queue,
    *,
    filter_policy: Mapping[str, sns.SubscriptionFilter],
    dead_letter_queue: sqs.IQueue,
) -> sns.Subscription:
    """Do what CDK's ``SqsSubscription`` does, and leave the queue's key alone.

    CDK names the topic in the policy of the key. Where the topic has the same key, each would wait
    for the other; where the key is in another stack, the two stacks would. See `let_topics_use`.

    Args:
        topic: Where messages come from.
        queue: Where they go, as they are.
        filter_policy: Which of them.
        dead_letter_queue: Where those go that could not be delivered.

    """
    policy = queue.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["sqs:SendMessage"],
            principals=[iam.ServicePrincipal("sns.amazonaws.com")],
            resources=[queue.queue_arn],
            conditions={"ArnEquals": {"aws:SourceArn": topic.topic_arn}},
        )
    )
    subscription = sns.Subscription(
        queue,
        # As CDK names it, so that a subscription is not made anew when its queue gets a key.
        Names.node_unique_id(topic.node),
        topic=topic,
        endpoint=queue.queue_arn,
        protocol=sns.SubscriptionProtocol.SQS,
        raw_message_delivery=True,
        filter_policy=filter_policy,
        dead_letter_queue=dead_letter_queue,
    )
    if policy.policy_dependable is not None:
        subscription.node.add_dependency(policy.policy_dependable)
    return subscription
