"""Waiting for something that happens by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Seconds between two looks: at first, at most, and how they grow. What is looked at shares the machine.
_FIRST: Final = 0.02
_LONGEST: Final = 0.3
_GROWTH: Final = 1.25


def wait_until(look: Callable[[], T], *, seconds: float = 60.0, every: float | None = None) -> T:
    """Look again and again until there is something true to see, and return it.

    Args:
        look: Looks once.
        seconds: How long at most.
        every: Seconds between two looks. Default: few at first, then more.
    """
    deadline = time.monotonic() + seconds
    pause = _FIRST if every is None else every
    while not (seen := look()):
        if time.monotonic() > deadline:
            message = f"not within {seconds:g} s; the last look gave {seen!r}"
            raise AssertionError(message)
        time.sleep(pause)
        if every is None:
            pause = min(pause * _GROWTH, _LONGEST)
    return seen
