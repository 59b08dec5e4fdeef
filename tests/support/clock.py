"""The machine's clock, put forward: what takes time in the real world takes none in a test."""

from __future__ import annotations

import time
from typing import Final, Self

from runtime import clock

__all__ = ["CLOCK", "AdvancedClock"]


class AdvancedClock:
    """The clock of the runtime in this process, during a `with` block."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __enter__(self) -> Self:
        clock.set_source(self.seconds)
        return self

    def __exit__(self, *_: object) -> None:
        clock.set_source()
        self.ahead = 0.0

    def seconds(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead += seconds


CLOCK: Final = AdvancedClock()
"""The one of a process, as the runtime has only one as well."""
