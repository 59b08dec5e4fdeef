"""Handlers that poll in a thread, and several processes that share one's progress."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from runtime.contract import Env
from runtime.errors import ConfigurationError, StoreUnavailableError
from runtime.event_store.handlers.run import Run
from tests.event_store.followed import Blog, Provider, Seen, UserCreated, user
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.event_store.handlers.handler import EventHandler


@pytest.fixture
def blog() -> Blog:
    return Blog()


@pytest.fixture
def handler(blog: Blog) -> Iterator[EventHandler]:
    handler = blog.domain.create_handler("h", [user])
    yield handler
    handler.stop(timeout=5)


def test_what_is_appended_while_it_polls_is_handled(blog: Blog, handler: EventHandler) -> None:
    seen = Seen(handler)
    handler.start(idle=0.001)
    blog.users("a")
    wait_until(lambda: seen == ["a@1"])
    blog.users("a", "b")
    wait_until(lambda: seen == ["a@1", "a@2", "b@1"])
    assert handler.stop(timeout=5)
    blog.users("c")
    assert handler.run_once().handled == 1  # whether or not it was started


def test_no_wait_of_the_thread_is_longer_than_until_it_is_stopped(handler: EventHandler) -> None:
    looked = threading.Event()
    handler.on_end = lambda _: looked.set()
    handler.start(idle=3600)
    assert looked.wait(5)
    assert handler.stop(timeout=5)


def test_a_callback_of_another_run_that_stops_its_own_handler_does_not_wait_for_itself(
    blog: Blog, handler: EventHandler
) -> None:
    """The thread waits for the run to end, which would wait for the thread."""
    stopped: list[bool] = []

    def stop(*_: object) -> None:
        handler.start(idle=3600)
        stopped.append(handler.stop())

    handler.handle(user, UserCreated, stop)
    blog.users("a")
    run = threading.Thread(target=handler.run_once, daemon=True)
    run.start()
    run.join(5)
    assert stopped == [False]
    assert handler.stop(timeout=5)


def test_what_fails_is_told_and_waits_while_the_others_go_on(blog: Blog, handler: EventHandler) -> None:
    seen = Seen(handler)
    seen.broken = {"a@1"}
    blog.users("a")
    handler.start(idle=0.001, after_error=3600)
    assert isinstance(blog.provider, Provider)
    wait_until(lambda: len(blog.provider.told) == 1)  # type: ignore[attr-defined]
    blog.users("b", "a", "c")
    wait_until(lambda: seen == ["b@1", "c@1"])
    handler.stop(timeout=5)
    assert blog.provider.told == [("a@1", "users", "h", "users#a#acme@1")]


def test_what_fails_is_tried_again(blog: Blog, handler: EventHandler) -> None:
    seen = Seen(handler)
    seen.broken = {"a@1"}
    blog.users("a")
    handler.start(idle=0.001, after_error=0.001)
    assert isinstance(blog.provider, Provider)
    wait_until(lambda: len(blog.provider.told) > 2)  # type: ignore[attr-defined]
    seen.broken = set()
    wait_until(lambda: seen == ["a@1"])


def test_a_provider_that_is_down_is_told_and_tried_again(
    blog: Blog, handler: EventHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen(handler)
    blog.users("a")
    notices, is_down, down = blog.provider.notices, [True], ("DynamoDB", "down")

    def fail_at_first(*given: object) -> object:
        if is_down[0]:
            raise StoreUnavailableError(*down)
        return notices(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(blog.provider, "notices", fail_at_first)
    with pytest.raises(StoreUnavailableError):
        handler.run_once()
    handler.start(idle=0.001, after_error=0.001)
    assert isinstance(blog.provider, Provider)
    wait_until(lambda: len(blog.provider.told) > 1)  # type: ignore[attr-defined]
    assert blog.provider.told[0][1:] == ("users", "h", None)
    is_down[0] = False
    wait_until(lambda: seen == ["a@1"])


def test_in_an_outage_the_thread_waits_for_longer_and_goes_on(blog: Blog, handler: EventHandler) -> None:
    seen = Seen(handler)
    seen.broken = {"a@1", "b@1", "c@1"}
    blog.users("a", "b", "c")
    handler.start(idle=3600, after_error=0.001)
    assert isinstance(blog.provider, Provider)
    wait_until(lambda: len(blog.provider.told) > 3)  # type: ignore[attr-defined]
    seen.broken = set()
    wait_until(lambda: sorted(seen) == ["a@1", "b@1", "c@1"])  # each is due by itself


@pytest.mark.parametrize("variable", ["AWS_LAMBDA_FUNCTION_NAME", Env.FUNCTION])
def test_in_lambda_nobody_polls(
    handler: EventHandler, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "projector")
    with pytest.raises(ConfigurationError, match=r"handler h: .* in Lambda.*EventModule\(handlers="):
        handler.start()
    assert handler.run_once() == Run()


def test_a_callback_can_stop_its_own_handler(blog: Blog, handler: EventHandler) -> None:
    stopped: list[bool] = []
    ended = threading.Event()
    handler.handle(user, UserCreated, lambda *_: stopped.append(handler.stop()))
    handler.on_end = lambda run: ended.set() if run == Run() else None
    blog.users("a", "b")
    handler.start(idle=0.001)
    assert ended.wait(5)
    assert handler.stop(timeout=5)
    assert stopped == [False, False]  # the run in progress goes on to its end


@pytest.mark.parametrize("exclusive", [False, True])
def test_processes_that_share_a_bookmark_leave_nothing_out_and_keep_the_order(
    blog: Blog, *, exclusive: bool
) -> None:
    ids = [f"u{number}" for number in range(12)]
    chance = random.Random(7)  # noqa: S311 - the same each time
    shown: list[tuple[int, str]] = []
    ready = threading.Barrier(4)

    def process(number: int) -> None:
        there = blog.again()
        handler = there.domain.create_handler("h", [user], exclusive=exclusive)
        Seen(handler).append = lambda what: shown.append((number, what))  # type: ignore[method-assign]
        ready.wait(5)
        for _ in range(12):
            handler.run_once()

    def append() -> None:
        ready.wait(5)
        for _ in range(10):
            for one in chance.sample(ids, len(ids)):
                blog.users(one)

    with ThreadPoolExecutor(4) as pool:
        calls = [*(pool.submit(process, number) for number in range(3)), pool.submit(append)]
        for call in calls:
            call.result()
    last = blog.again().domain.create_handler("h", [user], exclusive=exclusive)
    Seen(last).append = lambda what: shown.append((9, what))  # type: ignore[method-assign]
    last.run_once()
    for one in ids:
        first_times = list(dict.fromkeys(what for _, what in shown if what.startswith(f"{one}@")))
        assert first_times == [f"{one}@{version}" for version in range(1, 11)]
    if exclusive:
        assert len(shown) == len({what for _, what in shown}) == 120


def test_what_fails_is_due_before_a_long_wait_is_over(blog: Blog, handler: EventHandler) -> None:
    seen = Seen(handler)
    seen.broken = {"a@1"}
    blog.users("a", "b", "c", "d")
    handler.start(idle=3600, after_error=0.001)
    assert isinstance(blog.provider, Provider)
    wait_until(lambda: len(blog.provider.told) > 3)  # type: ignore[attr-defined]
    seen.broken = set()
    wait_until(lambda: "a@1" in seen)


@pytest.mark.parametrize("pause", ["idle", "after_error"])
@pytest.mark.parametrize("seconds", ["1", None, -1, float("nan"), True])
def test_a_pause_is_a_number_of_seconds(handler: EventHandler, pause: str, seconds: object) -> None:
    """The thread would end at it, or go round and round."""
    options: dict[str, Any] = {pause: seconds}
    with pytest.raises(ConfigurationError, match=f"start.{pause}=. must be a number of seconds, 0 or more"):
        handler.start(**options)
