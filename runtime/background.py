"""What goes on in threads when a call has returned. Lambda stops them between invocations."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakSet

from runtime import clock
from runtime.log import error_fields, logger

if TYPE_CHECKING:
    from collections.abc import MutableSet

__all__ = ["Background", "finish_in_background", "flush_background"]

#: What is left of the invocation's time for its answer, in seconds.
_MARGIN: Final = 0.5


class Background(Protocol):
    """Something that works in threads of its own."""

    def flush(self, timeout: float | None = None) -> None:
        """Return when nothing is under way; raise where something still is after ``timeout`` seconds."""
        ...


_lock: Final = Lock()
_all: Final[MutableSet[Background]] = WeakSet()


def finish_in_background(work: Background) -> None:
    """Have ``work`` flushed at the end of each invocation, for as long as anybody else holds it."""
    with _lock:
        _all.add(work)


def flush_background() -> None:
    """Wait for what is under way, as long as the function may still run.

    It raises nothing: what the invocation was for is done. What is not done in time is logged; it goes on
    in the next invocation, if there is one in this process.
    """
    with _lock:
        works = list(_all)
    end = time.monotonic() + max(0.0, clock.seconds_left() - _MARGIN)
    for work in works:
        try:
            work.flush(max(0.0, end - time.monotonic()))
        except Exception as error:  # noqa: BLE001 - the invocation's answer stands
            logger.error("work in the background is not done", **error_fields(error))
