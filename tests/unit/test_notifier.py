"""Notifications hold nobody up: not where their topic is down, and not where it hangs."""

from __future__ import annotations

import socket
import threading
from collections import defaultdict
from concurrent.futures import Future
from threading import Event
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from runtime import Resources, Settings, metrics
from runtime.clients.notifications import waited_for
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
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Takes connections, and never answers; the SDK gives up soon, so that the test ends."""
    monkeypatch.setattr("runtime.clients.resources._SHORT_READ_SECONDS", 0.7)
    monkeypatch.setattr("runtime.clients.resources._FEW_ATTEMPTS", 1)
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


def end(resources: Resources) -> None:
    """Let no thread of this test count in the next one."""
    resources.notifier._threads.shutdown(wait=True, cancel_futures=True)  # noqa: SLF001


def tell(resources: Resources) -> None:
    resources.notifier.command_status("todo-command", COMMAND, "finish:FINISHED")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[float]]:
    """How long each thread was ready to wait for messages, in seconds, however fast the machine is."""
    found: dict[int, list[float]] = defaultdict(list)
    result = Future.result

    def waiting(self: Future[Any], timeout: float | None = None) -> Any:
        if timeout is not None:
            found[threading.get_ident()].append(timeout)
        return result(self, timeout)

    monkeypatch.setattr(Future, "result", waiting)
    return found


def test_all_messages_of_a_call_to_a_topic_that_hangs_take_half_a_second_together(
    hanging: str, waits: dict[int, list[float]]
) -> None:
    resources = at(hanging)
    with waited_for():
        for _ in range(20):
            tell(resources)
    (mine,) = waits.values()
    assert 0.45 < sum(mine) < 0.55
    end(resources)


def test_so_do_those_of_many_calls_at_once(hanging: str, waits: dict[int, list[float]]) -> None:
    resources = at(hanging)

    def call() -> None:
        with waited_for():
            tell(resources)
            tell(resources)

    threads = [threading.Thread(target=call) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waits
    assert max(map(sum, waits.values())) < 0.55
    end(resources)


def test_a_slow_topic_gets_the_message_a_little_later(
    monkeypatch: pytest.MonkeyPatch, lost: list[str]
) -> None:
    resources, sent = at("http://127.0.0.1:9"), Event()
    go_on = Event()

    def publish(*_: Any) -> None:
        go_on.wait(10)
        sent.set()

    monkeypatch.setattr(resources.notifier._sns, "publish", publish)  # noqa: SLF001
    with waited_for():
        tell(resources)
    assert not sent.is_set()
    go_on.set()
    assert sent.wait(10)
    assert lost == []


def test_messages_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch, lost: list[str]) -> None:
    resources, go_on = at("http://127.0.0.1:9"), Event()
    monkeypatch.setattr(resources.notifier._sns, "publish", lambda *_: go_on.wait(10))  # noqa: SLF001
    with waited_for():
        for _ in range(60):
            tell(resources)
    assert lost == [metrics.NOTIFICATIONS_LOST] * 10
    go_on.set()
    end(resources)


def test_where_nobody_waits_a_topic_that_hung_gets_no_messages_for_a_while(
    monkeypatch: pytest.MonkeyPatch, lost: list[str]
) -> None:
    resources = at("http://127.0.0.1:9")
    now, tries = [100.0], []

    def hang(*_: Any) -> None:
        tries.append(now[0])
        now[0] += 5
        raise TimeoutError

    monkeypatch.setattr("runtime.clients.patience.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(resources.notifier._sns, "publish", hang)  # noqa: SLF001
    for _ in range(20):
        tell(resources)
    assert len(tries) == 1
    assert lost == [metrics.NOTIFICATIONS_LOST] * 20
    now[0] += 60
    tell(resources)
    assert len(tries) == 2


def test_an_alarm_is_worth_a_second_try_all_the_same(
    monkeypatch: pytest.MonkeyPatch, lost: list[str]
) -> None:
    resources, tries = at("http://127.0.0.1:9"), []

    def hang(*_: Any) -> None:
        tries.append(1)
        raise TimeoutError

    monkeypatch.setattr(resources.notifier._sns, "publish", hang)  # noqa: SLF001
    resources.notifier.alarm("todo", "TODO#acme", "A1@1", "not applied", None)
    assert len(tries) == 2
    assert lost == [metrics.NOTIFICATIONS_LOST]


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
    assert all(timed.call(0.4) for _ in range(1000))


def test_slow_calls_share_ten_seconds_a_minute(timed: Timed) -> None:
    assert all(timed.call(2) for _ in range(4))
    assert not timed.call(2)
    timed.now += 49
    assert not timed.patience.is_left
    timed.now += 1
    assert timed.patience.is_left
    assert timed.call(2), "a new minute has begun"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_a_call_that_hangs_there_is_none_for_a_minute(timed: Timed, error: Any) -> None:
    def fail() -> None:
        with timed.patience.spending():
            timed.now += 0.8
            raise error

    with pytest.raises(error):
        fail()
    assert not timed.patience.is_left
    timed.now += 60
    assert timed.patience.is_left
