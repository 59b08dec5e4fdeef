"""A handler's registration: kept for half a minute, and nobody overwrites what they have not seen."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from runtime import clock
from runtime.errors import BadRequestError, ContentionError
from runtime.event_store.handlers.generations import Generations
from runtime.testing.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runtime.event_store.handlers.registration import Registration


class Rows:
    """Rows of handlers in memory; ``loses`` answers, and counts reads."""

    def __init__(self) -> None:
        self.rows: dict[str, Mapping[str, Any]] = {}
        self.reads = 0
        self.loses = False
        self.others_write = False
        self._lock = threading.Lock()

    def read_handler(self, name: str) -> Mapping[str, Any] | None:
        self.reads += 1
        return self.rows.get(name)

    def write_handler(self, name: str, columns: Mapping[str, Any], *, revision: str | None) -> bool:
        with self._lock:
            row = self.rows.get(name)
            if self.others_write or (None if row is None else row["revision"]) != revision:
                return False
            self.rows[name] = dict(columns)
            return not self.loses


@pytest.fixture
def time() -> Iterator[Clock]:
    standing = Clock()
    standing.start()
    yield standing
    standing.stop()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.event_store.handlers.generations.back_off", lambda *_, **__: None)


def test_the_first_start_registers_and_later_ones_find_it(time: Clock) -> None:
    rows = Rows()
    began = time.now()
    assert Generations("h", lambda: rows).current() is None
    assert Generations("h", lambda: rows).registered().started_at == began
    time.advance(hours=1)
    assert Generations("h", lambda: rows).registered().started_at == began


def test_a_registration_is_kept_for_half_a_minute(time: Clock) -> None:
    rows = Rows()
    ours, theirs = Generations("h", lambda: rows), Generations("h", lambda: rows)
    ours.registered()
    theirs.change(lambda found: found.begin("h", clock.now()))
    reads = rows.reads
    time.advance(seconds=29.9)
    assert ours.registered().generations == (1,)
    assert rows.reads == reads
    time.advance(seconds=0.1)
    assert ours.registered().generations == (1, 2)


def test_one_of_many_begins_the_next_generation() -> None:
    rows = Rows()
    Generations("h", lambda: rows).registered()

    def begin(_: int) -> bool:
        try:
            Generations("h", lambda: rows).change(lambda found: found.begin("h", clock.now()))
        except BadRequestError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(begin, range(16))) == 1
    assert rows.rows["h"]["newest"] == 2


def test_no_change_of_many_is_lost() -> None:
    rows = Rows()

    def count(_: int) -> None:
        Generations("h", lambda: rows).change(lambda found: replace(found, newest=found.newest + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(24)))
    assert rows.rows["h"]["newest"] == 25


def test_a_change_that_others_have_overtaken_is_made_of_what_they_have_left() -> None:
    rows = Rows()
    ours, theirs = Generations("h", lambda: rows), Generations("h", lambda: rows)
    ours.registered()
    seen: list[str] = []

    def change(found: Registration) -> Registration:
        seen.append(found.position)
        if len(seen) == 1:
            theirs.move("7")
        return replace(found, newest=found.newest + 1)

    assert ours.change(change).position == "7"
    assert seen == ["", "7"]
    assert rows.rows["h"]["newest"] == 2


def test_a_position_is_one_write_and_overwrites_nothing_that_others_have_changed() -> None:
    rows = Rows()
    ours, theirs = Generations("h", lambda: rows), Generations("h", lambda: rows)
    ours.registered()
    reads = rows.reads
    ours.move("1")
    assert rows.reads == reads
    theirs.change(lambda found: found.begin("h", clock.now()))
    ours.move("2")
    found = theirs.read()
    assert found is not None
    assert (found.position, found.building) == ("2", 2)


def test_a_change_whose_answer_is_lost_is_done_once() -> None:
    rows = Rows()
    generations = Generations("h", lambda: rows)
    rows.loses = True
    assert generations.change(lambda found: found.begin("h", clock.now())).building == 2
    assert rows.rows["h"]["newest"] == 2


def test_who_never_gets_a_turn_is_told_so() -> None:
    rows = Rows()
    rows.others_write = True
    with pytest.raises(
        ContentionError, match="others change the handler h all the time; nothing was changed"
    ):
        Generations("h", lambda: rows).registered()
