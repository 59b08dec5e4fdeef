"""A deployment turns workflow into inline, or standard into express, while commands are under way."""

from __future__ import annotations

from typing import Any

import pytest

from runtime import CqrsError, heal
from runtime.contract import MODE_INLINE, MODE_WORKFLOW
from runtime.model.status import FINISHED, HANDLERS_STARTED
from tests.faults.scale import COMPLETE
from tests.pipeline.lab import Lab, One
from tests.pipeline.test_random_lives import STORY, Story

SEEDS = range(1000 if COMPLETE else 10)
STEPS = 60
STANDARD, EXPRESS = (f"arn:aws:states:us-east-1:000000000000:stateMachine:{name}" for name in ("lab", "next"))


class Deployment(Story):
    """Functions that know of two modes and two state machines, in any mix: who does a step is chance."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.sides = [
            self.lab.redeployed(mode=mode, state_machine=machine)
            for mode in (MODE_WORKFLOW, MODE_INLINE)
            for machine in (STANDARD, EXPRESS)
        ]

    def switch(self) -> None:
        self.lab.module = self.chance.choice(self.sides)

    def end_machine(self) -> None:
        """Its executions end wherever they are: what they were about stays unfinished."""
        for number, execution in enumerate(self.lab.resources.executions[: len(self.steps)]):
            if execution.status == "RUNNING":
                execution.status = "ABORTED"
                self.steps[number] = iter(())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mix_of_modes_applies_everything_once_and_in_order(seed: int) -> None:
    story = Deployment(seed)
    told: list[str] = []
    try:
        for _ in range(STEPS):
            told.append(story.chance.choice((*STORY, *["switch"] * 12, "end_machine")))
            getattr(story, told[-1])()
        story.settle()
        story.check()
    except (AssertionError, CqrsError) as error:
        error.add_note(f"seed {seed}: {' '.join(told)}")
        raise
    finally:
        story.lab.clock.stop()


@pytest.mark.parametrize("handlers", [0, 1])
@pytest.mark.parametrize(("before", "after"), [(MODE_WORKFLOW, MODE_INLINE), (MODE_INLINE, MODE_WORKFLOW)])
def test_what_began_in_one_mode_ends_in_the_other(before: str, after: str, handlers: int) -> None:
    lab = Lab(mode=before, handlers=[One() for _ in range(handlers)])
    try:
        for version in range(3):
            lab.publish(version)
        lab.deliver(lab.records[:2])
        lab.module = lab.redeployed(mode=after)
        for version in range(3, 6):
            lab.publish(version)
        lab.settle()
        _assert_finished(lab, 6)
    finally:
        lab.clock.stop()


@pytest.mark.parametrize("handlers", [0, 1])
def test_what_a_replaced_machine_left_is_finished_by_the_schedule(handlers: int) -> None:
    lab = Lab(handlers=[One() for _ in range(handlers)])
    try:
        for version in range(3):
            lab.publish(version)
        lab.deliver()
        for execution in lab.running():
            execution.status = "ABORTED"
        lab.module = lab.redeployed(mode=MODE_WORKFLOW, state_machine=EXPRESS)
        lab.publish(3)
        lab.clock.advance(minutes=11)
        assert heal(lab.module).healed
        lab.settle()
        _assert_finished(lab, 4)
    finally:
        lab.clock.stop()


@pytest.mark.parametrize("is_last", [True, False])
def test_a_first_handler_hears_of_what_was_started_where_there_was_none(*, is_last: bool) -> None:
    """An old stream function starts what only applies; a new worker finds that there is a handler."""
    lab = Lab()
    try:
        for version in range(3):
            lab.publish(version)
        lab.deliver()
        lab.module = lab.redeployed(mode=MODE_WORKFLOW, handlers=[One()])
        lab.run()
        assert lab.calls == ["apply"]
        assert [lab.status(version) for version in (1, 2, 3)] == [HANDLERS_STARTED] * 3
        if not is_last:
            # The next version's own execution shows them too, and nobody waits for the schedule.
            lab.publish(3)
            lab.settle()
        lab.clock.advance(minutes=11)
        assert heal(lab.module).healed == (3 if is_last else 0)
        lab.settle()
        _assert_finished(lab, 3 if is_last else 4)
    finally:
        lab.clock.stop()


def test_the_last_handler_goes_while_commands_are_under_way() -> None:
    """A new stream function starts what only applies; an old worker leaves the turn to the schedule."""
    lab = Lab(handlers=[One()])
    before = lab.module
    try:
        after = lab.redeployed(mode=MODE_WORKFLOW, handlers=[])
        for version in range(3):
            lab.publish(version)
        lab.module = after
        lab.deliver()
        lab.module = before
        lab.run()
        assert lab.status(3) == HANDLERS_STARTED
        lab.module = after
        lab.clock.advance(minutes=11)
        heal(lab.module)
        lab.settle()
        _assert_finished(lab, 3)
    finally:
        lab.clock.stop()


def _assert_finished(lab: Lab, versions: int) -> None:
    assert [lab.status(version) for version in range(1, versions + 1)] == [FINISHED] * versions
    assert lab.row("data")["version"] == versions
    assert not lab.alarms()
    for reference in lab.module.handlers:
        handler: Any = reference.handler
        assert list(dict.fromkeys(handler.versions())) == list(range(1, versions + 1))
