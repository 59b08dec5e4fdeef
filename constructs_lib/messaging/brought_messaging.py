"""Topics and queues that were brought: what SNS, SQS or CDK would refuse later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import check_key
from constructs_lib.props.environments import check_environment, is_made_here, stack_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_sns as sns
    from aws_cdk import aws_sqs as sqs
    from constructs import Construct

__all__ = ["check_brought", "check_only_consumer", "check_senders"]

_CONSUMER: Final = "cqrs:consumer"


def check_brought(
    scope: Construct,
    *,
    topics: Mapping[str, sns.ITopic | None],
    queues: Mapping[str, sqs.IQueue | None],
    encryption_key: kms.IKey | None,
) -> None:
    """Refuse what is FIFO, or in another account or Region. Imported ones may be of another account.

    Args:
        scope: The construct that uses them.
        topics: Topics by the names of their properties.
        queues: Queues, likewise.
        encryption_key: The key of new topics.

    Raises:
        InvalidPropsError: One cannot be used.

    """
    for name, brought in {**topics, **queues}.items():
        if brought is not None:
            if brought.fifo:
                msg = (
                    f"{name} must not be FIFO, got {brought.node.path}; messages go out without a group: "
                    "bring a standard one"
                )
                raise InvalidPropsError(msg)
            check_environment(name, brought, scope, account_may_differ=True)
    check_key(scope, encryption_key)


def check_senders(
    scope: Construct, *, queue: sqs.IQueue | None, dead_letter_queue: sqs.IQueue | None
) -> None:
    """Refuse queues of another stack that a topic of this one would send to.

    The queue's policy names the topic, so the queue's stack would wait for this one, and this one for it.

    Args:
        scope: The construct that makes the topic.
        queue: A queue that a new topic sends to.
        dead_letter_queue: A queue that gets what a new topic could not deliver.

    Raises:
        InvalidPropsError: One is of another stack.

    """
    stack = stack_of(scope)
    for name, brought in {"queue": queue, "dead_letter_queue": dead_letter_queue}.items():
        if brought is not None and is_made_here(brought) and stack_of(brought) is not stack:
            msg = (
                f"{name} must be of {stack.node.path}, whose topics send to it, got {brought.node.path}; "
                f"make it there, bring topic and alarm_topic, too, or import it with "
                "sqs.Queue.from_queue_arn and a policy of its own that lets SNS send"
            )
            raise InvalidPropsError(msg)


def check_only_consumer(queue: sqs.IQueue, function: lambda_.IFunction) -> None:
    """Refuse a second function for a queue: each would get some of the messages, and none all.

    Raises:
        InvalidPropsError: The queue has a consumer.

    """
    known = next((entry.data for entry in queue.node.metadata if entry.type == _CONSUMER), None)
    if known is not None:
        msg = (
            f"queue must have one consumer, got {function.node.path} for {queue.node.path} beside {known}; "
            "give each service Notifications of its own on the same topic: "
            "notifications.for_service(self, 'Notifications', service='prod-shop')"
        )
        raise InvalidPropsError(msg)
    queue.node.add_metadata(_CONSUMER, function.node.path)
