"""Notifications hold nobody up: not where their topic is down, and not where it hangs."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from runtime import Resources, Settings, metrics
from runtime.clients.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPIC = "arn:aws:sns:us-east-1:000000000000:t"
COMMAND = {"pk": "TODO#acme", "sk": "A1@1", "requestId": "req-1", "source": None}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    counted: list[str] = []
    monkeypatch.setattr(metrics, "count", lambda metric, *_: counted.append(metric))
    return counted


@pytest.fixture
def hanging() -> Iterator[str]:
    """Takes connections, and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def at(endpoint: str) -> Resources:
    return Resources(
        Settings(
            topic_arn=TOPIC,
            alarm_topic_arn=TOPIC,
            endpoints={"SNS": endpoint},
            regions={"SNS": "us-east-1"},
        )
    )


def tell(resources: Resources) -> None:
    resources.notifier.command_status("todo-command", COMMAND, "finish:FINISHED")


def test_all_messages_to_a_topic_that_hangs_take_a_second_together(hanging: str, lost: list[str]) -> None:
    resources = at(hanging)
    resources.notifier._client()  # noqa: SLF001 - importing boto3 is not what is measured
    started = time.monotonic()
    for _ in range(20):
        tell(resources)
    assert time.monotonic() - started < 1
    assert lost == [metrics.NOTIFICATIONS_LOST] * 20


def test_so_do_those_of_many_threads(hanging: str, lost: list[str]) -> None:
    resources = at(hanging)
    resources.notifier._client()  # noqa: SLF001
    started = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        for _ in range(24):
            threads.submit(tell, resources)
    assert time.monotonic() - started < 1
    assert lost == [metrics.NOTIFICATIONS_LOST] * 24


def test_an_alarm_is_worth_a_second_try_all_the_same(hanging: str, lost: list[str]) -> None:
    resources = at(hanging)
    resources.notifier._client()  # noqa: SLF001
    tell(resources)
    started = time.monotonic()
    resources.notifier.alarm("todo", "TODO#acme", "A1@1", "not applied", None)
    assert 0.9 < time.monotonic() - started < 2
    assert lost == [metrics.NOTIFICATIONS_LOST] * 2


def test_a_topic_that_is_not_there_costs_nothing(lost: list[str]) -> None:
    resources = Resources(Settings())
    tell(resources)
    resources.notifier.alarm("todo", "TODO#acme", "A1@1", "not applied", None)
    assert lost == []


class Timed:
    """A patience whose clock is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("runtime.clients.patience.time", SimpleNamespace(monotonic=lambda: self.now))
        self.patience = Patience()

    def call(self, seconds: float) -> bool:
        """Make a call that takes so long; whether another may follow at once."""
        with self.patience.spending():
            self.now += seconds
        return self.patience.is_left


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Timed:
    return Timed(monkeypatch)


def test_fast_calls_do_not_count_however_many_there_are(timed: Timed) -> None:
    assert all(timed.call(0.09) for _ in range(1000))


def test_after_a_call_that_hangs_there_is_none_for_a_minute(timed: Timed) -> None:
    assert not timed.call(0.8)
    timed.now += 59
    assert not timed.patience.is_left
    timed.now += 1
    assert timed.patience.is_left
    assert not timed.call(0.8), "a minute begins with each"


def test_slow_calls_share_a_budget(timed: Timed) -> None:
    assert timed.call(0.4), "the first one has to connect"
    assert timed.call(0.15)
    assert not timed.call(0.15)
    timed.now += 9.8
    assert timed.patience.is_left
    assert timed.call(0.15), "a new while has begun"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_call_that_fails_takes_time_as_well(timed: Timed, error: Any) -> None:
    def fail() -> None:
        with timed.patience.spending():
            timed.now += 0.8
            raise error

    with pytest.raises(error):
        fail()
    assert not timed.patience.is_left
