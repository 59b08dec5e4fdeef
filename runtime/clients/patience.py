"""How much time notifications may take from the calls that send them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Patience"]

_SLOW: Final = 0.1  # seconds
_SLOW_TOGETHER: Final = 0.2
_WHILE: Final = 10.0
_HANGING: Final = 0.5
_PAUSE: Final = 60.0


class Patience:
    """Whether there is time for one more call to a service that must not hold anything up.

    After a call of half a second there is none for a minute. Calls of a tenth of a second or
    more may take a fifth of a second together within ten seconds; the first call of all, which
    has to connect, is not one of them. Faster calls do not count, however many there are.
    Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._has_connected = False
        self._began = float("-inf")  # the current while of ten seconds
        self._spent = 0.0  # in slow calls, since then
        self._none_before = float("-inf")

    @property
    def is_left(self) -> bool:
        """Whether one more call may be made now."""
        with self._lock:
            return time.monotonic() >= self._none_before

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time that the block takes."""
        started = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._count(started, time.monotonic())

    def _count(self, started: float, ended: float) -> None:
        took, is_first = ended - started, not self._has_connected
        self._has_connected = True
        if took >= _HANGING:
            self._none_before = ended + _PAUSE
        elif took >= _SLOW and not is_first:
            if ended - self._began >= _WHILE:
                self._began, self._spent = started, 0.0
            self._spent += took
            if self._spent >= _SLOW_TOGETHER:
                self._none_before = max(self._none_before, self._began + _WHILE)
