"""What fails stops its own aggregate (P4), is parked after ten tries and a minute, and redriven in order."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from runtime.errors import BadRequestError, ContentionError, ItemNotFoundError
from runtime.event_store.feed.cursors import CursorKey
from runtime.pipeline.catch_up import Outcome
from runtime.store.values import Place
from tests.event_store.feed.lab import KEY, TABLES, Lab, View, key
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.event_store.commits.commit import Commit
    from runtime.model.cursor import KeptCursor


@pytest.fixture
def lab() -> Iterator[Lab]:
    with CLOCK:
        yield Lab()


def poison(lab: Lab, *numbers: int) -> None:
    """Let the handler fail for ever at the first event of these aggregates."""
    pks = {key(number).pk for number in numbers}
    lab.view.fails = lambda commit, _version: commit.key.pk in pks
    lab.view.before = lambda _commit, _version: CLOCK.advance(0.001)


def heal(lab: Lab) -> None:
    lab.view.fails = lambda _commit, _version: False


def park(lab: Lab, *numbers: int) -> None:
    """Let the handler be parked at these aggregates."""
    poison(lab, *numbers)
    for _ in range(11):
        CLOCK.advance(10)
        lab.deliver(lab.all_records)
    lab.records.clear()


def test_an_event_that_fails_stops_its_own_aggregate_only(lab: Lab) -> None:
    for number in (1, 2, 3):
        lab.append(key(number))
        lab.append(key(number))
    poison(lab, 2)
    failed = lab.deliver()
    assert failed == ["3", "4"]  # both records of the aggregate
    assert [lab.view.versions(key(number)) for number in (1, 2, 3)] == [[1, 2], [], [1, 2]]
    assert lab.cursor(key(2)).failed_version == 1  # whether it was counted is for other tests


def test_an_event_is_parked_though_other_aggregates_always_succeed_just_before_it_fails(lab: Lab) -> None:
    """Calls side by side begin at once, so that in no batch anything succeeds in a call that began later."""
    lab.append(key(1))
    poisoned = lab.records.pop()
    done = threading.Semaphore(0)

    def fails(commit: Commit, _version: int) -> bool:
        if commit.key != key(1):
            return False
        assert done.acquire(timeout=10)
        assert done.acquire(timeout=10)
        return True

    lab.view.fails = fails
    lab.view.on_shown = lambda _commit, _version: done.release()
    for number in range(12):
        CLOCK.advance(10)
        lab.append(key(2 * number + 2))
        lab.append(key(2 * number + 3))
        failed = lab.deliver([poisoned, *lab.records])
        lab.records.clear()
    assert failed == []
    assert lab.parked == [(key(1).pk, 1)]


def test_ten_failures_and_a_minute_park(lab: Lab) -> None:
    lab.append()
    poison(lab, 1)
    for attempt in range(1, 31):
        assert lab.deliver(lab.all_records) == ["1"]
        assert lab.cursor().attempts == attempt
    CLOCK.advance(61)
    assert lab.deliver(lab.all_records) == []
    cursor = lab.cursor()
    assert (cursor.parked_version, cursor.version, cursor.attempts) == (1, None, 0)
    assert cursor.parked_error == "RuntimeError: the read model does not take it"
    assert lab.parked == [(KEY.pk, 1)]


def test_a_minute_alone_does_not_park(lab: Lab) -> None:
    lab.append()
    poison(lab, 1)
    for _ in range(9):
        CLOCK.advance(3600 / 9)
        assert lab.deliver(lab.all_records) == ["1"]
    assert lab.deliver(lab.all_records) == []
    assert lab.cursor().parked_version == 1


def test_attempts_are_those_of_one_event(lab: Lab) -> None:
    lab.append()
    lab.append()
    lab.view.fails = lambda _commit, version: version == 1
    for _ in range(9):
        lab.deliver(lab.all_records)
    CLOCK.advance(100)
    lab.view.fails = lambda _commit, version: version == 2
    lab.deliver(lab.all_records)
    assert (lab.cursor().version, lab.cursor().attempts) == (1, 1)


def test_a_success_ends_the_count(lab: Lab) -> None:
    lab.append()
    poison(lab, 1)
    lab.deliver(lab.all_records)
    heal(lab)
    lab.deliver(lab.all_records)
    row = lab.memory.get(Place(TABLES.sync, KEY.pk, "view@1#"))
    assert row == {"pk": KEY.pk, "sk": "view@1#", "version": 1}


def test_later_versions_park_without_a_write(lab: Lab) -> None:
    lab.append()
    park(lab, 1)
    lab.append()
    written: list[object] = []
    lab.memory.on_change(written.append)
    assert lab.deliver() == []
    assert (written, lab.view.versions()) == ([], [])


def test_a_handler_that_is_parked_does_not_stop_another_one() -> None:
    one, two = View("one"), View("two")
    one.fails = lambda _commit, _version: True
    lab = Lab(one, two)
    lab.append()
    with CLOCK:
        for _ in range(11):
            CLOCK.advance(10)
            lab.deliver(lab.all_records)
    assert (lab.cursor(view=one).parked_version, lab.cursor(view=two).parked_version) == (1, None)
    assert two.versions() == [1]


def test_an_outage_parks_nothing_and_counts_nothing(lab: Lab) -> None:
    numbers = range(1, 6)
    for number in numbers:
        lab.append(key(number))
    poison(lab, *numbers)
    for _ in range(40):
        CLOCK.advance(300)
        assert len(lab.deliver(lab.all_records)) == len(numbers)
    assert [lab.cursor(key(number)).attempts for number in numbers] == [0] * 5
    assert lab.parked == []
    heal(lab)
    assert lab.deliver(lab.all_records) == []
    assert all(lab.view.versions(key(number)) == [1] for number in numbers)


@pytest.mark.parametrize("error", [TimeoutError, ConnectionError])
def test_an_error_that_says_so_is_an_outage_for_one_aggregate_too(lab: Lab, error: type[Exception]) -> None:
    lab.append()
    poison(lab, 1)
    lab.view.error = error
    for _ in range(200):
        CLOCK.advance(60)
        assert lab.deliver(lab.all_records) == ["1"]
    assert (lab.cursor().attempts, lab.parked) == (0, [])


def test_a_read_model_that_is_only_busy_parks_nothing(lab: Lab) -> None:
    """It takes one of many, again and again: that others succeed does not say that these never will."""
    numbers = range(1, 21)
    for number in numbers:
        lab.append(key(number))
    tries: Counter[str] = Counter()

    def fails(commit: Commit, _version: int) -> bool:
        tries[commit.key.pk] += 1
        return key(tries[commit.key.pk]) != commit.key

    lab.view.fails = fails
    lab.view.error = TimeoutError
    assert lab.retry(pause=10) == len(numbers)
    assert lab.parked == []
    assert sorted(pk for _, pk, _ in lab.view.shown) == sorted(key(number).pk for number in numbers)


def test_an_event_that_always_takes_too_long_is_parked_in_the_end(lab: Lab) -> None:
    lab.append(key(1))
    poisoned = lab.records.pop()
    lab.view.fails = lambda commit, _version: commit.key == key(1)
    lab.view.error = TimeoutError
    began = CLOCK.ahead
    for number in range(2, 100):
        lab.append(key(number))
        if not lab.deliver([poisoned, *lab.records]):
            break
        lab.records.clear()
        CLOCK.advance(10)
    assert lab.parked == [(key(1).pk, 1)]
    assert 300 <= CLOCK.ahead - began < 400


def test_an_outage_that_begins_in_the_middle_of_a_batch_parks_nothing(lab: Lab) -> None:
    numbers = range(1, 41)
    for number in numbers:
        lab.append(key(number))
    calls: list[int] = []

    def fails(_commit: Commit, _version: int) -> bool:
        calls.append(1)
        return len(calls) > 10

    lab.view.fails = fails
    assert lab.retry(pause=300, most=30) == 30
    assert lab.parked == []
    heal(lab)
    assert lab.deliver(lab.all_records) == []
    assert sorted(pk for _, pk, _ in lab.view.shown) == sorted(key(number).pk for number in numbers)


def test_a_fault_of_one_kind_of_event_parks_what_has_it_and_nothing_else(lab: Lab) -> None:
    """Of 40 aggregates each fourth has an event that the handler cannot take."""
    numbers = range(1, 41)
    for number in numbers:
        lab.append(key(number))
    poison(lab, *numbers[::4])
    assert lab.retry(pause=20) < 60
    assert sorted(lab.parked) == sorted((key(number).pk, 1) for number in numbers[::4])
    assert len(set(lab.view.shown)) == 30


def test_an_outage_is_not_longer_than_the_stream_keeps_its_records(lab: Lab) -> None:
    """After six hours Lambda drops them: then the handler would be behind, and nobody would know."""
    for number in (1, 2, 3):
        lab.append(key(number))
    poison(lab, 1, 2, 3)
    started = CLOCK.ahead
    lab.retry(pause=300)
    assert len(lab.parked) == 3
    assert 5 * 3600 < CLOCK.ahead - started < 6 * 3600


def test_a_redrive_shows_everything_in_order(lab: Lab) -> None:
    lab.append()
    lab.append(KEY, "a", "b", "other")
    lab.view.fails = lambda _commit, version: version >= 2
    for _ in range(11):
        CLOCK.advance(10)
        lab.deliver(lab.all_records)
    lab.records.clear()
    lab.append()
    lab.deliver()
    cursor = lab.cursor()
    assert (cursor.version, cursor.parked_version) == (1, 2)
    lab.view.fails = lambda _commit, version: version == 3
    failed = lab.repair()
    assert (failed.done, failed.parked_version) == ((2,), 3)
    cursor = lab.cursor()
    assert (cursor.version, cursor.resume, cursor.parked_version) == (2, 2, 3)
    heal(lab)
    done = lab.repair()
    assert (done.done, done.skipped, done.parked_version) == ((3, 5), None, None)
    assert [*dict.fromkeys(lab.view.versions())] == [1, 2, 3, 5]
    row = lab.memory.get(Place(TABLES.sync, KEY.pk, "view@1#"))
    assert row == {"pk": KEY.pk, "sk": "view@1#", "version": 5}


def test_a_redrive_whose_last_event_is_in_the_middle_of_a_commit_goes_on_behind_it(lab: Lab) -> None:
    lab.append(KEY, "a", "other", "other")
    park(lab, 1)
    heal(lab)
    assert lab.repair().done == (1,)
    lab.append()
    assert lab.deliver() == []
    assert lab.view.versions() == [1, 4]


def test_a_skip_passes_one_version_over_and_says_so(lab: Lab) -> None:
    lab.append(KEY, "a", "b")
    lab.append()
    park(lab, 1)
    lab.view.fails = lambda _commit, version: version == 1
    done = lab.repair(skipping=True)
    assert (done.done, done.skipped, done.parked_version) == ((2, 3), 1, None)
    row = lab.memory.get(Place(TABLES.sync, KEY.pk, "view@1#")) or {}
    assert (row["version"], "skipped" in row) == (3, True)


def test_what_arrives_during_a_redrive_is_not_left_behind(lab: Lab) -> None:
    lab.append()
    park(lab, 1)
    heal(lab)
    met: list[Outcome | None] = []

    def meet(_commit: Commit, version: int) -> None:
        if version == 1:
            lab.append()
            met.append(lab.turn().outcome)  # it meets a handler that is parked, and comes no more

    lab.view.before = meet
    assert lab.repair().done == (1, 2)
    assert met == [Outcome.PARKED]
    assert (lab.cursor().version, lab.cursor().parked_version, lab.cursor().wanted) == (2, None, None)


def test_what_met_a_parked_handler_before_a_redrive_began_is_not_left_behind(lab: Lab) -> None:
    """The redrive claims the row, and only then looks how far the events go."""
    lab.append()
    park(lab, 1)
    heal(lab)
    whose = CursorKey("view", 1, KEY)
    row = lab.cursors.rows([whose])[whose]
    lab.append()
    claim = type(row).claim
    met: list[Outcome | None] = []

    def before_claim(self: object, *arguments: object, **options: object) -> bool:
        if not met:
            lab.append()
            met.append(lab.turn().outcome)
        return claim(self, *arguments, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(row), "claim", before_claim)
        assert lab.repair().done == (1, 2, 3)
    assert met == [Outcome.PARKED]


def test_a_handler_that_is_parked_hears_of_an_erasure_though_the_doorbell_brings_nothing_along(
    lab: Lab,
) -> None:
    """As the pull index does, and whoever catches up."""
    lab.append()
    park(lab, 1)
    heal(lab)
    assert lab.turn().outcome is Outcome.PARKED
    lab.erase()
    assert lab.turn().outcome is Outcome.DONE
    assert (lab.view.erased, lab.view.versions(), lab.cursor().parked_version) == ([KEY.pk], [], None)


def test_a_redrive_that_has_more_to_show_than_time_notes_how_far_it_has_come(lab: Lab) -> None:
    """Else a function would show the same again each time, and never come to the end."""
    for _ in range(4):
        lab.append()
    park(lab, 1)
    heal(lab)
    lab.append(KEY, "a", "b")
    lab.view.before = lambda _commit, _version: CLOCK.advance(30)
    with pytest.raises(ContentionError, match="view has more versions to see than there is time for; repeat"):
        lab.repair()
    cursor = lab.cursor()
    assert (lab.view.versions(), cursor.version, cursor.parked_version, cursor.claim) == (
        [1, 2, 3, 4],
        4,
        1,
        None,
    )
    assert lab.repair().done == (5, 6)
    assert (lab.view.versions(), lab.cursor().parked_version) == ([1, 2, 3, 4, 5, 6], None)


def test_two_redrives_at_once_do_not_overlap(lab: Lab) -> None:
    lab.append()
    park(lab, 1)
    heal(lab)
    refused: list[str] = []

    def meet(_commit: Commit, _version: int) -> None:
        with pytest.raises(ContentionError) as caught:
            lab.repair()
        refused.append(str(caught.value))

    lab.view.before = meet
    assert lab.repair().done == (1,)
    assert refused == ["somebody else is at work on the cursor of view; repeat the call"]


def test_only_what_is_parked_is_redriven(lab: Lab) -> None:
    with pytest.raises(ItemNotFoundError, match="view has seen no version of this aggregate"):
        lab.repair()
    lab.append()
    lab.deliver()
    with pytest.raises(BadRequestError, match="view is not parked: it has seen version 1"):
        lab.repair()


def test_what_is_parked_is_listed_page_by_page(lab: Lab) -> None:
    for number in range(1, 6):
        lab.append(key(number))
    park(lab, 2, 4)
    found: list[KeptCursor] = []
    token: str | None = None
    while True:
        page = lab.cursors.parked(resume_from=token, limit=2)
        found += page.cursors
        token = page.resume_token
        if token is None:
            break
    assert sorted((one.handler, one.generation, one.pk) for one in found) == [
        ("view", 1, key(number).pk) for number in (2, 4)
    ]
    assert {(one.version, one.parked_version, one.error) for one in found} == {
        (None, 1, "RuntimeError: the read model does not take it")
    }
