"""What has to come of what is done to one aggregate and handler, in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MINDED", "Model"]

MINDED = frozenset("ab")
"""The types of events that the handler has callbacks for."""
_PARKED_AFTER = 60


@dataclass
class Model:
    """One aggregate, as one handler sees it.

    Attributes:
        attempts: How often one event fails before the aggregate is parked.
        commits: The types of each commit's events.
        poison: Versions that the handler fails at.
        cursor: Last version that was done; 0 for none.
        parked: Version that the handler is parked at.
        shown: The versions that it was shown.
        failed: The version that failed last, how often that was counted, and since when.
    """

    attempts: int
    commits: list[str] = field(default_factory=list)
    poison: set[int] = field(default_factory=set)
    cursor: int = 0
    parked: int | None = None
    shown: list[int] = field(default_factory=list)
    failed: tuple[int, int, float] | None = None

    @property
    def last(self) -> int:
        return sum(map(len, self.commits))

    def bounds(self, number: int) -> tuple[int, int]:
        """First and last version of a commit."""
        first = sum(map(len, self.commits[:number])) + 1
        return first, first + len(self.commits[number]) - 1

    def type_of(self, version: int) -> str:
        return "".join(self.commits)[version - 1]

    def deliver(self, numbers: Iterable[int], now: float) -> bool:
        """The records of these commits are delivered in one batch; whether they come again."""
        delivered = set(numbers)
        rung = [self.bounds(n)[1] for n in delivered if not MINDED.isdisjoint(self.commits[n])]
        if not rung or self.cursor >= max(rung) or self.parked is not None:
            return False
        # What was brought along, as far as it goes on behind the cursor; else everything is read.
        end = self.cursor
        for number in range(len(self.commits)):
            first, last = self.bounds(number)
            if number in delivered and first <= end + 1 <= last:
                end = last
        return not self._show(end if end >= max(rung) else self.last, now)

    def _show(self, end: int, now: float) -> bool:
        for version in range(self.cursor + 1, end + 1):
            if self.type_of(version) in MINDED:
                if version in self.poison:
                    return self._fail(version, now)
                self.shown.append(version)
            self.cursor = version
        self.failed = None
        return True

    def _fail(self, version: int, now: float) -> bool:
        """Count a failure; whether the handler is parked now."""
        _, tries, since = self.failed if self.failed and self.failed[0] == version else (version, 0, now)
        if tries + 1 < self.attempts or now - since < _PARKED_AFTER:
            self.failed = version, tries + 1, since
            return False
        self.parked, self.failed = version, None
        return True

    def repair(self, *, skipping: bool) -> None:
        """An operator redrives, or skips the version that the handler is parked at."""
        to_skip = self.parked if skipping else None
        for version in range(self.cursor + 1, self.last + 1):
            if version == to_skip:
                self.cursor = version
            elif self.type_of(version) in MINDED:
                if version in self.poison:
                    self.parked = version
                    return
                self.shown.append(version)
                self.cursor = version
        self.cursor, self.parked, self.failed = self.last, None, None
