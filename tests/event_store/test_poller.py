"""The thread of a handler that was started: it can be stopped at any time, and started again."""

from __future__ import annotations

import threading

import pytest

from runtime.event_store.feed.poller import Poller


def test_it_goes_on_until_it_is_stopped() -> None:
    third = threading.Event()
    count: list[int] = []

    def step() -> float:
        count.append(1)
        if len(count) == 3:
            third.set()
        return 0

    poller = Poller("p", step)
    assert not poller.is_running
    poller.start()
    assert third.wait(5)
    assert poller.is_running
    assert poller.stop(5)
    steps = len(count)
    assert not poller.is_running
    assert len(count) == steps


def test_no_wait_is_longer_than_until_it_is_stopped() -> None:
    waiting = threading.Event()

    def step() -> float:
        waiting.set()
        return 3600

    poller = Poller("p", step)
    poller.start()
    assert waiting.wait(5)
    assert poller.stop(5)


def test_the_step_in_progress_ends_first() -> None:
    inside, may_end = threading.Event(), threading.Event()
    ended: list[bool] = []

    def step() -> float:
        inside.set()
        may_end.wait(5)
        ended.append(True)
        return 3600

    poller = Poller("p", step)
    poller.start()
    assert inside.wait(5)
    assert not poller.stop(0)
    assert not poller.is_running
    may_end.set()
    assert poller.stop(5)
    assert ended == [True]


def test_started_twice_it_is_one_thread_and_after_a_stop_another_one() -> None:
    threads: set[int] = set()
    stepped = threading.Event()

    def step() -> float:
        threads.add(threading.get_ident())
        stepped.set()
        return 3600

    poller = Poller("p", step)
    poller.start()
    poller.start()
    assert stepped.wait(5)
    assert poller.stop(5)
    assert len(threads) == 1
    stepped.clear()
    poller.start()
    assert stepped.wait(5)
    assert poller.stop(5)


def test_it_can_stop_itself_without_waiting_for_itself() -> None:
    stopped: list[bool] = []

    def step() -> float:
        stopped.append(poller.stop(None))
        return 3600

    poller = Poller("p", step)
    poller.start()
    assert poller.stop(5)
    assert stopped == [False]


def test_what_was_never_started_has_ended() -> None:
    assert Poller("p", lambda: 0).stop(None)


def test_nobody_has_to_wait_for_it() -> None:
    daemons: list[bool] = []
    stepped = threading.Event()

    def step() -> float:
        daemons.append(threading.current_thread().daemon)
        stepped.set()
        return 3600

    poller = Poller("p", step)
    poller.start()
    assert stepped.wait(5)
    poller.stop(5)
    assert daemons == [True]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_whose_thread_was_ended_by_its_step_is_not_running_and_can_be_started() -> None:
    """As by ``sys.exit`` in a callback, which ends a thread without a word."""
    may_end, second = threading.Event(), threading.Event()
    ended: list[bool] = []

    def step() -> float:
        if not ended:
            ended.append(True)
            assert may_end.wait(5)
            raise SystemExit
        second.set()
        return 3600

    poller = Poller("ends early", step)
    poller.start()
    (thread,) = (one for one in threading.enumerate() if one.name == "ends early")
    may_end.set()
    thread.join(5)
    assert not poller.is_running
    poller.start()
    assert second.wait(5)
    assert poller.stop(5)
