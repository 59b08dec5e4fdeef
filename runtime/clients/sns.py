"""Publishing to SNS topics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runtime.clients.calls import Calls
from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_sns import SNSClient

    from runtime.settings import Settings

__all__ = ["SnsService"]


class SnsService:
    """Messages to topics, as JSON, with the attribute ``action`` that subscriptions filter on.

    Example:
        >>> resources.sns.publish({"action": "order-paid", "id": "A1"})

    Args:
        settings: They name the default topic.
        client: Makes the boto3 client.
    """

    def __init__(self, settings: Settings, client: Callable[[], SNSClient]) -> None:
        self._settings = settings
        self._calls = Calls("SNS", client)

    def publish(self, message: Mapping[str, Any], topic_arn: str | None = None) -> str:
        """Publish a message and return its id.

        Args:
            message: What JSON can hold; ``action`` says what it is about.
            topic_arn: Topic. Default: ``SNS_TOPIC_ARN``.

        Raises:
            ConfigurationError: There is neither an ARN nor a default.
            InvalidInputError: The message has no ``action``.
            StoreUnavailableError: SNS is busy or out of reach; nothing was published.
            StoreRefusedError: SNS refuses the call; nothing was published.
            OutcomeUnknownError: No answer came: the message may have been published.
        """
        topic_arn = topic_arn or self._settings.topic_arn
        if topic_arn is None:
            msg = "No topic ARN provided or configured as default."
            raise ConfigurationError(msg)
        action = message.get("action")
        if not isinstance(action, str) or not action:
            hint = f"must be a text that subscriptions filter on, got {action!r}; name what has happened"
            raise InvalidInputError([FieldProblem("action", hint)])
        with self._calls.writing() as sns:
            answer = sns.publish(
                TopicArn=topic_arn,
                Message=json.dumps(message, separators=(",", ":")),
                MessageAttributes={"action": {"DataType": "String", "StringValue": action}},
            )
        return answer["MessageId"]
