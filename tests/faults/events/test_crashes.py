"""A process dies before and after each call that it makes: every handler sees all, in order, all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.errors import OutcomeUnknownError, StoreUnavailableError
from tests.event_store.feed.lab import key
from tests.faults.events.world import LONGEST_TURN, Crash, World, check_seen
from tests.faults.scale import chosen
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.events.world import Fault


def plain(world: World) -> None:
    """Commits of one and of several events, some of types that a handler does not know."""
    world.append()
    world.append(1, "b", "a", "c")
    world.deliver()
    world.append(1, "b")
    world.deliver()
    world.check()


def late(world: World) -> None:
    """The stream delivers the later commit first, and both twice."""
    world.append(1, "b")
    world.append(1, "a", "b")
    world.lab.records.reverse()
    world.deliver()
    world.lab.records = list(world.lab.all_records)
    world.deliver()
    world.check()


def generations(world: World) -> None:
    """A new generation begins with what comes next, and reads what was before."""
    world.append(1, "b")
    world.deliver()
    world.views[0].fed = (1, 2)
    world.append()
    world.deliver()
    world.check()


def failing(world: World) -> None:
    """A handler fails in the middle of a commit, and is healed."""
    world.append(1, "b")
    world.append(1, "a", "b", "b")
    world.fail(world.views[0], lambda _commit, version: version == 3)
    world.attempt(lambda: world.lab.deliver(list(world.lab.records)))
    world.fail(world.views[0], None)
    world.deliver()
    world.check()


def parked(world: World) -> None:
    """A handler fails until it is parked; more comes; an operator redrives."""
    world.append(1, "a", "b")
    world.fail(world.views[0], lambda _commit, version: version == 2)
    world.deliver()
    assert world.lab.cursor(view=world.views[0]).parked_version == 2
    world.append(1, "a", "b")
    world.deliver()
    world.fail(world.views[0], None)
    world.repair(world.views[0])
    world.append()
    world.deliver()
    world.check()


def skipped(world: World) -> None:
    """The same, and the operator passes the event over."""
    world.append(1, "a", "a")
    world.fail(world.views[0], lambda _commit, version: version == 1)
    world.deliver()
    world.append()
    world.deliver()
    world.repair(world.views[0], skipping=True)
    world.check(skipped=[1])


def erased(world: World) -> None:
    """An aggregate is erased while one handler is parked, and the other one is behind."""
    world.append(1, "a", "b")
    world.fail(world.views[0], lambda commit, version: version == 2 and not commit.closes)
    world.deliver()
    world.append(1, "b")
    world.attempt(world.lab.erase)
    world.deliver()
    for view in world.views:
        cursor = world.lab.cursor(view=view)
        assert (cursor.version, cursor.parked_version, cursor.claim) == (4, None, None)
        assert view.erased


LIVES = (plain, late, generations, failing, parked, skipped, erased)


def faults_in(
    life: Callable[[World], None], breaks: Callable[[], BaseException], *, exclusive: bool
) -> list[Fault]:
    undisturbed = World(exclusive=exclusive)
    life(undisturbed)
    return chosen(undisturbed.faults(breaks), at_least=10)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("life", LIVES)
def test_a_crash(life: Callable[[World], None], *, exclusive: bool) -> None:
    faults = faults_in(life, Crash, exclusive=exclusive)
    for fault in faults:
        world = World(fault, exclusive=exclusive)
        life(world)
        assert world.deaths == 1, f"{fault} was not reached"
    print(f"{life.__name__}: {len(faults)} crashes, exclusive: {exclusive}")  # noqa: T201 - shown with -s


def unavailable() -> Exception:
    return StoreUnavailableError("DynamoDB", "ThrottlingException")


def unknown() -> Exception:
    return OutcomeUnknownError("DynamoDB", "ReadTimeoutError")


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("life", LIVES)
def test_a_store_that_refuses_or_loses_an_answer(life: Callable[[World], None], *, exclusive: bool) -> None:
    """Before a call it refuses, after one its answer is lost."""
    for fault in faults_in(life, unavailable, exclusive=exclusive):
        breaks = unavailable if fault.moment == "before" else unknown
        world = World(type(fault)(fault.call, fault.moment, breaks), exclusive=exclusive)
        life(world)
        assert world.deaths == 1, f"{fault} was not reached"


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_crash_of_a_callback(*, exclusive: bool) -> None:
    """It dies in the user's code, in front of each event and behind it."""
    for version in range(1, 7):
        for moment in ("before", "after"):
            world = World(exclusive=exclusive)
            view = world.views[0]
            died: list[int] = []

            def die(_commit: object, number: int, version: int = version, died: list[int] = died) -> bool:
                if number == version and not died:
                    died.append(number)
                    raise Crash
                return False

            setattr(view, "before" if moment == "before" else "fails", die)
            for types in (("a",), ("a", "b", "b"), ("b", "a")):
                world.append(1, *types)
            world.deliver()
            assert died == [version]
            world.check()
            check_seen(view.versions(), range(1, 7), no_overlap=exclusive)


def test_a_dead_turn_holds_its_own_aggregate_only() -> None:
    world = World(exclusive=True)
    for number in (1, 2):
        world.append(number)
    died: list[str] = []

    def die(commit: object, _version: int) -> None:
        if getattr(commit, "key", None) == key(1) and not died:
            died.append("once")
            raise Crash

    world.views[0].before = die
    with pytest.raises(Crash):
        world.lab.deliver(world.lab.all_records)
    assert world.lab.deliver(world.lab.all_records) == ["1"]
    assert world.views[0].versions(key(2)) == [1]
    CLOCK.advance(LONGEST_TURN)
    assert world.lab.deliver(world.lab.all_records) == []
    world.check(numbers=(1, 2))
