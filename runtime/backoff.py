"""Waiting before another try, or for somebody else; always with jitter."""

from __future__ import annotations

import random
import time

__all__ = ["back_off", "pause"]


def back_off(attempt: int, *, base: float, longest: float) -> None:
    """Wait a random time, at most ``base`` doubled ``attempt`` times, in seconds.

    Full jitter, so that writers that collided once do not collide again in step.

    Args:
        attempt: Tries so far, from 0.
        base: The longest first wait, in seconds.
        longest: What no wait exceeds, in seconds.
    """
    time.sleep(random.uniform(0, min(longest, base * 2**attempt)))  # noqa: S311 - not a secret


def pause(longest: float) -> None:
    """Wait for somebody who is at work: half of a time at least, and all of it at most.

    Args:
        longest: That time, in seconds.
    """
    time.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - not a secret
