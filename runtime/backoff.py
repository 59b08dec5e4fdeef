"""Waiting before another try, or for somebody else; always with jitter."""

from __future__ import annotations

import random
import time

__all__ = ["back_off", "pause"]

#: The system's source: processes that were restored from one snapshot would else wait alike.
_luck = random.SystemRandom()


def back_off(attempt: int, *, base: float, longest: float) -> None:
    """Wait a random time, at most ``base`` doubled ``attempt`` times, in seconds.

    Full jitter, so that writers that collided once do not collide again in step.

    Args:
        attempt: Tries so far, from 0.
        base: The longest first wait, in seconds.
        longest: What no wait exceeds, in seconds.
    """
    time.sleep(_luck.uniform(0, min(longest, base * 2**attempt)))


def pause(longest: float) -> None:
    """Wait for somebody who is at work: half of a time at least, and all of it at most.

    Args:
        longest: That time, in seconds.
    """
    time.sleep(_luck.uniform(longest / 2, longest))
