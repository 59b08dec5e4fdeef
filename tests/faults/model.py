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

__all__ = ["Aggregate", "State"]


class State(NamedTuple):
    """What a version says."""

    name: str
    attributes: dict[str, Any]
    deleted: bool = False


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
        ids: Version of each publish id.
        cursors: Last version that each handler is done with.
        parked: Where each parked handler is.
        skipped: What operators have passed over, for each handler.
        seen: What each handler was shown.
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
    ids: dict[str, int] = field(default_factory=dict)
    cursors: dict[str, int] = field(default_factory=dict)
    parked: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, list[int]] = field(default_factory=dict)
    seen: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for handler in self.handlers:
            self.cursors[handler], self.skipped[handler], self.seen[handler] = 0, [], []

    @property
    def latest(self) -> int:
        return len(self.states)

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

    def apply(self, version: int) -> None:
        for number in range(self.applied + 1, version + 1):
            self.statuses[number - 1] = HANDLERS_STARTED if self.handlers else FINISHED
        self.applied = max(self.applied, version)

    def turn(self, handler: str, version: int, failing: Collection[str]) -> str:
        """A handler is called for a version: done, parked, early, or it fails."""
        if self.cursors[handler] >= version:
            return "done"
        if handler in self.parked:
            return "parked"
        if self.cursors[handler] != version - 1:
            return "early"
        if handler in failing:
            return "fails"
        self._show(handler, version)
        return "done"

    def run_handlers(self, version: int, failing: Collection[str]) -> bool:
        """Every handler has its turn. Whether all are done or parked, and the version has its end."""
        outcomes = {handler: self.turn(handler, version, failing) for handler in self.handlers}
        if {"early", "fails"} & set(outcomes.values()):
            return False
        self.finish(version, [handler for handler, outcome in outcomes.items() if outcome == "parked"])
        return True

    def park(self, handler: str, version: int) -> None:
        if handler not in self.parked and self.cursors[handler] < version:
            self.parked[handler] = version

    def finish(self, version: int, parked: Iterable[str]) -> None:
        late = [handler for handler in parked if self.cursors[handler] < version]
        status = HANDLERS_FAILED if late else FINISHED
        if self.statuses[version - 1] != FINISHED:
            self.statuses[version - 1] = status

    def repair(
        self, handler: str, failing: Collection[str], *, skipping: bool
    ) -> tuple[list[int], int | None, int | None]:
        """Redrive or skip: what the handler was shown, what was passed over, where it is parked again."""
        parked, done, skipped = self.parked[handler], list[int](), None
        for version in range(self.cursors[handler] + 1, max(self.applied, parked) + 1):
            if skipping and version == parked:
                self.skipped[handler].append(version)
                self.cursors[handler] = skipped = version
            elif handler in failing:
                self.parked[handler] = version
                return done, skipped, version
            else:
                self._show(handler, version)
                done.append(version)
            if not self.behind(version):
                self.finish(version, [])
        del self.parked[handler]
        return done, skipped, None

    def behind(self, version: int) -> list[str]:
        return [handler for handler in self.handlers if self.cursors[handler] < version]

    def reconcile(self, failing: Collection[str]) -> list[int]:
        """Everything unfinished is finished, or left to an execution: those versions."""
        unfinished = [version for version in range(1, self.latest + 1) if self._is_unfinished(version)]
        if not unfinished:
            return []
        last = unfinished[-1]
        if any(version > self.applied for version in unfinished):
            self.apply(last)
        unseen = min((self.cursors[h] + 1 for h in self.handlers if h not in self.parked), default=last + 1)
        for version in range(min(unfinished[0], unseen), last + 1):
            if version >= unseen and not self._all_turns(version, failing):
                return [v for v in range(version, last + 1) if self.statuses[v - 1] != FINISHED]
            self.finish(version, self.behind(version))
        return []

    def _all_turns(self, version: int, failing: Collection[str]) -> bool:
        outcomes = [self.turn(handler, version, failing) for handler in self.handlers]
        return not {"early", "fails"} & set(outcomes)

    def _is_unfinished(self, version: int) -> bool:
        status, behind = self.statuses[version - 1], self.behind(version)
        if status == FINISHED:
            return False  # not even looked at
        if version > self.applied or any(handler not in self.parked for handler in behind):
            return True
        return status != (HANDLERS_FAILED if behind else FINISHED)

    def _show(self, handler: str, version: int) -> None:
        self.seen[handler].append(version)
        self.cursors[handler] = version
