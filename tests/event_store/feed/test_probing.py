"""Where everything fails, a handler is shown once more what it took before: is it down, or are events bad?"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import StoreRefusedError
from runtime.event_store.feed.cursors import CursorKey
from runtime.event_store.feed.processor import EventProcessor
from runtime.store.port import Set
from runtime.store.values import Place
from tests.event_store.feed.counting import CountingStore
from tests.event_store.feed.lab import KEY, TABLES, Lab, View, key
from tests.faults.events.world import check_seen
from tests.faults.scale import scaled
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import Commit

GOOD = key(99)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with CLOCK:
        yield Lab()


def take(lab: Lab, whose: Key = GOOD, *types: str) -> None:
    """Let the handler see something that it takes."""
    lab.append(whose, *types)
    assert lab.deliver() == []


def poison(lab: Lab, *keys: Key) -> None:
    lab.view.fails = lambda commit, _version: commit.key in keys


def is_down(lab: Lab) -> None:
    lab.view.fails = lambda _commit, _version: True


def heal(lab: Lab) -> None:
    lab.view.fails = lambda _commit, _version: False


def another_process(lab: Lab) -> None:
    """The function is begun anew: what it remembered is gone."""
    lab.processor = EventProcessor(
        "blog",
        lab.provider,
        lab.views,
        lab.storage.commit,
        on_parked=lambda whose, version, _error: lab.parked.append((whose.key.pk, version)),
    )


def deliver_for(lab: Lab, seconds: float, *, pause: float = 5) -> None:
    """Lambda delivers one batch again and again, and nothing else of its shard meanwhile."""
    batch = list(lab.records)
    ends = CLOCK.ahead + seconds
    while CLOCK.ahead < ends and lab.deliver(batch):
        CLOCK.advance(pause)


def pks(keys: Sequence[Key]) -> list[str]:
    return sorted(one.pk for one in keys)


@pytest.mark.parametrize("number", [1, 2, 3, 12])
@pytest.mark.parametrize("cold", [False, True])
def test_poisoned_aggregates_are_parked_within_two_minutes_though_nothing_else_comes(
    lab: Lab, number: int, *, cold: bool
) -> None:
    take(lab)
    bad = [key(n) for n in range(number)]
    for one in bad:
        lab.append(one)
    poison(lab, *bad)
    if cold:
        another_process(lab)
    deliver_for(lab, 120)
    assert sorted(pk for pk, _ in lab.parked) == pks(bad)
    assert 2 <= lab.view.versions(GOOD).count(1) <= 5


def test_what_the_aggregates_themselves_had_before_is_enough_to_go_by(lab: Lab) -> None:
    """Nobody else has ever had an event."""
    bad = [key(n) for n in range(3)]
    for one in bad:
        take(lab, one)
    for one in bad:
        lab.append(one)
    lab.view.fails = lambda _commit, version: version == 2
    another_process(lab)
    deliver_for(lab, 120)
    assert sorted(lab.parked) == sorted((one.pk, 2) for one in bad)
    for one in bad:
        cursor = lab.cursor(one)
        assert (cursor.version, cursor.claim) == (1, None)


def test_of_a_commit_that_was_seen_in_part_the_rest_is_not_shown(lab: Lab) -> None:
    """It is what fails."""
    bad = [key(n) for n in range(3)]
    for one in bad:
        lab.append(one, "a", "b")
    lab.view.fails = lambda _commit, version: version == 2
    deliver_for(lab, 350)
    assert sorted(lab.parked) == sorted((one.pk, 2) for one in bad)


@pytest.mark.parametrize("number", [1, 2, 3, 12])
@pytest.mark.parametrize("cold", [False, True])
def test_an_outage_parks_nothing_however_few_aggregates_there_are(
    lab: Lab, number: int, *, cold: bool
) -> None:
    """With an error that says nothing of an outage."""
    take(lab)
    some = [key(n) for n in range(number)]
    for one in some:
        lab.append(one)
    is_down(lab)
    if cold:
        another_process(lab)
    deliver_for(lab, 4 * 3600, pause=300)
    assert lab.parked == []
    heal(lab)
    assert lab.deliver() == []
    assert [lab.view.versions(one) for one in some] == [[1]] * number


def test_what_has_failed_once_is_not_parked_by_an_outage_that_follows(lab: Lab) -> None:
    take(lab)
    some = [key(n) for n in range(12)]
    for one in some:
        lab.append(one)
    poison(lab, *some[:6])
    batch = list(lab.records)
    for _ in range(3):  # others succeed beside it, and so it is counted
        lab.append(GOOD)
        lab.deliver(lab.records)
        CLOCK.advance(2)
    assert [lab.cursor(one).attempts > 0 for one in some] == [True] * 6 + [False] * 6
    is_down(lab)
    for _ in range(60):
        lab.deliver(batch)
        CLOCK.advance(10)
    assert lab.parked == []
    heal(lab)
    assert lab.deliver(batch) == []


def test_some_are_down_and_some_are_not(lab: Lab) -> None:
    """What it cannot take is parked; the others go on as they come."""
    take(lab)
    bad = [key(n) for n in range(6)]
    poison(lab, *bad)
    for n in range(12):
        lab.append(key(n))
    assert lab.retry(pause=5) < 40
    assert sorted(pk for pk, _ in lab.parked) == pks(bad)
    assert all(lab.view.versions(key(n))[0] == 1 for n in range(6, 12))


def test_commits_that_nobody_can_read_are_no_outage(lab: Lab) -> None:
    for n in range(3):
        lab.append(key(n))
        place = Place(TABLES.events, key(n).pk, "0000000001")
        lab.memory.write(Set(place=place, columns={"events": "no JSON"}))
    lab.records = [record for record in lab.records if record["eventName"] == "INSERT"]
    for record in lab.records:
        record["dynamodb"]["NewImage"]["events"] = {"S": "no JSON"}
    deliver_for(lab, 100)
    assert len(lab.parked) == 3


def test_a_handler_that_never_took_anything_is_taken_to_be_down(lab: Lab) -> None:
    for n in range(3):
        lab.append(key(n))
    is_down(lab)
    deliver_for(lab, 4 * 3600, pause=300)
    assert lab.parked == []


def test_a_reaction_is_not_asked(lab: Lab) -> None:
    """What it does cannot be undone, and may be seen by others: an e-mail would be sent again."""
    lab.view.is_reaction = True
    take(lab)
    for n in range(3):
        lab.append(key(n))
    poison(lab, *(key(n) for n in range(3)))
    deliver_for(lab, 300)
    assert (lab.view.versions(GOOD), lab.parked) == ([1], [])


def test_an_event_of_another_kind_that_works_has_it_wait_for_longer(lab: Lab) -> None:
    """It may have to do with another part of the read model."""
    take(lab, GOOD, "b")
    some = [key(n) for n in range(3)]
    for one in some:
        lab.append(one, "a")
    lab.view.fails = lambda commit, _version: commit.events[0].type == "a"
    deliver_for(lab, 290)
    assert lab.parked == []
    deliver_for(lab, 60)
    assert sorted(pk for pk, _ in lab.parked) == pks(some)


def test_an_event_like_those_that_fail_is_asked_for_first(lab: Lab) -> None:
    take(lab, key(50), "b")
    take(lab, GOOD, "a")
    take(lab, key(51), "b")
    for n in range(3):
        lab.append(key(n), "a")
    poison(lab, *(key(n) for n in range(3)))
    deliver_for(lab, 120)
    assert len(lab.parked) == 3
    again = [pk for _, pk, _ in lab.view.shown if lab.view.shown.count((1, pk, 1)) > 1]
    assert set(again) == {GOOD.pk}


def test_it_is_shown_the_newest_that_it_has_seen_and_its_cursor_stays(lab: Lab) -> None:
    """An older one would bring an older state back."""
    take(lab, GOOD, "a", "b", "other")
    take(lab)
    take(lab, GOOD, "other", "b", "other")
    before = lab.cursor(GOOD)
    shown = lab.view.versions(GOOD)
    lab.append(GOOD)  # which it has not seen
    lab.records.clear()
    for n in range(3):
        lab.append(key(n))
    poison(lab, *(key(n) for n in range(3)))
    another_process(lab)
    deliver_for(lab, 350)
    assert len(lab.parked) == 3
    assert set(lab.view.versions(GOOD)[len(shown) :]) == {6}
    assert lab.cursor(GOOD) == before


def test_nobody_else_has_the_turn_meanwhile(lab: Lab) -> None:
    take(lab)
    for n in range(3):
        lab.append(key(n))
    claimed: list[bool] = []

    def fails(commit: Commit, _version: int) -> bool:
        if commit.key == GOOD:
            claimed.append(lab.cursor(GOOD).is_claimed())
        return commit.key != GOOD

    lab.view.fails = fails
    deliver_for(lab, 120)
    assert claimed
    assert all(claimed)


@pytest.mark.parametrize("what", ["claimed", "parked", "skipped", "erased"])
def test_an_aggregate_that_is_not_at_rest_is_not_shown_again(lab: Lab, what: str) -> None:
    take(lab)
    whose = CursorKey("view", 1, GOOD)
    row = lab.cursors.rows([whose])[whose]
    if what == "claimed":
        assert row.claim("somebody/1", 24 * 3600)
    elif what == "parked":
        assert row.park(2, "ValueError: no")
    elif what == "skipped":
        assert row.park(2, "ValueError: no")
        lab.append(GOOD)
        lab.repair(GOOD, skipping=True)
    else:
        lab.erase(GOOD)
        lab.deliver()
    lab.records.clear()
    shown = lab.view.versions(GOOD)
    for n in range(3):
        lab.append(key(n))
    poison(lab, *(key(n) for n in range(3)))
    deliver_for(lab, 600)
    assert lab.view.versions(GOOD) == shown
    assert lab.parked == []


def test_what_is_from_before_a_handler_began_is_not_shown_again(lab: Lab) -> None:
    take(lab)
    CLOCK.advance(10)
    lab.append(KEY)
    lab.view.since = lab.commits(KEY)[0].at
    lab.records.clear()
    for n in range(3):
        lab.append(key(n))
    poison(lab, *(key(n) for n in range(3)))
    deliver_for(lab, 120)
    assert lab.view.versions(GOOD) == [1]


def test_an_error_that_says_so_is_believed_at_once(lab: Lab) -> None:
    take(lab)
    take(lab, key(98), "b")
    for n in range(3):
        lab.append(key(n))
    is_down(lab)
    lab.view.error = ConnectionError
    tried: list[str] = []
    lab.view.before = lambda commit, _version: tried.append(commit.key.pk)
    deliver_for(lab, 40)
    assert tried.count(GOOD.pk) == 1
    assert tried.count(key(98).pk) == 0


def test_an_outage_of_one_generation_is_none_of_the_other(lab: Lab) -> None:
    lab.view.fed = (1, 2)
    take(lab)
    for n in range(3):
        lab.append(key(n))
    shown: list[int] = []
    show = lab.view.show

    def only_one(commit: Commit, version: int, *, generation: int) -> bool | None:
        if generation == 2 or commit.key != GOOD:
            message = "no"
            raise ValueError(message)
        shown.append(generation)
        return show(commit, version, generation=generation)

    lab.view.show = only_one  # type: ignore[method-assign]
    deliver_for(lab, 200)
    assert sorted(pk for pk, _ in lab.parked) == pks([key(n) for n in range(3)])
    assert [lab.cursor(key(n), generation=2).parked_version for n in range(3)] == [None] * 3


def test_an_outage_asks_every_45_seconds_and_not_more_often() -> None:
    with CLOCK:
        lab = Lab(store=CountingStore)
        take(lab)
        for n in range(3):
            lab.append(key(n))
        is_down(lab)
        tried: list[str] = []
        lab.view.before = lambda commit, _version: tried.append(commit.key.pk)
        deliver_for(lab, 300, pause=1)
        assert 5 <= tried.count(GOOD.pk) <= 8


def test_a_role_that_may_not_look_for_others_is_no_worse_off_than_one_that_finds_none(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> list[str]:
        service = "DynamoDB"
        raise StoreRefusedError(service, "AccessDeniedException")

    take(lab)
    for n in range(3):
        lab.append(key(n))
    is_down(lab)
    another_process(lab)
    monkeypatch.setattr(type(lab.cursors), "some_seen", refuse)
    deliver_for(lab, 600)
    assert lab.parked == []


def test_a_read_model_may_be_in_the_way_of_its_own_cursors(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose handler keeps them in the database that is down."""
    take(lab)
    lab.append(key(1))
    is_down(lab)
    batch = list(lab.records)
    lab.deliver(batch)
    rows = type(lab.cursors).rows

    def gone(self: object, wanted: list[CursorKey]) -> object:
        if any(one.key == GOOD for one in wanted):
            service = "the database"
            raise StoreRefusedError(service, "OperationalError") from ConnectionError()
        return rows(self, wanted)  # type: ignore[arg-type]

    monkeypatch.setattr(type(lab.cursors), "rows", gone)
    deliver_for(lab, 600)
    lab.deliver(batch)
    assert lab.parked == []


