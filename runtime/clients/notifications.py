"""What the outside world is told: one message for each final status, and alarms.

Messages go out after the commit. A topic that is down or slow never fails a command. Where a client
waits for the answer, a message is sent by a thread, and waited for half a second at most: a slow
topic gets it all the same, a little later. Elsewhere a topic that hangs gets no messages for a
minute; they are lost, and counted.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

from cachetools import LRUCache

from runtime import clock, metrics
from runtime.clients.patience import Patience
from runtime.clients.sns import SnsService
from runtime.contract import NO_MODULE
from runtime.log import logger
from runtime.model.keys import get_tenant_code, remove_sort_key_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_sns import SNSClient

    from runtime.settings import Settings
    from runtime.store.values import Row

__all__ = ["ACTION_ALARM", "ACTION_COMMAND_STATUS", "Notifier", "waited_for"]

ACTION_COMMAND_STATUS: Final = "command-status"
ACTION_ALARM: Final = "sfn-alarm"
_TRIES_OF_AN_ALARM: Final = 2
#: What all messages of a call that a client waits for may hold it up, in seconds.
_WAIT: Final = 0.5
#: More than that many messages are not kept for a topic that does not take them.
_MOST_WAITING: Final = 50
#: Seconds after the last one like it; and after an alarm, however many there are.
_SILENCE: Final = 60
_LONGEST_SILENCE: Final = 900
_MOST_TROUBLES: Final = 1000

_waited: ContextVar[list[float] | None] = ContextVar("waited", default=None)


@contextmanager
def waited_for() -> Iterator[None]:
    """A call that a client waits for: its messages hold it up for half a second together at most."""
    token = _waited.set(_waited.get() or [0.0])
    try:
        yield
    finally:
        _waited.reset(token)


@dataclass(frozen=True, slots=True)
class _Told:
    """An alarm: of which aggregate, and when it and the last one like it came, in seconds since 1970."""

    sk: str
    first: float
    last: float


class Notifier:
    """The topics for status notifications and for alarms.

    Args:
        settings: They name the topics. One that is not set gets no messages.
        client: Makes a boto3 client that gives up within some seconds.
    """

    def __init__(self, settings: Settings, client: Callable[[], SNSClient]) -> None:
        self._settings = settings
        self._client = cache(client)
        self._sns = SnsService(settings, self._client)
        self._patience = Patience()
        self._waiting: set[Future[None]] = set()
        self._told: LRUCache[tuple[str, str, str], _Told] = LRUCache(_MOST_TROUBLES)

    def connect(self) -> None:
        """Make the client now, before the first message; no call. Nothing where there is no topic."""
        if self._settings.topic_arn or self._settings.alarm_topic_arn:
            self._client()

    def command_status(self, table: str, command: Row, status: str) -> None:
        """Tell the clients that a command has reached its final status.

        The id is the request id, so that the client which sent the request finds its answer.
        """
        pk, sk = command["pk"], command["sk"]
        self._send(
            {
                "action": ACTION_COMMAND_STATUS,
                "id": _text(command, "requestId") or f"{table}#{pk}#{sk}",
                "table": table,
                "pk": pk,
                "sk": sk,
                "tenantCode": get_tenant_code(pk) or "",  # without one it is nobody's
                "content": {"status": status, "source": _text(command, "source")},
            }
        )

    def alarm(self, module: str, pk: str, sk: str, error: str, execution_id: str | None) -> None:
        """Tell the operators that a command needs them, unless they were told of others like it just now.

        A handler that is down, or a value that it cannot take, stops the commands of many users at
        once. Their rows say so one by one, and the metrics count them; of a partition's, an alarm
        goes out for the first one, then none for as long as others follow within a minute, or for a
        quarter of an hour. Each instance of a function keeps count for itself.

        Args:
            module: Module of the command.
            pk: Partition key of the command.
            sk: Sort key of the command, with its version.
            error: Kind of error. Never its text, which may quote the data.
            execution_id: ARN of the execution that gave up.
        """
        if not self._is_news(module, pk, remove_sort_key_version(sk), error):
            return
        message = {
            "action": ACTION_ALARM,
            "id": f"{pk}#{remove_sort_key_version(sk)}",
            "table": module,
            "pk": pk,
            "sk": sk,
            "tenantCode": get_tenant_code(pk) or "",  # without one it is nobody's
            "content": {"errorMessage": error, "sfnId": execution_id},
        }
        # Not one of many, and no client waits for it: always worth a try, and a second one.
        self._publish(self._settings.alarm_topic_arn, message, tries=_TRIES_OF_AN_ALARM)

    def _send(self, message: dict[str, Any]) -> None:
        topic_arn, spent = self._settings.topic_arn, _waited.get()
        if topic_arn is None:
            return
        self._waiting = {sending for sending in self._waiting if not sending.done()}
        if not self._patience.is_left or len(self._waiting) >= _MOST_WAITING:
            metrics.count(metrics.NOTIFICATIONS_LOST, NO_MODULE)
        elif spent is None:
            self._publish(topic_arn, message)
        else:
            self._client()  # made before the clock runs: that takes a small function a while
            started = time.monotonic()
            sending = self._threads.submit(self._publish, topic_arn, message)
            self._waiting.add(sending)
            try:
                sending.result(timeout=max(0.0, _WAIT - spent[0]))
            except StillWaiting:
                logger.warning("notification is slow", action=message["action"])
            spent[0] += time.monotonic() - started

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(2)

    def _is_news(self, module: str, pk: str, sk: str, error: str) -> bool:
        now, trouble = clock.seconds(), (module, pk, error)
        told = self._told.get(trouble)
        # A task that died with the message half-way may tell of its own aggregate again.
        if told is None or told.sk == sk or now > min(told.last + _SILENCE, told.first + _LONGEST_SILENCE):
            self._told[trouble] = _Told(sk, now, now)
            return True
        self._told[trouble] = replace(told, last=now)
        return False

    def _publish(self, topic_arn: str | None, message: dict[str, Any], *, tries: int = 1) -> None:
        if topic_arn is None:
            return
        problem = ""
        for _ in range(tries):
            try:
                self._client()  # made before the clock runs: that takes a small function a while
                with self._patience.spending():
                    self._sns.publish(message, topic_arn)
            except Exception as error:  # noqa: BLE001 - the command is committed; telling must not fail it
                problem = type(error).__name__
            else:
                return
        metrics.count(metrics.NOTIFICATIONS_LOST, NO_MODULE)
        logger.error("notification not sent", action=message["action"], error=problem)


def _text(row: Row, column: str) -> str | None:
    value = row.get(column)
    return value if isinstance(value, str) else None
