"""The life of some aggregates of events: clients, the stream, operators, and one fault in it.

Everything that a process does is an *attempt*. Whoever repeats it in AWS repeats it here: a client its
append, Lambda its batch, an operator a repair. Time passes in no time: waits between tries, and the turn of
a process that died.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from runtime import BadRequestError, CqrsError, ItemNotFoundError
from tests.event_store.feed.counting import CountingStore
from tests.event_store.feed.lab import Lab, View, key
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runtime.event_store.address import Key

__all__ = ["LONGEST_TURN", "Crash", "Fault", "World", "check_seen"]

LONGEST_TURN: Final = 62.0
"""Seconds after which the turn of a process that died is free again."""
_MOST_TRIES: Final = 40


class Crash(BaseException):
    """Stands for the end of a process, so nothing may catch it."""


@dataclass(frozen=True)
class Fault:
    """What breaks, and where.

    Attributes:
        call: Number of the call of the store.
        moment: "before" or "after" it.
        breaks: Makes what is raised there.
    """

    call: int
    moment: str
    breaks: Callable[[], BaseException] = Crash


class World:
    """One life.

    Args:
        fault: What breaks in it. Default: nothing.
        exclusive: Whether handlers claim their turns.
    """

    def __init__(self, fault: Fault | None = None, *, exclusive: bool = False) -> None:
        self.views = (View("one"), View("two", types=("b",)))
        self.lab = Lab(*self.views, store=CountingStore, exclusive=exclusive)
        self.store: Any = self.lab.store
        self.deaths = 0
        if fault is not None:
            setattr(self.store, fault.moment, self._break(fault))

    def _break(self, fault: Fault) -> Callable[[int, str], None]:
        def step_in(number: int, _name: str) -> None:
            if number == fault.call:
                self.deaths += 1
                raise fault.breaks()

        return step_in

    def faults(self, breaks: Callable[[], BaseException] = Crash) -> Iterator[Fault]:
        """Every place to break in what was done so far."""
        for call in range(len(self.store.calls)):
            for moment in ("before", "after"):
                yield Fault(call, moment, breaks)

    def attempt(self, action: Callable[[], Any]) -> Any:
        """Let a process do something, and again when it died or was told to repeat it."""
        for _ in range(_MOST_TRIES):
            try:
                return action()
            except (Crash, CqrsError) as error:
                if isinstance(error, BadRequestError | ItemNotFoundError):
                    raise
                CLOCK.advance(LONGEST_TURN)
        message = "an attempt comes to no end"
        raise AssertionError(message)

    def append(self, number: int = 1, *types: str) -> None:
        """A client appends; with the same append id each time that it is tried."""
        self.attempt(lambda: self.lab.append(key(number), *types))

    def deliver(self) -> None:
        """Lambda delivers what there is, from the first record that failed on, until nothing fails."""
        batch, self.lab.records = self.lab.records, []
        for _ in range(_MOST_TRIES):
            if not batch:
                return
            failed = set(self.attempt(lambda: self.lab.deliver(batch)))  # noqa: B023 - it is called at once
            numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
            batch = batch[min(map(numbers.index, failed)) :] if failed else []
            CLOCK.advance(10)
        message = "a batch comes to no end"
        raise AssertionError(message)

    def repair(self, view: View, number: int = 1, *, skipping: bool = False) -> None:
        """An operator redrives, or skips, until they are told that nothing is parked."""

        def again() -> Any:
            try:
                return self.lab.repair(key(number), view=view, skipping=skipping)
            except (BadRequestError, ItemNotFoundError):
                return None  # the attempt that died had come to its end

        repaired = self.attempt(again)
        assert repaired is None or repaired.parked_version is None

    def fail(self, view: View, fails: Callable[[Any, int], bool] | None) -> None:
        view.fails = fails or (lambda _commit, _version: False)

    def check(self, *, numbers: Sequence[int] = (1,), skipped: Sequence[int] = ()) -> None:
        """Everything was seen by everybody, in order (P1); no turn is taken, and nobody is parked."""
        for view in self.views:
            for number in numbers:
                for generation in view.fed:
                    self._check(view, key(number), generation, skipped)

    def _check(self, view: View, whose: Key, generation: int, skipped: Sequence[int]) -> None:
        wanted = [
            commit.first + position
            for commit in self.lab.commits(whose)
            for position, event in enumerate(commit.events)
            if event.type in view.types and commit.first + position not in skipped
        ]
        check_seen(view.versions(whose, generation), wanted)
        cursor = self.lab.cursor(whose, view=view, generation=generation)
        if wanted:
            assert cursor.version is not None
            assert cursor.version >= wanted[-1]
        assert (cursor.claim, cursor.parked_version, cursor.is_abandoned()) == (None, None, False)


def check_seen(seen: Sequence[int], wanted: Sequence[int], *, no_overlap: bool = False) -> None:
    """What a handler has seen: all that it was to see, each version only after the one before.

    Args:
        seen: What it has seen.
        wanted: What it was to see.
        no_overlap: Whether turns must not have overlapped (P2): then none begins in front of the one before.
    """
    behind = dict(zip(wanted, (None, *wanted), strict=False))
    known: set[int | None] = {None}
    for version in seen:
        assert version in behind, f"{version} was not to be seen: {list(seen)}"
        assert behind[version] in known, f"{version} came before {behind[version]}: {list(seen)}"
        known.add(version)
    assert known == {None, *wanted}, f"{set(wanted) - known} was left out: {list(seen)}"
    if no_overlap:
        begins = [seen[0]] if seen else []
        begins += [this for last, this in pairwise(seen) if behind[this] != last]
        assert begins == sorted(begins), f"turns have overlapped: {list(seen)}"
