"""A queue that listens to a topic."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

__all__ = ["subscribe_queue"]


def subscribe_queue(emulator: Emulator, topic_arn: str) -> tuple[str, str]:
    """Make a queue that the topic may send to, raw, and subscribe it: its URL, and the subscription's ARN."""
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName=f"inbox-{uuid.uuid4().hex}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    may = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    subscription = emulator.client("sns").subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true"},
        ReturnSubscriptionArn=True,
    )
    return url, subscription["SubscriptionArn"]
