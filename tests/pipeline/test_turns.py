"""Turns of one handler at one aggregate never overlap, and nothing is skipped, whoever takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import ContentionError, HandlersPendingError, heal, redrive, skip
from runtime.contract import Action
from runtime.errors import PreviousVersionPending
from runtime.model.status import FINISHED
from runtime.pipeline.drain import Outcome, drain
from tests.pipeline.lab import KEY, Lab, One

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime import CommandModel


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(handlers=[One()])
    yield lab
    lab.clock.stop()


def one(lab: Lab) -> One:
    return lab.module.handler("One").handler  # type: ignore[return-value]


def once(action: Callable[[], Any]) -> Callable[[CommandModel[Any]], None]:
    """Do something in the middle of the first turn only."""
    waiting = [action]

    def run(_command: CommandModel[Any]) -> None:
        if waiting:
            waiting.pop()()

    return run


def test_a_resync_beside_the_pipeline_shows_nothing_twice_and_leaves_nothing_out(lab: Lab) -> None:
    for version in range(4):
        lab.publish(version)
    lab.deliver()
    one(lab).before = once(lambda: lab.module.commands.re_sync_data(invoke_context=lab.admin()))
    lab.run()
    assert one(lab).versions() == [1, 2, 3, 4]
    assert lab.cursor("One")["version"] == 4


def test_the_pipeline_beside_a_resync_shows_what_is_under_way_in_order(lab: Lab) -> None:
    lab.publish(0)
    lab.settle()
    for version in range(1, 4):
        lab.publish(version)
    lab.deliver()
    lab.module.data.publish(lab.module.commands.get_latest_item(KEY), invoke_context=lab.user())
    one(lab).before = once(lab.run)
    lab.module.commands.re_sync_data(invoke_context=lab.admin())
    lab.run()
    assert one(lab).versions() == [1, 2, 3, 4]
    assert [lab.status(version) for version in range(1, 5)] == [FINISHED] * 4


def test_a_resync_leaves_out_nothing_of_an_aggregate_whose_first_versions_are_under_way(lab: Lab) -> None:
    for version in range(3):
        lab.publish(version)
    lab.module.data.publish(lab.module.commands.get_latest_item(KEY), invoke_context=lab.user())
    lab.module.commands.re_sync_data(invoke_context=lab.admin())
    assert one(lab).versions() == [1, 2, 3]
    lab.settle()
    assert one(lab).versions() == [1, 2, 3]
    assert [lab.status(version) for version in range(1, 4)] == [FINISHED] * 3


def test_a_resync_shows_a_handler_that_is_up_to_date_its_state_once_more(lab: Lab) -> None:
    lab.publish(0)
    lab.settle()
    assert lab.module.commands.re_sync_data(invoke_context=lab.admin()) == 1
    assert one(lab).versions() == [1, 1]


def test_a_resync_goes_on_past_a_row_that_a_handler_does_not_take(lab: Lab) -> None:
    for sk in ("A", "B", "C"):
        lab.publish(0, sk=sk)
    lab.settle()
    one(lab).seen.clear()

    def refuse(command: CommandModel[Any]) -> None:
        if command.sk.startswith("B@"):
            message = "not this one"
            raise ValueError(message)

    one(lab).before = refuse
    pages: list[Any] = []
    lab.module.commands.re_sync_data(invoke_context=lab.admin(), on_page=pages.append)
    assert [sk for sk, *_ in one(lab).seen] == ["A", "C"] or {sk for sk, *_ in one(lab).seen} == {"A", "C"}
    assert [(fed.key.sk, fed.handler, fed.error) for page in pages for fed in page.failed] == [
        ("B", "One", "ValueError")
    ]
    one(lab).before = lambda _command: None
    lab.publish(1, sk="B")
    lab.settle()
    assert one(lab).versions("B") == [2]


def test_a_turn_of_a_process_that_died_is_taken_over_when_its_time_is_up(lab: Lab) -> None:
    class Died(BaseException):
        pass

    def die(_command: CommandModel[Any]) -> None:
        raise Died

    lab.publish(0)
    lab.deliver()
    (execution,) = lab.running()
    event = {"action": Action.APPLY, "input": execution.input, "context": {}}
    lab.work(event)
    one(lab).before = die
    handle = {
        "action": Action.HANDLE,
        "input": execution.input | {"handler": "One"},
        "context": {"Execution": {"Id": execution.arn}, "State": {}},
    }
    with pytest.raises(Died):
        lab.work(handle)
    one(lab).before = lambda _command: None
    with pytest.raises(PreviousVersionPending):
        lab.work(handle)  # its earlier try may still be at work
    lab.publish(1)
    lab.deliver()
    lab.clock.advance(seconds=130)
    lab.run()
    assert one(lab).versions() == [1, 2]
    assert [lab.status(1), lab.status(2)] == [FINISHED, FINISHED]


def test_others_leave_their_version_to_whoever_has_the_turn(lab: Lab) -> None:
    outcomes: list[Outcome] = []

    def come_by() -> None:
        lab.publish(1)
        lab.module.data.publish(lab.module.commands.get_latest_item(KEY), invoke_context=lab.user())
        outcome = drain(lab.context, lab.module.handler("One"), KEY, 2, owner="somebody else")
        outcomes.append(outcome)

    one(lab).before = once(come_by)
    lab.publish(0)
    lab.settle()
    assert outcomes == [Outcome.LEFT]
    assert one(lab).versions() == [1, 2]


def test_a_synchronous_publish_waits_for_a_turn_that_ends_soon(lab: Lab) -> None:
    lab.publish(0)
    lab.deliver()
    told: list[str] = []

    def publish() -> None:
        try:
            lab.publish(1, sync=True)
        except HandlersPendingError as error:
            told.append(str(error))

    one(lab).before = once(publish)
    lab.run()
    lab.run()
    assert len(told) == 1  # the turn cannot end before the publish does: it says so
    assert one(lab).versions() == [1, 2]
    assert [lab.status(1), lab.status(2)] == [FINISHED, FINISHED]


def test_a_synchronous_publish_beside_nobody_finishes_in_the_call(lab: Lab) -> None:
    lab.publish(0, sync=True)
    assert one(lab).versions() == [1]
    assert lab.status(1) == FINISHED
    assert lab.resources.executions == []


def test_two_redrives_at_once_do_not_overlap(lab: Lab) -> None:
    one(lab).fails_at = {1}
    lab.publish(0)
    lab.publish(1)
    lab.settle()
    one(lab).fails_at = set()
    refused: list[str] = []

    def again() -> None:
        try:
            redrive(lab.module, KEY, "One", invoke_context=lab.user())
        except ContentionError as error:
            refused.append(str(error))

    one(lab).before = once(again)
    done = redrive(lab.module, KEY, "One", invoke_context=lab.user())
    assert (done.done, done.parked_version) == ((1, 2), None)
    assert len(refused) == 1
    assert one(lab).versions() == [1, 2]


def test_what_is_published_during_a_redrive_is_not_left_behind(lab: Lab) -> None:
    one(lab).fails_at = {1}
    lab.publish(0)
    lab.settle()
    one(lab).fails_at = set()

    def publish() -> None:
        lab.publish(1)
        lab.settle()

    one(lab).before = once(publish)
    redrive(lab.module, KEY, "One", invoke_context=lab.user())
    assert one(lab).versions() == [1, 2]
    assert [lab.status(1), lab.status(2)] == [FINISHED, FINISHED]
    assert "parkedVersion" not in lab.cursor("One")


def test_a_redrive_after_the_data_row_expired_comes_to_the_last_command(lab: Lab) -> None:
    one(lab).fails_at = {1}
    lab.keep_for("data", 1)
    for version in range(3):
        lab.publish(version)
    lab.settle()
    lab.clock.advance(days=2)
    lab.store.expire()
    assert lab.row("data") is None
    one(lab).fails_at = set()
    done = redrive(lab.module, KEY, "One", invoke_context=lab.user())
    assert done.done == (1, 2, 3)
    assert [lab.status(version) for version in (1, 2, 3)] == [FINISHED] * 3
    assert lab.row("data") is None


def test_a_redrive_that_died_before_it_finished_what_it_had_shown_is_repeated(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor is past the version that it is parked at by then."""
    one(lab).fails_at = {2}
    for version in range(4):
        lab.publish(version)
    lab.settle()
    one(lab).fails_at = set()
    monkeypatch.setattr("runtime.pipeline.repair.finish_failed", die)
    with pytest.raises(DiedError):
        redrive(lab.module, KEY, "One", invoke_context=lab.user())
    monkeypatch.undo()
    assert (lab.cursor("One")["version"], lab.cursor("One")["parkedVersion"]) == (4, 2)
    lab.clock.advance(minutes=20)
    assert redrive(lab.module, KEY, "One", invoke_context=lab.user()).done == ()
    assert one(lab).versions() == [1, 2, 3, 4]
    assert [lab.status(version) for version in range(1, 5)] == [FINISHED] * 4
    assert "parkedVersion" not in lab.cursor("One")


