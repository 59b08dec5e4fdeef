"""Turns at one aggregate: in order, each event at least once (P1), no overlap where they are claimed (P2)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runtime import clock
from runtime.errors import CorruptStreamError, StoreUnavailableError
from runtime.event_store.feed.cursors import CursorKey
from runtime.pipeline.catch_up import Outcome
from runtime.store.port import Delete
from runtime.store.values import Place
from tests.event_store.feed.lab import KEY, TABLES, Lab
from tests.support.clock import CLOCK


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.mark.parametrize("bells", [(1, 2, 3, 4), (4, 3, 2, 1), (4,), (2, 2, 4, 1)])
def test_events_are_seen_in_order_and_once(lab: Lab, bells: tuple[int, ...]) -> None:
    lab.append()
    lab.append(KEY, "a", "b")
    lab.append()
    for version in bells:
        assert lab.turn(version=version).outcome is Outcome.DONE
    assert lab.view.versions() == [1, 2, 3, 4]
    assert lab.cursor().version == 4


def test_more_than_the_doorbell_says_is_welcome(lab: Lab) -> None:
    for _ in range(3):
        lab.append()
    drained = lab.turn(version=1)
    assert lab.view.versions() == [1, 2, 3]
    assert (drained.handled, drained.passed_over, [commit.last for commit in drained.seen]) == (
        3,
        0,
        [1, 2, 3],
    )


def test_what_the_doorbells_bring_along_is_not_read(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = [lab.append(), lab.append(KEY, "a", "b")]

    def read(*_arguments: object, **_options: object) -> None:
        message = "there was no need to read"
        raise AssertionError(message)

    monkeypatch.setattr(lab.provider, "read", read)
    lab.turn(commits=reversed(commits))
    assert lab.view.versions() == [1, 2, 3]


def test_what_is_missing_before_the_doorbells_is_read(lab: Lab) -> None:
    lab.append()
    last = lab.append()
    lab.turn(commits=[last])
    assert lab.view.versions() == [1, 2]


def test_an_event_without_a_callback_is_passed_over(lab: Lab) -> None:
    lab.append(KEY, "a", "other", "b")
    lab.append(KEY, "other")
    lab.turn()
    assert lab.view.versions() == [1, 3]
    assert lab.cursor().version == 4


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_failure_in_the_middle_of_a_commit_goes_on_there(lab: Lab, *, exclusive: bool) -> None:
    lab.view.exclusive = exclusive
    lab.append()
    lab.append(KEY, "a", "b", "a", "b")
    lab.append()
    lab.view.fails = lambda _commit, version: version == 4
    drained = lab.turn()
    assert (drained.outcome, str(drained.error)) == (None, "the read model does not take it")
    cursor = lab.cursor()
    assert (cursor.version, cursor.resume, cursor.failed_version, cursor.claim) == (3, 2, 4, None)
    assert cursor.failed_error == "RuntimeError: the read model does not take it"
    lab.view.fails = lambda _commit, _version: False
    assert lab.turn().outcome is Outcome.DONE
    assert lab.view.versions() == [1, 2, 3, 4, 5, 6]
    row = lab.memory.get(Place(TABLES.sync, KEY.pk, "view@1#"))
    assert row == {"pk": KEY.pk, "sk": "view@1#", "version": 6}


def test_a_failure_that_is_known_is_not_written_again(lab: Lab) -> None:
    lab.append()
    lab.view.fails = lambda _commit, _version: True
    lab.turn()
    before = lab.memory.get(Place(TABLES.sync, KEY.pk, "view@1#"))
    written: list[object] = []
    lab.memory.on_change(written.append)
    lab.turn()
    assert written == []
    assert before is not None
    assert before["failedVersion"] == 1


def test_what_is_to_go_on_is_passed_over(lab: Lab) -> None:
    lab.view.continue_on_error = True
    lab.append(KEY, "a", "b", "a")
    lab.view.fails = lambda _commit, version: version == 2
    drained = lab.turn()
    assert (drained.outcome, drained.handled, drained.passed_over) == (Outcome.DONE, 2, 1)
    assert lab.view.told == [f"{KEY.pk}@2"]
    assert (lab.view.versions(), lab.cursor().version) == ([1, 3], 3)


def test_a_turn_without_a_claim_is_one_write(lab: Lab) -> None:
    lab.append()
    lab.append()
    written: list[object] = []
    lab.memory.on_change(written.append)
    lab.turn()
    assert len(written) == 1
    lab.turn()
    assert len(written) == 1


@pytest.mark.parametrize("exclusive", [False, True])
def test_whoever_meets_a_claim_leaves_the_version(lab: Lab, *, exclusive: bool) -> None:
    """A strong dispatch claims its turn; everybody honours that, whatever the handler says."""
    lab.append()
    met: list[Outcome | None] = []

    def meet(_commit: object, version: int) -> None:
        if version == 1 and not met:
            lab.append()
            met.append(lab.turn(exclusive=exclusive).outcome)

    lab.view.before = meet
    assert lab.turn(version=1, exclusive=True).outcome is Outcome.DONE
    assert met == [Outcome.LEFT]
    assert lab.view.versions() == [1, 2]
    assert lab.cursor().claim is None


def test_turns_without_claims_overlap_and_leave_nothing_out(lab: Lab) -> None:
    lab.append()
    lab.append()
    met: list[Outcome | None] = []

    def meet(_commit: object, version: int) -> None:
        if version == 2 and not met:
            met.append(None)
            lab.append()
            met.append(lab.turn().outcome)

    lab.view.before = meet
    assert lab.turn(version=2).outcome is Outcome.DONE
    assert met == [None, Outcome.DONE]
    assert lab.view.versions() == [1, 1, 2, 3, 2]
    assert lab.cursor().version == 3  # the slower one did not set it back


def test_a_slower_turn_that_came_further_moves_the_cursor_on(lab: Lab) -> None:
    lab.append()
    first = lab.append()
    met: list[Outcome | None] = []

    def meet(_commit: object, version: int) -> None:
        if version == 3 and not met:
            met.append(None)
            # It knows of the first two only: its doorbells brought them along.
            commits = [first, *lab.provider.read(KEY, until=1)]
            met.append(lab.turn(version=2, commits=commits).outcome)

    lab.append()
    lab.view.before = meet
    lab.turn(version=3)
    assert met == [None, Outcome.DONE]
    assert lab.cursor().version == 3


def test_whoever_died_holds_the_turn_for_a_minute(lab: Lab) -> None:
    lab.append()
    whose = CursorKey("view", 1, KEY)
    with CLOCK:
        assert lab.cursors.rows([whose])[whose].claim("dead/1", 60, None)
        drained = lab.turn()
        assert (drained.outcome, drained.comes_again) == (Outcome.LEFT, True)
        assert lab.view.versions() == []
        CLOCK.advance(62)
        assert lab.turn().outcome is Outcome.DONE
    assert lab.view.versions() == [1]


def test_a_turn_takes_no_longer_than_it_was_claimed_for(lab: Lab) -> None:
    for _ in range(5):
        lab.append()
    lab.view.exclusive = True
    with CLOCK:
        lab.view.before = lambda _commit, _version: CLOCK.advance(25)
        drained = lab.turn()
        assert (drained.outcome, drained.error, drained.comes_again) == (None, None, True)
        assert lab.view.versions() == [1, 2, 3]
        assert (lab.cursor().version, lab.cursor().claim) == (3, None)
        assert lab.turn().outcome is Outcome.DONE
    assert lab.view.versions() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("exclusive", [False, True])
def test_what_was_shown_is_noted_where_the_store_fails_then(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, *, exclusive: bool
) -> None:
    lab.view.exclusive = exclusive
    first = lab.append()
    lab.append()

    def read(*_arguments: object, **_options: object) -> None:
        service = "DynamoDB"
        raise StoreUnavailableError(service, "Timeout")

    monkeypatch.setattr(lab.provider, "read", read)
    with pytest.raises(StoreUnavailableError):
        lab.turn(commits=[first])
    assert (lab.cursor().version, lab.cursor().claim) == (1, None)


def test_a_version_that_is_not_there_is_no_success(lab: Lab) -> None:
    lab.append()
    drained = lab.turn(version=3)
    assert "has come to version 3, and ends at 1; restore" in str(drained.error)
    assert (drained.outcome, drained.is_told, drained.comes_again) == (None, False, True)
    assert (lab.cursor().version, lab.cursor().failed_version) == (1, 2)


def test_a_commit_that_is_gone_is_not_passed_over(lab: Lab) -> None:
    for _ in range(3):
        lab.append()
    lab.turn(version=1, commits=lab.provider.read(KEY, until=1))
    lab.memory.write(Delete(place=Place(TABLES.events, KEY.pk, "0000000002")))
    assert isinstance(lab.turn().error, CorruptStreamError)
    assert lab.view.versions() == [1]
    assert (lab.cursor().version, lab.cursor().failed_version) == (1, 2)


def test_what_was_shown_before_a_commit_that_is_gone_is_noted(lab: Lab) -> None:
    for _ in range(3):
        lab.append()
    lab.memory.write(Delete(place=Place(TABLES.events, KEY.pk, "0000000003")))
    assert isinstance(lab.turn(version=3).error, CorruptStreamError)
    cursor = lab.cursor()
    assert (cursor.version, cursor.failed_version, cursor.claim) == (2, 3, None)
    assert (cursor.failed_error or "").startswith("CorruptStreamError: users#u1#acme has come to version 3")


def test_a_handler_that_begins_at_a_time_passes_over_what_is_older(lab: Lab) -> None:
    with CLOCK:
        lab.append()
        lab.append()
        CLOCK.advance(60)
        lab.view.since = clock.now()
        CLOCK.advance(60)
        lab.append(KEY, "a", "b")
        lab.turn()
    assert lab.view.versions() == [3, 4]


def test_a_handler_that_begins_behind_everything_has_nothing_to_see(lab: Lab) -> None:
    lab.append()
    lab.view.since = clock.now() + timedelta(minutes=1)
    assert lab.turn().outcome is Outcome.DONE
    assert (lab.view.versions(), lab.cursor().version) == ([], 1)


def test_an_erased_aggregate_is_told_of_and_nothing_of_it_is_shown(lab: Lab) -> None:
    lab.append()
    lab.turn()
    lab.append(KEY, "a", "b")
    lab.erase()
    lab.turn()
    assert lab.view.versions() == [1]
    assert (lab.view.erased, lab.cursor().version) == ([KEY.pk], 4)
