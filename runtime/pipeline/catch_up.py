"""Catching up: let one handler see every version of one aggregate that it has not seen, in order.

A doorbell says that the aggregate has come to a version; the cursor says what the handler has
done. What a version is, a command or an event, and where it is read, say its `Versions`.

Whoever hears the doorbell claims the turn, shows what is missing, and lets the turn go. Such turns
never overlap: who comes while one is taken leaves the version on the cursor's row, and whoever
has the turn goes on to it before letting go. So a burst of versions is one turn.

A turn may also go without a claim, which saves a write: then the cursor advances only while its row
is as it was read, or has stayed behind what was shown. Two such turns may overlap. Either shows
everything in order from where the cursor was, so what they do is repeat, not leave out.

A process may end in the middle of a turn, and no error tells of it. A claim that was never let go does:
where nobody else counts such deaths, whoever takes the turn over notes that one has died, and from then on
each step of a turn, so that it is known what the next one dies at.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar
from uuid import uuid4

from runtime import clock
from runtime.errors import CqrsError, PreviousVersionPending
from runtime.log import logger
from runtime.model.cursor import TurnLostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.model.cursor import Cursor
    from runtime.pipeline.turn_row import TurnRow
    from runtime.store.port import Check

__all__ = ["RESERVE", "Outcome", "Turn", "Versions", "catch_up"]

FoundT = TypeVar("FoundT")

_MAX_ROUNDS: Final = 50
RESERVE: Final = 3.0
"""Seconds that a turn leaves unused of its function's time: enough to write down how far it has come."""
#: How long a turn that failed is kept for the same execution to try again; its retries are faster.
_HOLD: Final = 300.0


class Outcome(StrEnum):
    """How an attempt to catch up ended."""

    DONE = "done"
    """The handler has seen the version."""
    PARKED = "parked"
    """The handler is parked at this version or an earlier one."""
    LEFT = "left"
    """Somebody else has the turn, and will come to the version."""


class Versions(Protocol[FoundT]):
    """The versions of one aggregate, as one handler is to see them."""

    @property
    def row(self) -> TurnRow:
        """The handler's cursor for the aggregate."""
        ...

    @property
    def last(self) -> int:
        """The last version that the handler may see, as far as it is known without a further look."""
        ...

    @property
    def witness(self) -> Check | None:
        """What must hold for the first cursor row to be made; None where nothing has to."""
        ...

    @property
    def is_checked(self) -> bool:
        """Whether a check tells a repair that no later version has come while the handler was parked.

        Where none does, whoever meets a repair leaves the version on the row.
        """
        ...

    def is_over(self) -> bool:
        """Whether nobody is to see the version any more that the doorbell rang for."""
        ...

    def first(self, last: int) -> int:
        """The first version for a handler that is new to the aggregate, and may be shown ``last``."""
        ...

    def behind(self, done: int, last: int) -> Iterator[tuple[int, FoundT | None]]:
        """What is behind ``done``, in order, up to ``last`` or beyond; None for what is not to be shown."""
        ...

    def show(self, found: FoundT) -> None:
        """Show the handler one of them.

        Raises:
            Exception: Whatever it raises.
        """
        ...

    def resume(self, version: int) -> int | None:
        """Where the commit begins that a version, of those that were read, is in the middle of, or None."""
        ...


