"""What time it is, and how long the function may still work: one place to ask, so that tests can say."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["now", "seconds", "seconds_left", "set_source", "use_deadline"]

#: What code that runs in no function is given: long enough for a handler, short enough to wait for.
_WITHOUT_DEADLINE: Final = 120.0

_source: Callable[[], float] = time.time
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def set_source(source: Callable[[], float] = time.time) -> None:
    """Choose where the time comes from: a function that gives seconds since 1970. Default: the machine."""
    global _source  # noqa: PLW0603 - one clock a process
    _source = source


def seconds() -> float:
    """Seconds since 1970."""
    return _source()


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.fromtimestamp(_source(), UTC)


def seconds_left() -> float:
    """How long the call that is being handled may still take, in seconds: 120 outside of a function."""
    deadline = _deadline.get()
    return _WITHOUT_DEADLINE if deadline is None else max(0.0, deadline - time.monotonic())


@contextmanager
def use_deadline(milliseconds: float) -> Iterator[None]:
    """Let the calls in the block end within ``milliseconds``, as Lambda's context says it."""
    token = _deadline.set(time.monotonic() + milliseconds / 1000)
    try:
        yield
    finally:
        _deadline.reset(token)
