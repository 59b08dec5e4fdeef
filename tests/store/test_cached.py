"""Settings are read when they are asked for, and remembered for a while."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime import clock
from runtime.errors import StoreUnavailableError
from runtime.store.cached import Cached


class Settings:
    """Where settings are; counts what is read."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.reads: list[tuple[str, bool]] = []
        self.is_down = False
        self.gate: threading.Event | None = None
        self.is_reading = threading.Event()

    def read(self, key: str, *, consistent: bool) -> int | None:
        found = self.values.get(key)
        self.reads.append((key, consistent))
        self.is_reading.set()
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.is_down:
            service = "DynamoDB"
            raise StoreUnavailableError(service, "Throttling")
        return found


@pytest.fixture
def settings() -> Settings:
    return Settings()


def test_a_value_is_read_once_in_its_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(clock, "seconds", lambda: now[0])
    cached = Cached(settings.read, seconds=300)
    settings.values["a"] = 1
    assert [cached.get("a"), cached.get("a"), cached.get("b")] == [1, 1, None]
    settings.values |= {"a": 2, "b": 3}
    now[0] += 299
    assert [cached.get("a"), cached.get("b")] == [1, None]  # nothing is remembered as well
    assert settings.reads == [("a", False), ("b", False)]
    now[0] += 2
    assert [cached.get("a"), cached.get("b")] == [2, 3]


def test_a_read_that_is_consistent_passes_it_by_and_is_remembered(settings: Settings) -> None:
    cached = Cached(settings.read, seconds=300)
    assert cached.get("a") is None
    settings.values["a"] = 1
    assert cached.get("a", consistent=True) == 1
    assert cached.get("a") == 1
    assert settings.reads == [("a", False), ("a", True)]


def test_an_error_is_not_remembered(settings: Settings) -> None:
    cached = Cached(settings.read, seconds=300)
    settings.is_down = True
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            cached.get("a")
    settings.is_down = False
    settings.values["a"] = 1
    assert cached.get("a") == 1
    # What is remembered still holds while the store is out of reach.
    settings.is_down = True
    assert cached.get("a") == 1


def test_what_was_changed_does_not_come_back_from_an_older_read(settings: Settings) -> None:
    cached = Cached(settings.read, seconds=300)
    settings.values["a"] = 1
    settings.gate = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        slow = thread.submit(cached.get, "a")
        assert settings.is_reading.wait(10)
        settings.values["a"] = 2
        cached.forget()
        settings.gate.set()
        assert slow.result() == 1
    assert cached.get("a") == 2


def test_threads_that_ask_at_once_read_once(settings: Settings) -> None:
    cached = Cached(settings.read, seconds=300)
    settings.values["a"] = 1
    settings.gate = threading.Event()
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(cached.get, "a") for _ in range(8)]
        assert settings.is_reading.wait(10)
        settings.gate.set()
        assert [each.result() for each in asked] == [1] * 8
    assert len(settings.reads) == 1


def test_one_key_does_not_wait_for_another() -> None:
    all_are_reading = threading.Barrier(40, timeout=10)

    def read(key: int, *, consistent: bool) -> int:
        assert not consistent
        all_are_reading.wait()
        return key

    cached = Cached(read, seconds=300)
    with ThreadPoolExecutor(40) as threads:
        assert list(threads.map(cached.get, range(40))) == list(range(40))


def test_who_waits_for_a_read_that_fails_reads_again(settings: Settings) -> None:
    cached = Cached(settings.read, seconds=300)
    settings.values["a"], settings.is_down, settings.gate = 1, True, threading.Event()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(cached.get, "a")
        assert settings.is_reading.wait(10)
        second = threads.submit(cached.get, "a")
        settings.gate.set()
        for asked in (first, second):
            with pytest.raises(StoreUnavailableError):
                asked.result()
    settings.is_down = False
    assert cached.get("a") == 1


def test_there_are_no_more_entries_than_may_be(settings: Settings) -> None:
    cached = Cached(settings.read, seconds=300, entries=2)
    for key in "abc":
        cached.get(key)
    cached.get("c")
    cached.get("a")
    assert [key for key, _ in settings.reads] == ["a", "b", "c", "a"]
