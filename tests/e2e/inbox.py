"""What a topic of the deployed service tells, as somebody who listens to it hears it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.polling import wait_until
from tests.support.topic import subscribe_queue

if TYPE_CHECKING:
    from constructs_lib.local import Emulator


class Inbox:
    def __init__(self, emulator: Emulator, topic_arn: str) -> None:
        self._sqs, self._sns = emulator.client("sqs"), emulator.client("sns")
        self._url, self._subscription = subscribe_queue(emulator, topic_arn)
        #: Everything that was received.
        self.told: list[dict[str, Any]] = []

    def wait_until_told(self, sk: str, **content: Any) -> dict[str, Any]:
        """The message about a command with this content, whenever it comes or came."""

        def look() -> dict[str, Any] | None:
            self._take("")
            about = [
                body for body in self.told if body["sk"] == sk and content.items() <= body["content"].items()
            ]
            return about[0] if about else None

        found = wait_until(look, seconds=30)
        assert found
        return found

    def bodies(self) -> list[dict[str, Any]]:
        """Every message so far. None is taken away."""
        answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def wait_for(self, request_id: str) -> dict[str, Any]:
        found: dict[str, Any] = wait_until(lambda: self._take(request_id), seconds=20)
        return found

    def _take(self, request_id: str) -> dict[str, Any] | None:
        messages = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        bodies = [json.loads(message["Body"]) for message in messages]
        self.told += bodies
        return next((body for body in bodies if body["id"] == request_id), None)

    def close(self) -> None:
        self._sns.unsubscribe(SubscriptionArn=self._subscription)
        self._sqs.delete_queue(QueueUrl=self._url)
