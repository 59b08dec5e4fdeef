"""A task that is held up at any call, while others bring everything to its end: it changes nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.world import SK, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Process

VERSIONS = 3
#: Tasks of version 1 and of the ledger, what has to be done before each, and whether a handler may
#: end up parked: one that is held up in its database keeps others out of it.
TASKS: dict[str, tuple[list[str], bool]] = {
    "apply": ([], False),
    "handle": (["apply"], True),
    "finish": (["apply", "handle", "handle Journal"], False),
    "park": (["apply"], True),
    "fail": ([], False),
}


def event(world: World, task: str) -> dict[str, Any]:
    action, _, handler = task.partition(" ")
    handler = handler or "Ledger"
    reference = {"module": "todo", "pk": world.pk, "sk": SK, "version": 1, "handler": handler, "error": "E"}
    results = [{"handler": "Ledger", "outcome": "done"}]
    context = {"Execution": {"Id": "arn:x"}, "State": {}, "StateMachine": {}}
    return {"action": action, "input": {**reference, "results": results}, "context": context}


def live(world: World, before: list[str]) -> None:
    for _ in range(VERSIONS):
        world.publish()
    for action in before:
        world.attempt("function", event(world, action))


@pytest.mark.parametrize("action", TASKS)
def test_a_task_is_overtaken_at_any_call(open_site: Callable[..., Process], action: str) -> None:
    slow = open_site()
    fast = slow.site.open()
    before, may_park = TASKS[action]
    undisturbed = World(fast, "TODO0#acme")
    live(undisturbed, before)
    slow.perform("function", event(undisturbed, action))
    calls = len(slow.wire.calls)
    undisturbed.settle()
    for handler in ("Ledger", "Journal"):
        undisturbed.redrive(handler)
    undisturbed.check()
    for position in range(calls):
        for moment in ("before", "after"):
            world = World(fast, f"TODO-{position}-{moment}#acme")
            live(world, before)
            slow.dying("function", event(world, action), position, moment, world.settle)
            world.check()
            if may_park:
                world.redrive("Ledger")
            world.check(undisturbed)
    for reference in fast.service.module.handlers:
        reference.handler.close()  # type: ignore[attr-defined]