class Turn(Generic[FoundT]):
    """One handler's turn at one aggregate.

    Args:
        name: Name of the handler.
        owner: Who takes the turn: the same text each time that the same task is tried again.
        versions: What there is to see.
        exclusive: Whether the turn is claimed, so that no other one overlaps it.
        longest: Seconds that it takes at most. Default: what the function has left.
        counts_deaths: Whether turns that have died are counted on the row. Default: as a state machine does
            that, they are not.
    """

    def __init__(
        self,
        name: str,
        owner: str,
        versions: Versions[FoundT],
        *,
        exclusive: bool = True,
        longest: float | None = None,
        counts_deaths: bool = False,
    ) -> None:
        self.name = name
        self.versions = versions
        self.token = f"{owner}/{uuid4().hex}"
        self._owner = owner
        self._exclusive = exclusive
        self._longest = longest
        self._counts_deaths = counts_deaths
        self._is_careful = False
        self._held: str | None = None
        self._done: int | None = None
        self._is_open = False

    @property
    def row(self) -> TurnRow:
        """The handler's cursor row."""
        return self.versions.row

    @property
    def cursor(self) -> Cursor:
        """Where the handler was when its row was read last."""
        return self.versions.row.cursor

    def is_free(self) -> bool:
        """Whether the turn can be taken: nobody has it, or the same owner was to try again."""
        cursor = self.cursor
        if not cursor.is_claimed() or cursor.claim == self.token:
            return True
        return self.is_to_try_again()

    def is_to_try_again(self) -> bool:
        """Whether the handler failed in an earlier try of the same owner, who has kept the turn."""
        return self.cursor.failed_version is not None and self.is_of_earlier_try()

    def is_of_earlier_try(self) -> bool:
        """Whether an earlier try of the same owner has the turn, and may still be at work."""
        return (self.cursor.claim or "").startswith(f"{self._owner}/")

    def claim(self) -> bool:
        """Take the turn, for as long as the function has left; False when somebody was faster."""
        if self._exclusive:
            # It may have been taken, and the answer got lost.
            is_mine = self.cursor.claim == self.token
            if not is_mine and not self.row.claim(
                self.token, self._seconds(), self.versions.witness, counts_deaths=self._counts_deaths
            ):
                return False
            self._held = self.token
            self._is_careful = self._counts_deaths and self.cursor.has_died_before()
        return True

    def run(self, version: int, *, hold: bool = False) -> Outcome:
        """Show what the handler has not seen, then let the turn go."""
        cursor = self.cursor
        last = max(version, cursor.wanted or 0, cursor.failed_version or 0, self.versions.last)
        done = cursor.version
        if done is None:
            done = self.versions.first(last) - 1 or None
        try:
            return self.show_up_to(done, last, hold=hold)
        except TurnLostError:
            # Slower than it said, or the aggregate was erased: whoever has the turn now goes by the row.
            logger.warning("turn lost", handler=self.name)
            return Outcome.LEFT

    def show_up_to(self, done: int | None, last: int, *, hold: bool = False) -> Outcome:
        """Show the handler what is behind ``done``, up to ``last`` and what others want meanwhile.

        Args:
            done: Last version that the handler has seen.
            last: Last version to show.
            hold: See `catch_up`.

        Raises:
            TurnLostError: The turn took longer than it was claimed for.
            PreviousVersionPending: The time is up. What the handler has seen is noted.
            Exception: Whatever the handler raises; the turn is over then.
        """
        ends = clock.seconds() + max(self._seconds() - RESERVE, 1.0)
        self._done, self._is_open = done, True
        while True:
            for number, found in self.versions.behind(done or 0, last):
                if clock.seconds() > ends:
                    # Somebody may want even more than ``last``; they find the turn free.
                    self.let_go()
                    msg = f"{self.name} has more versions to see than there is time for"
                    raise PreviousVersionPending(msg)
                if found is not None:
                    self._note_step(number - 1)
                    self._show(found, number, done, hold=hold)
                self._done = done = number
            self._is_open = False
            if self.row.release(self._held, done):
                return Outcome.DONE
            if self._held is None:
                return self._overtaken_at(done)
            last = max(last, self.cursor.wanted or 0)

    def let_go(self) -> None:
        """Let the turn go half-way, if it is under way: what was shown is noted, and others find it free."""
        if self._is_open:
            self._is_open = False
            self.row.let_go(self._held, self._done, resume=self._resume(self._done))

    def fail(self, version: int, error: Exception) -> None:
        """Note that what comes next cannot be shown at all: it is not the handler that has failed.

        Args:
            version: Version that the doorbell rang for: it is what counts as failed where the handler has
                seen nothing of the aggregate.
            error: Why.
        """
        done = self._done if self._is_open else None
        behind = self.cursor.version if done is None else done
        failed = version if behind is None else behind + 1
        self._is_open = False
        self.row.fail(self._held, done, failed, error, resume=self._resume(done))

    def _note_step(self, done: int) -> None:
        """Let the row say what comes next, if turns have died there."""
        if self._is_careful and self._held is not None and done and not self.cursor.has_seen(done):
            self.row.advance(self._held, done, resume=self._resume(done))

    def _show(self, found: FoundT, version: int, done: int | None, *, hold: bool) -> None:
        try:
            self.versions.show(found)
        except TurnLostError:
            self._is_open = False
            raise
        except Exception as error:
            self._is_open = False
            keep = _HOLD if hold else 0
            try:
                self.row.fail(self._held, done, version, error, keep, resume=self._resume(done))
            except CqrsError as problem:  # the handler's own error is the one that counts
                logger.warning("failure not noted", error=type(problem).__name__)
            raise

    def _overtaken_at(self, done: int | None) -> Outcome:
        """No turn was claimed, and the row has changed: it must not stay behind what was shown."""
        for _ in range(_MAX_ROUNDS):
            cursor = self.cursor
            if done is None or cursor.has_seen(done):
                return Outcome.DONE
            if cursor.parked_version is not None:
                return Outcome.PARKED
            if cursor.is_claimed():
                if self.row.leave(done):
                    return Outcome.LEFT
                self.row.read()
            elif self.row.release(None, done):
                return Outcome.DONE
        raise _overtaken(self.name)

    def _resume(self, done: int | None) -> int | None:
        return None if done is None else self.versions.resume(done)

    def _seconds(self) -> float:
        left = clock.seconds_left()
        return left if self._longest is None else min(left, self._longest)


def catch_up(turn: Turn[FoundT], version: int, *, hold: bool = False) -> Outcome:
    """Bring a handler to ``version`` of an aggregate, or beyond. The cursor has been read.

    Args:
        turn: The turn to take.
        version: Version that the doorbell rang for.
        hold: Whether its owner tries again by itself when the handler fails: others wait for that.

    Raises:
        PreviousVersionPending: An earlier try may still be at work, or the time is up before the
            handler has seen all. Call again: what it has seen is noted.
        Exception: Whatever the handler raises; the cursor keeps it.
    """
    row, versions = turn.row, turn.versions
    for _ in range(_MAX_ROUNDS):
        cursor = row.cursor
        if versions.is_over():
            return Outcome.DONE
        if cursor.has_seen(version) and not (turn.is_to_try_again() or cursor.is_abandoned()):
            return Outcome.DONE
        if cursor.parked_version is not None:
            if versions.is_checked or cursor.claim is None or row.leave(version):
                return Outcome.PARKED
        elif turn.is_free():
            if turn.claim():
                return turn.run(version, hold=hold)
        elif turn.is_of_earlier_try():
            msg = f"an earlier try of {turn.name} may still be at work"
            raise PreviousVersionPending(msg)
        elif row.leave(version):
            return Outcome.LEFT
        row.read()
    raise _overtaken(turn.name)


def _overtaken(name: str) -> PreviousVersionPending:
    msg = f"others were faster at the cursor of {name} for as long as this call tried"
    return PreviousVersionPending(msg)