def test_views_do_not_answer_for_each_other() -> None:
    with CLOCK:
        one, two = View("one"), View("two")
        lab = Lab(one, two)
        lab.append(GOOD)
        assert lab.deliver() == []
        for n in range(3):
            lab.append(key(n))
        one.fails = lambda _commit, _version: True
        deliver_for(lab, 600)
        assert lab.parked == []
        assert two.versions(GOOD) == [1]


class Crash(BaseException):
    """Stands for the end of a process."""


def a_probe_that_dies(call: int, moment: str) -> int:
    """How many calls a delivery makes in which the handler is asked; the process dies at one of them."""
    lab = Lab(store=CountingStore)
    store: Any = lab.store
    take(lab)
    for n in range(3):
        lab.append(key(n))
    poison(lab, *(key(n) for n in range(3)))
    batch = list(lab.records)
    lab.deliver(batch)
    CLOCK.advance(35)
    begin = len(store.calls)

    def die(number: int, _name: str) -> None:
        if number == begin + call:
            raise Crash

    setattr(store, moment, die)
    with contextlib.suppress(Crash):
        lab.deliver(batch)
    calls = len(store.calls) - begin
    setattr(store, moment, lambda *_: None)
    lab.append(GOOD)
    another_process(lab)
    deliver_for(lab, 200)
    assert len(lab.parked) == 3
    assert lab.view.versions(GOOD)[-1] == 2
    check_seen(lab.view.versions(GOOD), [1, 2])
    cursor = lab.cursor(GOOD)
    assert (cursor.version, cursor.claim) == (2, None)
    return calls


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_that_dies_while_it_asks_leaves_nothing_behind(moment: str) -> None:
    with CLOCK:
        calls = a_probe_that_dies(-1, moment)
        assert calls > 6
        for call in range(0, calls, scaled(3, 1)):
            a_probe_that_dies(call, moment)
