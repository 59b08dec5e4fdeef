"""Publishing to SNS topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime.clients.calls import Calls
from runtime.contract import NOTIFICATION_SERVICE, metric_service
from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.model.json_text import message_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_sns import SNSClient

    from runtime.settings import Settings

__all__ = ["SnsService"]

#: Text and attributes of one message together, where the topic says so: by default it is a quarter.
_MAX_BYTES: Final = 1024 * 1024


class SnsService:
    """Messages to topics, as JSON, with the attributes that subscriptions filter on.

    They are ``action``, and ``service``, such as "prod-shop", where stage and name of the service are
    known: services that share a topic tell their messages apart by it.

    Example:
        >>> resources.sns.publish({"action": "order-paid", "id": "A1"})

    Args:
        settings: They name the default topic.
        client: Makes the boto3 client.
    """

    def __init__(self, settings: Settings, client: Callable[[], SNSClient]) -> None:
        self._settings = settings
        self._calls = Calls("SNS", client)
        stage, app = settings.node_env, settings.app_name
        self._service = {NOTIFICATION_SERVICE: metric_service(stage, app)} if stage and app else {}

    def publish(self, message: Mapping[str, Any], topic_arn: str | None = None) -> str:
        """Publish a message and return its id.

        Args:
            message: What an HTTP answer can hold, Decimals, dates and models among it; ``action``
                says what it is about. As JSON it has at most 256 KiB, or what the topic's
                ``MaximumMessageSize`` says, up to 1 MiB.
            topic_arn: Topic. Default: ``SNS_TOPIC_ARN``.

        Raises:
            ConfigurationError: There is neither an ARN nor a default.
            InvalidInputError: The message has no ``action``, is too long, or has no JSON form.
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
        text = message_text(message, field="message")
        attributes = {"action": action, **self._service}
        beside = sum(len(name) + len("String") + len(value.encode()) for name, value in attributes.items())
        if (size := len(text) + beside) > _MAX_BYTES:
            hint = f"must be at most {_MAX_BYTES} bytes with its action, got {size}; send a reference instead"
            raise InvalidInputError([FieldProblem("message", hint)])
        with self._calls.writing() as sns:
            answer = sns.publish(
                TopicArn=topic_arn,
                Message=text,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
        return answer["MessageId"]
