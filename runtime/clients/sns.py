"""Publishing to SNS topics."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sns import SNSClient

    from runtime.clients.resources import Resources

__all__ = ["SnsService"]


class SnsService:
    """Messages to topics, as JSON, with the attribute ``action`` that subscriptions filter on.

    Example:
        >>> resources.sns.publish({"action": "order-paid", "id": "A1"})

    Args:
        resources: The default topic's ARN, and the client.
        patient: False gives up within 6 seconds where the topic does not answer.
    """

    def __init__(self, resources: Resources, *, patient: bool = True) -> None:
        self._resources = resources
        self._patient = patient

    @cached_property
    def _client(self) -> SNSClient:
        client: SNSClient = self._resources.client("sns", patient=self._patient)
        return client

    def publish(self, message: Mapping[str, Any], topic_arn: str | None = None) -> str:
        """Publish a message; its id.

        Args:
            message: What JSON can hold; ``action`` says what it is about.
            topic_arn: Topic. Default: ``SNS_TOPIC_ARN``.

        Raises:
            ConfigurationError: There is neither an ARN nor a default.
            InvalidInputError: The message has no ``action``.
        """
        topic_arn = topic_arn or self._resources.settings.topic_arn
        if topic_arn is None:
            msg = "No topic ARN provided or configured as default."
            raise ConfigurationError(msg)
        action = message.get("action")
        if not isinstance(action, str) or not action:
            hint = f"must be a text that subscriptions filter on, got {action!r}; name what has happened"
            raise InvalidInputError([FieldProblem("action", hint)])
        answer = self._client.publish(
            TopicArn=topic_arn,
            Message=json.dumps(message, separators=(",", ":")),
            MessageAttributes={"action": {"DataType": "String", "StringValue": action}},
        )
        return answer["MessageId"]
