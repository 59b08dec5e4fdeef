"""A process dies before and after every single call, by an exception and by a kill: the end is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.scale import COMPLETE, chosen, scaled
from tests.faults.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.faults.site import Process
    from tests.faults.world import Fault
    from tests.faults.zygote import Zygote

MODES = ("workflow", "inline")


def asynchronous(world: World) -> None:
    """Two commands in one batch, and in the complete form one more on top."""
    world.publish()
    world.publish(publish_id="p")
    world.settle()
    if COMPLETE:
        world.publish()
        world.settle()


def side_by_side(world: World) -> None:
    """Each command has an execution of its own, and they run at the same time."""
    for _ in range(scaled(3, 4)):
        world.publish()
    world.deliver(one_by_one=True)
    world.run()


def forgotten(world: World) -> None:
    """The stream forgot what it was told; the stack finishes it by itself."""
    world.publish()
    world.publish(sync=True)
    world.publish()
    world.forget()
    world.heal()


def swept(world: World) -> None:
    """The stream forgot what it was told; an operator sweeps."""
    world.publish()
    world.publish()
    world.forget()
    world.reconcile()


def synchronous(world: World) -> None:
    """A first command, one on top of what is pending, and one more."""
    world.publish(sync=True)
    world.publish()
    world.publish(sync=True, publish_id="p")
    world.publish()
    world.settle()


def synchronous_with_handlers(world: World) -> None:
    """A process that dies between its commit and its handlers leaves them to a sweep.

    Later versions are left to its turns meanwhile: nothing is parked, and nothing is shown out of order.
    """
    world.publish(sync=True)
    world.publish()
    world.publish(sync=True)
    world.settle()
    world.reconcile()
    world.check()
    assert not [row for row in world.rows().sync.values() if "parkedVersion" in row]


def parked(world: World) -> None:
    """A store is down: its handler is parked, and redriven when the store is back."""
    world.refuse("Ledger", refused=True)
    world.publish()
    world.publish()
    world.settle()
    world.check()
    alarms = world.process.alarms(world.pk)
    assert alarms, "nobody was told that a handler is parked"
    assert all(alarm.startswith("Ledger is parked") for alarm in alarms)
    world.refuse("Ledger", refused=False)
    world.redrive("Ledger")
    world.settle()


def survive(
    process: Process,
    life: Callable[[World], None],
    undisturbed: World,
    faults: Iterable[Fault],
    zygote: Zygote | None = None,
) -> None:
    """Live ``life`` once for each fault."""
    number = healed = 0
    for number, fault in enumerate(faults, 1):
        world = World(process, f"TODO{number}#acme", fault, zygote)
        life(world)
        world.check(undisturbed)
        healed += world.healed
    killed = "kills" if zygote else "exceptions"
    print(f"{life.__name__}: {number} {killed}, {healed} healed by the stack")  # noqa: T201 - shown with -s


def undisturbed_life(process: Process, life: Callable[[World], None]) -> World:
    world = World(process, "TODO0#acme")
    life(world)
    world.check()
    return world


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("life", [asynchronous, synchronous])
def test_a_crash_without_handlers(
    open_site: Callable[..., Process], life: Callable[[World], None], mode: str
) -> None:
    process = open_site(mode=mode, handlers=False)
    undisturbed = undisturbed_life(process, life)
    survive(process, life, undisturbed, chosen(undisturbed.faults(), at_least=8))


def test_a_crash_with_handlers(open_site: Callable[..., Process]) -> None:
    process = open_site()
    undisturbed = undisturbed_life(process, asynchronous)
    survive(process, asynchronous, undisturbed, chosen(undisturbed.faults(), at_least=25))


@pytest.mark.parametrize("mode", MODES)
def test_a_crash_of_executions_side_by_side(open_site: Callable[..., Process], mode: str) -> None:
    process = open_site(mode=mode)
    undisturbed = undisturbed_life(process, side_by_side)
    kinds = () if COMPLETE else ("apply", "handle", "finish")
    survive(process, side_by_side, undisturbed, chosen(undisturbed.faults(*kinds), at_least=25))


@pytest.mark.parametrize("handlers", [True, False])
@pytest.mark.parametrize("life", [forgotten, swept])
def test_a_crash_of_those_that_finish_what_was_forgotten(
    open_site: Callable[..., Process], life: Callable[[World], None], *, handlers: bool
) -> None:
    process = open_site(handlers=handlers)
    undisturbed = undisturbed_life(process, life)
    faults = undisturbed.faults("heal", "reconcile")
    # Most calls of a healing are looks at the index, which are all the same.
    others = (fault for fault in faults if "Query" not in fault.name)
    survive(process, life, undisturbed, chosen(others, at_least=10 if handlers else 3))


def test_a_crash_with_handlers_inline(open_site: Callable[..., Process]) -> None:
    """Only the stream function does anything else than in the workflow."""
    process = open_site(mode="inline")
    undisturbed = undisturbed_life(process, asynchronous)
    kinds = () if COMPLETE else ("stream",)
    survive(process, asynchronous, undisturbed, chosen(undisturbed.faults(*kinds), at_least=4))


def test_a_crash_of_a_synchronous_publish_with_handlers(open_site: Callable[..., Process]) -> None:
    process = open_site()
    undisturbed = undisturbed_life(process, synchronous_with_handlers)
    kinds = () if COMPLETE else ("publish_sync",)
    faults = chosen(undisturbed.faults(*kinds), at_least=15)
    survive(process, synchronous_with_handlers, undisturbed, faults)


def test_a_crash_while_a_handler_is_parked_and_redriven(open_site: Callable[..., Process]) -> None:
    process = open_site()
    undisturbed = undisturbed_life(process, parked)
    kinds = () if COMPLETE else ("park", "finish", "redrive")
    survive(process, parked, undisturbed, chosen(undisturbed.faults(*kinds), at_least=10))


@pytest.mark.parametrize("handlers", [True, False])
def test_a_killed_process(open_site: Callable[..., Process], zygote: Zygote, *, handlers: bool) -> None:
    """Nothing of it runs on: no except, no finally, no rollback."""
    process = open_site(handlers=handlers)
    life = asynchronous if handlers else synchronous
    undisturbed = undisturbed_life(process, life)
    survive(process, life, undisturbed, chosen(undisturbed.faults(), at_least=16), zygote)
