"""The clock of a test: it stands still until it is told to go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from runtime import clock

__all__ = ["Clock"]

_START: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    """What time it is for the runtime: timestamps, sessions and times to live go by it.

    Example:
        >>> memory.clock.advance(minutes=5)

    Args:
        start: The first moment. Default: noon of 1 January 2026, UTC, so that each run is the same.
    """

    def __init__(self, start: datetime = _START) -> None:
        self._now = start if start.tzinfo else start.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """This moment, in UTC."""
        return self._now.astimezone(UTC)

    def seconds(self) -> float:
        """Seconds since 1970."""
        return self._now.timestamp()

    def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        milliseconds: float = 0,
    ) -> None:
        """Let time pass. Rows whose time to live is over stay until `MemoryApp.expire`.

        Raises:
            ValueError: The time would run backwards.
        """
        step = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
        if step < timedelta(0):
            msg = f"time does not run backwards, got {step}"
            raise ValueError(msg)
        self._now += step

    def start(self) -> None:
        """Be the clock of the runtime, in this whole process."""
        clock.set_source(self.seconds)

    @staticmethod
    def stop() -> None:
        """Leave the runtime to the clock of the machine."""
        clock.set_source()
