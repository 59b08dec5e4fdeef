"""Which commands the notification topic has reported as finished: it bounds what is under way."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

from tests.support.topic import subscribe_queue

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

__all__ = ["StalledError", "Told"]

_ENTRIES = 10


class StalledError(Exception):
    """Accepted commands did not finish."""


class Told:
    """A client's queue at the topic. Use it in a ``with`` block; it reads in a thread of its own.

    Args:
        emulator: Where the topic is.
        topic_arn: The topic of the status notifications.
        window: How many commands may be under way.
        stall_seconds: How long `enter` waits.
    """

    def __init__(self, emulator: Emulator, topic_arn: str, window: int, stall_seconds: float) -> None:
        self._emulator = emulator
        self._sqs, self._sns = emulator.client("sqs"), emulator.client("sns")
        self._topic = topic_arn
        self._window = window
        self._stall_seconds = stall_seconds
        self._changed = threading.Condition()
        self._entered = 0
        self._stop = threading.Event()
        #: How often each command was reported, by partition and sort key, and its last status.
        self.times: Counter[tuple[str, str]] = Counter()
        self.statuses: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._url, self._subscription = subscribe_queue(self._emulator, self._topic)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._sns.unsubscribe(SubscriptionArn=self._subscription)
        self._sqs.delete_queue(QueueUrl=self._url)

    @property
    def under_way(self) -> int:
        """Commands that were let in and are not reported yet."""
        return self._entered - len(self.times)

    def enter(self) -> None:
        """Wait until another command may be published.

        Raises:
            StalledError: Nothing was reported for too long.
        """
        with self._changed:
            self._await(self._window - 1)
            self._entered += 1

    def leave(self) -> None:
        """The command that was let in was not accepted."""
        with self._changed:
            self._entered -= 1
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until every command is reported.

        Raises:
            StalledError: Nothing was reported for too long.
        """
        with self._changed:
            self._await(0)

    def _await(self, most: int) -> None:
        while self.under_way > most:
            before = len(self.times)
            if not self._changed.wait(self._stall_seconds) and len(self.times) == before:
                message = f"{self.under_way} commands under way; none finished in {self._stall_seconds:g} s"
                raise StalledError(message)

    def _read(self) -> None:
        while not self._stop.is_set():
            messages = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=_ENTRIES, WaitTimeSeconds=1
            ).get("Messages", [])
            if not messages:
                continue
            self._sqs.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(messages)
                ],
            )
            self._note([json.loads(message["Body"]) for message in messages])

    def _note(self, bodies: list[dict[str, Any]]) -> None:
        with self._changed:
            for body in bodies:
                self.times[body["pk"], body["sk"]] += 1
                self.statuses[body["content"]["status"]] += 1
            self._changed.notify_all()
