"""Running a parked handler again, with or without the version that it is parked at.

The handler stays parked meanwhile, so whatever stops a repair half-way leaves it where an
operator can see it, and it can be done again. It is unparked only while no later version has
come that met it parked: such a version is never left behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar
from uuid import uuid4

from runtime import clock
from runtime.errors import BadRequestError, ContentionError, ItemNotFoundError
from runtime.log import logger
from runtime.model.cursor import TurnLostError, error_text
from runtime.pipeline.catch_up import RESERVE, Turn, Versions

if TYPE_CHECKING:
    from runtime.model.cursor import Cursor
    from runtime.store.port import Check

__all__ = ["ParkedVersions", "Repair", "Repaired", "check_parked"]

FoundT = TypeVar("FoundT")

_MAX_SKIPPED_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did.

    Attributes:
        handler: Name of the handler.
        done: Versions that it has seen now, in order.
        skipped: Version that was passed over, or None.
        parked_version: Version that it is parked at again, or None when it is not parked.
        error: Why it is parked again, or None.
    """

    handler: str
    done: tuple[int, ...]
    skipped: int | None
    parked_version: int | None
    error: str | None


class ParkedVersions(Versions[FoundT], Protocol[FoundT]):
    """The versions of an aggregate whose handler is parked."""

    def read_parked(self, *, is_first: bool) -> bool:
        """Read the cursor, and what a turn needs; False when that has changed meanwhile.

        Args:
            is_first: Whether to refuse a handler that is not parked.

        Raises:
            ItemNotFoundError: See `check_parked`.
            BadRequestError: See `check_parked`.
        """
        ...

    def up_to(self, parked: int) -> tuple[int, Check | None]:
        """Last version that the handler may see, not before ``parked``, and what holds while it is the last.

        None says that `Versions.behind` goes on to the last one, and that who comes later leaves word.
        """
        ...

    def settle(self, begin: int, done: int) -> None:
        """Do what is to be done when a handler has seen these versions late, while it is still parked."""
        ...


def check_parked(name: str, cursor: Cursor) -> None:
    """Refuse to repair a handler that is not parked.

    Raises:
        ItemNotFoundError: It has seen nothing of the aggregate.
        BadRequestError: It is not parked.
    """
    if cursor.parked_version is not None:
        return
    if cursor.version is None:
        msg = f"{name} has seen no version of this aggregate, and is not parked there"
        raise ItemNotFoundError(msg)
    msg = f"{name} is not parked: it has seen version {cursor.version}"
    raise BadRequestError(msg)


class _OvertakenError(Exception):
    """The aggregate has moved on while the handler caught up."""


class _TimeIsUpError(Exception):
    """The function has no time left for what comes next. What the handler has seen is noted."""


class _FailedError(Exception):
    """The handler fails, and is parked again."""

    def __init__(self, version: int, error: str) -> None:
        super().__init__(error)
        self.version = version
        self.error = error


