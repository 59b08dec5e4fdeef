"""A task that is held up at any call, while others bring everything to its end: it changes nothing more."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from runtime.testing.clients import Execution
from runtime.testing.state_machine import run_execution
from tests.faults.scale import chosen
from tests.faults.world import LONGEST_TURN, SK, World
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Process

VERSIONS = 3
_NO_TIME_LEFT = 118
"""A turn of 120 seconds is not over then, and nothing more is begun in it."""
#: Tasks of an execution of version 1, and which of its tasks fail before it comes to them.
TASKS: dict[str, str | None] = {
    "apply": None,
    "handle": None,
    "finish": None,
    "park": "handle",
    "fail": "apply",
}


class Slow:
    """An execution of version 1, of which one task, that of the ledger, can be held up.

    Beside it, the records of all versions ring one by one, so that each version has one of its own.
    """

    def __init__(self, process: Process, action: str) -> None:
        self._process = process
        self._action = action

    def run(self, world: World, hold: Callable[[dict[str, Any]], Any]) -> None:
        """Run it; ``hold`` performs the task that is held up."""
        given = {"module": "todo", "table": "t", "pk": world.pk, "sk": SK, "version": 1}

        def call(event: dict[str, Any]) -> Any:
            if event["input"].get("handler", "Ledger") == "Ledger":
                if event["action"] == self._action:
                    return hold(event)
                if event["action"] == TASKS[self._action]:
                    message = "no connection"
                    raise RuntimeError(message)
            return self._process.perform("function", event)

        for pause in run_execution(Execution("arn:stateMachine:x", "slow", given), call, "2026-01-01"):
            CLOCK.advance(pause)


class Held:
    """Holds up one try of a task, while others bring everything to its end."""

    def __init__(self, process: Process, world: World, seconds: float) -> None:
        self._process = process
        self._world = world
        self._seconds = seconds
        self._is_first = True

    def at(self, position: int, moment: str) -> Callable[[dict[str, Any]], Any]:
        def perform(event: dict[str, Any]) -> Any:
            if not self._is_first:
                return self._process.perform("function", event)
            self._is_first = False
            return self._process.dying("function", event, position, moment, self._meanwhile)

        return perform

    def _meanwhile(self) -> None:
        CLOCK.advance(self._seconds)
        settle(self._world)


def publish(world: World) -> None:
    for _ in range(VERSIONS):
        world.publish()


def settle(world: World) -> None:
    world.deliver(one_by_one=True)
    world.run()


@pytest.mark.parametrize("seconds", [0, _NO_TIME_LEFT, LONGEST_TURN])
@pytest.mark.parametrize("action", TASKS)
def test_a_task_is_overtaken_at_any_call(
    open_site: Callable[..., Process], action: str, seconds: float
) -> None:
    """It is held up for so long: with its turn it has no time left for more, or others have had theirs."""
    process = open_site()
    fast = process.site.open()
    slow = Slow(process, action)
    undisturbed = World(fast, "TODO0#acme")
    publish(undisturbed)
    calls = []

    def count(event: dict[str, Any]) -> Any:
        answer = process.perform("function", event)
        calls.append(process.wire.names())
        return answer

    slow.run(undisturbed, count)
    settle(undisturbed)
    undisturbed.redrive("Ledger")
    undisturbed.reconcile()
    undisturbed.check()
    assert len(calls) == 1
    places = product(range(len(calls[0])), ("before", "after"))
    for position, moment in chosen(places, at_least=2):
        if seconds and (calls[0][position], moment) == ("ledger:Commit", "before"):
            continue  # a handler in the middle of its work ends with its function
        world = World(fast, f"TODO-{position}-{moment}#acme")
        publish(world)

        held = Held(process, world, seconds)
        slow.run(world, held.at(position, moment))
        settle(world)
        world.check()
        if action == "park":
            world.redrive("Ledger")
        world.check(undisturbed)
    for reference in fast.service.module.handlers:
        reference.handler.close()  # type: ignore[attr-defined]
