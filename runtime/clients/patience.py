"""How much time notifications may take from the functions that send them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Patience"]

_SLOW: Final = 0.5  # seconds
_SLOW_TOGETHER: Final = 10.0
_WHILE: Final = 60.0


class Patience:
    """Whether there is time for one more call to a service that must not hold anything up.

    Calls of half a second or more may take ten seconds together within a minute; and after one of
    them that failed, there is none for a minute. Faster calls do not count, however many there are.
    Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._began = float("-inf")  # the current minute
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
        has_failed = True
        try:
            yield
            has_failed = False
        finally:
            with self._lock:
                self._count(started, time.monotonic(), has_failed=has_failed)

    def _count(self, started: float, ended: float, *, has_failed: bool) -> None:
        if ended - started < _SLOW:
            return
        if ended - self._began >= _WHILE:
            self._began, self._spent = started, 0.0
        self._spent += ended - started
        if has_failed:
            self._none_before = ended + _WHILE
        elif self._spent >= _SLOW_TOGETHER:
            self._none_before = max(self._none_before, self._began + _WHILE)
