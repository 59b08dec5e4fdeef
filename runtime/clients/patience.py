"""How much time notifications may take from commands."""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Patience"]

_SLOW_SECONDS: Final = 0.2


class Patience:
    """Seconds that slow calls may take in a while; after that there is none left.

    Calls that are as fast as they should be do not count, however many there are. Threads
    may share it.

    Args:
        seconds: What slow calls may take together. The last one may exceed it.
        every: After how many seconds, counted from the first slow call, it is as at first.
    """

    def __init__(self, seconds: float, every: float) -> None:
        self._seconds = seconds
        self._every = every
        self._began = 0.0
        self._spent = 0.0
        self._lock = Lock()

    @property
    def is_left(self) -> bool:
        """Whether one more call may be made now."""
        with self._lock:
            return self._spent < self._seconds or time.monotonic() - self._began >= self._every

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time that the block takes."""
        started = time.monotonic()
        try:
            yield
        finally:
            ended = time.monotonic()
            if ended - started >= _SLOW_SECONDS:
                with self._lock:
                    if ended - self._began >= self._every:
                        self._began, self._spent = started, 0.0
                    self._spent += ended - started