def test_a_redrive_finishes_what_it_shows_before_the_version_that_is_parked(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who dies in a handler's turn leaves no word of where: the doorbell's version is parked."""
    lab.publish(0)
    lab.settle()
    one(lab).before = die
    lab.publish(1)
    lab.publish(2)
    lab.deliver()
    (execution,) = lab.running()
    context = {"Execution": {"Id": "arn:one"}, "State": {"RetryCount": 0}, "StateMachine": {}}
    failure = {"handler": "One", "error": "Lambda.Unknown", "cause": "died"}
    lab.work({"action": Action.APPLY, "input": execution.input, "context": context})
    lab.work({"action": Action.PARK, "input": execution.input | failure, "context": context})
    assert (lab.cursor("One")["version"], lab.cursor("One")["parkedVersion"]) == (1, 3)
    one(lab).before = lambda _command: None
    read: list[Any] = []
    batch_get = lab.store.batch_get

    def noted(places: Any) -> Any:
        wanted = list(places)
        read.extend(wanted)
        return batch_get(wanted)

    monkeypatch.setattr(lab.store, "batch_get", noted)
    assert redrive(lab.module, KEY, "One", invoke_context=lab.user()).done == (2, 3)
    assert [lab.status(version) for version in range(1, 4)] == [FINISHED] * 3
    assert lab.context.command_place(KEY, 1) not in read  # it was finished long ago


class DiedError(Exception):
    """A process ends here."""


def die(*_arguments: Any) -> None:
    raise DiedError


def test_a_skip_says_so_and_goes_on(lab: Lab) -> None:
    one(lab).fails_at = {2}
    for version in range(3):
        lab.publish(version)
    lab.settle()
    done = skip(lab.module, KEY, "One", invoke_context=lab.user())
    assert (done.skipped, done.done, done.parked_version) == (2, (3,), None)
    assert one(lab).versions() == [1, 3]
    assert [lab.status(version) for version in (1, 2, 3)] == [FINISHED] * 3


def test_a_turn_that_runs_out_of_time_goes_on_in_the_next_try(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in range(5):
        lab.publish(version)
    one(lab).before = lambda _command: lab.clock.advance(seconds=30)
    monkeypatch.setattr("runtime.clock._WITHOUT_DEADLINE", 60.0)
    lab.settle()
    assert one(lab).versions() == [1, 2, 3, 4, 5]
    assert [lab.status(version) for version in range(1, 6)] == [FINISHED] * 5
    assert len(lab.resources.executions) == 1
    assert lab.calls.count(Action.HANDLE) == 3


def test_a_handler_that_is_only_slow_is_not_parked(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its execution gives up after eleven turns; the look for unfinished commands gives it the next one."""
    for version in range(30):
        lab.publish(version)
    one(lab).before = lambda _command: lab.clock.advance(seconds=30)
    monkeypatch.setattr("runtime.clock._WITHOUT_DEADLINE", 60.0)
    lab.settle()
    assert one(lab).versions() == list(range(1, 23))
    assert lab.alarms() == []
    one(lab).before = lambda _command: None
    assert heal(lab.module).healed == 8
    assert one(lab).versions() == list(range(1, 31))
    assert {lab.status(version) for version in range(1, 31)} == {FINISHED}
