"""Many versions of one aggregate at once: a burst is one turn, nothing is parked, and nothing shown twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.scale import chosen, scaled
from tests.faults.test_crashes import MODES, survive, undisturbed_life
from tests.faults.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Process

_VERSIONS = scaled(30, 200)
_CALLS = 3  # of the worker, for a command, on average


@pytest.mark.parametrize("one_by_one", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_a_burst_is_drained(open_site: Callable[..., Process], mode: str, *, one_by_one: bool) -> None:
    process = open_site(mode=mode)
    world = World(process, "TODO1#acme")
    for number in range(_VERSIONS):
        world.publish(sync=number % 7 == 6)
    world.deliver(one_by_one=one_by_one)
    world.run(seed=1)
    world.check()
    assert not [row for row in world.rows().sync.values() if "parkedVersion" in row]
    for handler in ("Ledger", "Journal"):
        assert [sight.version for sight in world.seen(handler)] == list(range(1, _VERSIONS + 1))
    calls = [kind for kind, _ in world.attempts if kind in {"apply", "handle", "park", "finish"}]
    assert len(calls) <= _CALLS * _VERSIONS
    assert len(world.executions) <= _VERSIONS


def burst(world: World) -> None:
    """Waves, each on top of executions that have only begun."""
    for wave in range(scaled(2, 3)):
        for _ in range(4):
            world.publish()
        world.deliver(one_by_one=wave == 1)
        if wave:
            world.run(seed=wave)
    world.settle()


def test_a_crash_in_a_burst(open_site: Callable[..., Process]) -> None:
    process = open_site()
    undisturbed = undisturbed_life(process, burst)
    survive(process, burst, undisturbed, chosen(undisturbed.faults("handle", "finish"), at_least=20))
