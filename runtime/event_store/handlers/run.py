"""What a run of a handler did."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Run"]


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of a handler did. Runs can be added up.

    Attributes:
        fetched: Events that were looked at: those that were passed over, too.
        handled: Events that a callback was called for, and that are done with.
        failed: Events whose callback raised something. With ``continue_on_error`` they are done with, and so
            counted in ``handled``, too.
        parked: Aggregates that the handler has given up for now: an operator has to look at them.
    """

    fetched: int = 0
    handled: int = 0
    failed: int = 0
    parked: int = 0

    def __add__(self, other: Run) -> Run:
        return Run(
            self.fetched + other.fetched,
            self.handled + other.handled,
            self.failed + other.failed,
            self.parked + other.parked,
        )
