"""An aggregate that is gone and made anew: no life meets another, whoever dies, whatever comes late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.scale import COMPLETE, chosen
from tests.faults.test_crashes import MODES, survive, undisturbed_life

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Process
    from tests.faults.world import World


def live_twice(world: World) -> None:
    """Everything of the first life comes once more: before the next one, in it, and after it is done."""
    for number in range(3):
        world.publish(name="first life", publish_id=f"p{number}")
    records = world.records()
    world.settle()
    executions = list(world.executions.values())
    world.erase()
    world.be_late(records, executions)
    for table in ("command", "data", "history", "sync"):
        assert getattr(world.rows(), table) == {}, f"{table} is not empty after an erasure"
    for number in range(2):
        world.publish(name="next life", publish_id=f"p{number}")
    world.be_late(records, executions)
    world.settle()
    world.be_late(records, executions)
    world.settle()


def live_on(world: World) -> None:
    """The same, where the first life has expired and its commands are kept."""
    for number in range(3):
        world.publish(name="first life", publish_id=f"p{number}")
    records = world.records()
    world.settle()
    executions = list(world.executions.values())
    world.expire()
    world.be_late(records, executions)
    assert world.rows().data == {}, "what has expired came back"
    for number in range(2):
        world.publish(name="next life", publish_id=f"q{number}", on=None if number else 0)
    world.be_late(records, executions)
    world.settle()
    world.be_late(records, executions)
    world.settle()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("handlers", [True, False])
def test_a_crash_around_the_end_of_a_life(
    open_site: Callable[..., Process], mode: str, *, handlers: bool
) -> None:
    process = open_site(mode=mode, handlers=handlers)
    undisturbed = undisturbed_life(process, live_on)
    rows = undisturbed.end()
    assert {(row["name"], row["version"]) for row in rows.data.values()} == {("next life 4", 5)}
    kinds = () if COMPLETE else ("publish_async",)
    survive(process, live_on, undisturbed, chosen(undisturbed.faults(*kinds), at_least=8))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("handlers", [True, False])
def test_a_crash_in_one_of_two_lives(open_site: Callable[..., Process], mode: str, *, handlers: bool) -> None:
    process = open_site(mode=mode, handlers=handlers)
    undisturbed = undisturbed_life(process, live_twice)
    rows = undisturbed.end()
    assert {row["name"] for row in rows.data.values()} == {"next life 1"}
    kinds = () if COMPLETE else ("erase",)
    survive(process, live_twice, undisturbed, chosen(undisturbed.faults(*kinds), at_least=8))
