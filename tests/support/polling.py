"""Waiting for something that happens by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def wait_until(look: Callable[[], T], *, seconds: float = 60.0, every: float = 0.02) -> T:
    """Look again and again until there is something true to see, and return it."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            message = f"not within {seconds:g} s; the last look gave {seen!r}"
            raise AssertionError(message)
        time.sleep(every)
    return seen
