"""What an aggregate must be like, in plain Python: no I/O, no races, one number for each thing.

The numbers are versions. `tests/faults/test_model.py` does the same to this and to the real
tables, and compares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime import BadRequestError, InvalidVersionError, VersionConflictError
from runtime.model.status import FINISHED, HANDLERS_FAILED, HANDLERS_STARTED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

__all__ = ["Aggregate", "Cursor", "State"]


class State(NamedTuple):
    """What a version says."""

    name: str
    attributes: dict[str, Any]
    deleted: bool = False


class Call(NamedTuple):
    """A publish under an id."""

    method: str
    command: dict[str, Any]
    user: str


@dataclass
class Cursor:
    """Where a handler is with an aggregate.

    Attributes:
        version: Last version that it is done with.
        parked: Version that it is parked at.
        failed: Version that failed at its last try.
        wanted: Version that others have left to whoever has the turn.
        owner: Who has, or had, the turn, and will try again.
        is_held: Whether the owner's time is not over yet.
        skipped: What operators have passed over.
        seen: What the handler was shown.
    """

    version: int = 0
    parked: int | None = None
    failed: int | None = None
    wanted: int | None = None
    owner: str | None = None
    is_held: bool = False
    skipped: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)

    def is_to_try_again(self, owner: str) -> bool:
        return self.failed is not None and self.owner == owner

    @property
    def is_abandoned(self) -> bool:
        """Whether a version was left to a turn that nobody has any more."""
        return (self.wanted or 0) > self.version and self.parked is None and not self.is_held

    def leave(self, version: int) -> None:
        self.wanted = max(self.wanted or 0, version)

    def let_go(self) -> None:
        self.owner, self.is_held = None, False


@dataclass
class Aggregate:
    """One aggregate, its commands and its handlers.

    Attributes:
        sk: Sort key.
        handlers: Names of the module's handlers.
        states: What each version says, from the first on.
        moments: When each version was published.
        statuses: Of each version; None while nothing is done about it.
        applied: Version of the data row; 0 without one.
        waiting: Versions that the stream has not delivered yet.
        lost: Versions that it will never deliver.
        own: Version that each user published last, and not synchronously.
        ids: What was published under each publish id: its version, None where nothing changed, and the call.
        cursors: Where each handler is.
    """

    sk: str
    handlers: tuple[str, ...]
    states: list[State] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    statuses: list[str | None] = field(default_factory=list)
    applied: int = 0
    waiting: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    own: dict[str, int] = field(default_factory=dict)
    ids: dict[str, tuple[int | None, Call]] = field(default_factory=dict)
    cursors: dict[str, Cursor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cursors = {handler: Cursor() for handler in self.handlers}

    @property
    def latest(self) -> int:
        return len(self.states)

    @property
    def parked(self) -> list[str]:
        return sorted(handler for handler, cursor in self.cursors.items() if cursor.parked is not None)

    def refusal(self, base: int, *, partial: bool = False) -> type[Exception] | None:
        """The error of a publish on ``base``, -1 for the latest version."""
        if base == -1:
            return BadRequestError if partial and not self.latest else None
        if base < self.latest:
            return VersionConflictError
        return InvalidVersionError if base > self.latest else None

    def publish(
        self, state: State, user: str, moment: datetime, failing: Collection[str], *, sync: bool
    ) -> bool:
        """A version is written. Whether its handlers, run at once, are not all done."""
        if sync:
            self.apply(self.latest)
        self.states.append(state)
        self.moments.append(moment)
        self.statuses.append(None)
        if not sync:
            self.waiting.add(self.latest)
            self.own[user] = self.latest
            return False
        self.apply(self.latest)
        return not self.run_handlers(self.latest, failing)

    def apply(self, version: int) -> bool:
        """Whether something was applied."""
        for number in range(self.applied + 1, version + 1):
            self.statuses[number - 1] = HANDLERS_STARTED if self.handlers else FINISHED
        before, self.applied = self.applied, max(self.applied, version)
        return self.applied > before

    def begin(self, version: int) -> list[str]:
        """An execution applies its version: the handlers that are to have a turn now."""
        if self.apply(version):
            return list(self.handlers)
        waiting = [handler for handler in self.handlers if not self._is_seen_to(handler, version)]
        if not waiting:
            self.finish([version])
        return waiting

    def turn(
        self, handler: str, version: int, failing: Collection[str], *, owner: str, hold: bool = False
    ) -> tuple[str, list[int]]:
        """A handler is called for a version: done, parked, left to somebody else, or it fails.

        And what it was shown.
        """
        cursor = self.cursors[handler]
        if cursor.version >= version and not (cursor.is_to_try_again(owner) or cursor.is_abandoned):
            return "done", []
        if cursor.parked is not None:
            return "parked", []
        if cursor.is_held and not cursor.is_to_try_again(owner):
            cursor.leave(version)
            return "left", []
        last = max(version, cursor.wanted or 0, cursor.failed or 0, self.applied)
        versions = list(range(cursor.version + 1, last + 1))
        if versions and handler in failing:
            cursor.failed, cursor.owner, cursor.is_held = versions[0], owner if hold else None, hold
            return "fails", []
        cursor.seen += versions
        cursor.version, cursor.wanted, cursor.failed = last, None, None
        cursor.let_go()
        return "done", versions

    def handle(self, handler: str, version: int, failing: Collection[str], *, owner: str) -> str:
        """A task of an execution: how it ends."""
        outcome, shown = self.turn(handler, version, failing, owner=owner, hold=True)
        self.finish(number for number in shown if number != version)
        return outcome

    def run_handlers(self, version: int, failing: Collection[str]) -> bool:
        """Every handler has its turn. Whether all are done or parked, and the version has its end."""
        turns = [self.turn(handler, version, failing, owner="publish") for handler in self.handlers]
        self.finish(number for _, shown in turns for number in shown if number != version)
        if {"left", "fails"} & {outcome for outcome, _ in turns}:
            return False
        self.finish([version])
        return True

    def park(self, handler: str, version: int, *, owner: str) -> str:
        """The retries of a handler are used up: how the task ends."""
        cursor = self.cursors[handler]
        failed = cursor.failed or cursor.parked
        at = version if failed is None or cursor.version >= failed else failed
        if cursor.version >= at:
            return "done"
        if cursor.parked is not None:
            return "parked"
        if cursor.is_held and cursor.owner != owner:
            cursor.leave(version)
            return "left"
        cursor.parked, cursor.failed = at, None
        cursor.let_go()
        self.finish(range(at, max(version - 1, cursor.wanted or 0) + 1))
        return "parked"

    def finish(self, versions: Iterable[int]) -> None:
        """Versions get their final status, if every handler has seen them or is parked before them."""
        for version in versions:
            behind = self.behind(version)
            if self.statuses[version - 1] == FINISHED or set(behind) - set(self.parked):
                continue
            self.statuses[version - 1] = HANDLERS_FAILED if behind else FINISHED

    def time_passes(self) -> None:
        """Whoever has a turn has had it for too long, and the users' sessions are over."""
        self.own.clear()
        for cursor in self.cursors.values():
            cursor.is_held = False

    def repair(
        self, handler: str, failing: Collection[str], *, skipping: bool
    ) -> tuple[list[int], int | None, int | None]:
        """Redrive or skip: what the handler was shown, what was passed over, where it is parked again."""
        cursor = self.cursors[handler]
        parked, done, skipped = cursor.parked, list[int](), None
        assert parked is not None
        first, again = min(parked, cursor.version + 1), None
        for version in range(cursor.version + 1, max(self.applied, parked) + 1):
            if skipping and version == parked:
                cursor.skipped.append(version)
                skipped = version
            elif handler in failing:
                again = version
                break
            else:
                cursor.seen.append(version)
                done.append(version)
            cursor.version = version
        self.finish(range(first, cursor.version + 1))
        cursor.parked, cursor.failed = again, None
        cursor.let_go()
        if again is None:
            cursor.wanted = None
        return done, skipped, again

    def behind(self, version: int) -> list[str]:
        return [handler for handler, cursor in self.cursors.items() if cursor.version < version]

    def reconcile(self, failing: Collection[str]) -> list[int]:
        """Everything unfinished is finished, or left to an execution: those versions."""
        unfinished = [version for version in range(1, self.latest + 1) if self._is_unfinished(version)]
        if not unfinished:
            return []
        last = unfinished[-1]
        if any(version > self.applied for version in unfinished):
            self.apply(last)
        turns = [self.turn(handler, last, failing, owner="reconcile") for handler in self.handlers]
        versions = {*range(unfinished[0], last + 1), *(number for _, shown in turns for number in shown)}
        self.finish(sorted(versions))
        if "fails" not in {outcome for outcome, _ in turns}:
            return []
        return [version for version in sorted(versions) if set(self.behind(version)) - set(self.parked)]

    def _is_seen_to(self, handler: str, version: int) -> bool:
        cursor = self.cursors[handler]
        if cursor.parked is not None or (cursor.version >= version and not cursor.is_abandoned):
            return True
        if cursor.is_held:
            cursor.leave(version)
        return cursor.is_held

    def _is_unfinished(self, version: int) -> bool:
        behind = self.behind(version)
        if version > self.applied or set(behind) - set(self.parked):
            return True
        return self.statuses[version - 1] not in {HANDLERS_FAILED if behind else FINISHED, FINISHED}