class Repair(Generic[FoundT]):
    """One repair of one handler and aggregate.

    Args:
        name: Name of the handler.
        versions: What there is to see.
        most_rounds: How often it begins anew where later versions keep coming.
    """

    def __init__(self, name: str, versions: ParkedVersions[FoundT], most_rounds: int = 100) -> None:
        self._name = name
        self._versions = versions
        self._most_rounds = most_rounds
        self._done: list[int] = []
        self._skipped: int | None = None

    def run(self, *, skipping: bool = False) -> Repaired:
        """Catch up; with ``skipping``, without the version that the handler is parked at.

        Raises:
            ItemNotFoundError: See `check_parked`.
            BadRequestError: See `check_parked`.
            ContentionError: Somebody else is at work on it, or there is more to see than there is time for.
                It stays parked, and what it has seen is noted.
        """
        to_skip: int | None = None
        for attempt in range(self._most_rounds):
            is_ready = self._versions.read_parked(is_first=not attempt)
            turn = Turn(self._name, f"repair-{uuid4().hex}", self._versions)
            parked = turn.cursor.parked_version
            if parked is None:
                return self._outcome(None, None)  # somebody else has come to the end
            if attempt == 0 and skipping:
                to_skip = parked
            if not turn.is_free():
                break
            if is_ready and turn.claim():
                try:
                    self._catch_up(turn, parked, to_skip)
                except _OvertakenError:
                    continue
                except TurnLostError:
                    break
                except _TimeIsUpError:
                    msg = f"{self._name} has more versions to see than there is time for; repeat the call"
                    raise ContentionError(msg) from None
                except _FailedError as failure:
                    return self._outcome(failure.version, failure.error)
                finally:
                    turn.row.close()
                return self._outcome(None, None)
        msg = f"somebody else is at work on the cursor of {self._name}; repeat the call"
        raise ContentionError(msg)

    def plan(self, *, skipping: bool = False) -> Repaired:
        """What `run` would do if no version failed and none arrived. It refuses what `run` refuses."""
        is_ready = self._versions.read_parked(is_first=True)
        cursor = self._versions.row.cursor
        parked = cursor.parked_version
        if parked is None or not is_ready:
            return self._outcome(None, None)
        self._skipped = parked if skipping else None
        last, _ = self._versions.up_to(parked)
        behind = self._versions.behind(self._first(cursor, parked) - 1, last)
        self._done = [version for version, found in behind if found is not None and version != self._skipped]
        return self._outcome(parked, cursor.parked_error)

    def _outcome(self, parked: int | None, error: str | None) -> Repaired:
        return Repaired(self._name, tuple(self._done), self._skipped, parked, error)

    def _catch_up(self, turn: Turn[FoundT], parked: int, to_skip: int | None) -> None:
        """Show the handler what it has missed, then unpark it."""
        cursor, row, versions = turn.cursor, turn.row, self._versions
        last, unmoved = versions.up_to(parked)
        done = cursor.version
        first = self._first(cursor, parked)
        # A repair that broke off may have shown versions of which nobody has been told yet.
        begin = min(parked, first)
        is_through = True
        ends = clock.seconds() + max(clock.seconds_left() - RESERVE, 1.0)
        try:
            for version, found in versions.behind(first - 1, last):
                if clock.seconds() > ends:
                    is_through = False
                    break
                last = max(last, version)
                if version == to_skip == parked and version not in self._done:
                    error = (cursor.parked_error or "")[:_MAX_SKIPPED_ERROR]
                    row.skip(turn.token, version, error, resume=versions.resume(version))
                    self._skipped = version
                elif found is None:
                    continue  # gone: expired, or migrated; or nothing that it is to see
                else:
                    self._show(found, version)
                done = version
        except _FailedError as failure:
            self._settle(turn, begin, done)
            resume = None if done is None else versions.resume(done)
            row.park_again(turn.token, done, failure.version, failure.error, resume=resume)
            raise
        self._settle(turn, begin, done)
        if not is_through:
            row.let_go(turn.token, done, resume=None if done is None else versions.resume(done))
            raise _TimeIsUpError
        last = max(last, cursor.version or 0)
        if not row.unpark(turn.token, last, unmoved):
            row.let_go(turn.token, last)
            raise _OvertakenError

    def _settle(self, turn: Turn[FoundT], begin: int, done: int | None) -> None:
        """Tell of what the handler has seen, while it is still parked at ``begin`` or later.

        Whoever repeats a repair that breaks off here begins at the same version, and does it again.
        """
        if done is not None and done >= begin:
            turn.row.advance(turn.token, done, resume=self._versions.resume(done))
            self._versions.settle(begin, done)

    def _show(self, found: FoundT, version: int) -> None:
        try:
            self._versions.show(found)
        except Exception as problem:
            logger.warning("handler fails again", handler=self._name, error=type(problem).__name__)
            raise _FailedError(version, error_text(problem)) from problem
        self._done.append(version)

    def _first(self, cursor: Cursor, parked: int) -> int:
        """First version that the handler has not seen."""
        return self._versions.first(parked) if cursor.version is None else cursor.version + 1
