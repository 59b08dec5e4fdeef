"""Waiting for what a command leaves behind."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from examples.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Sighting", "watch"]

_POLL_SECONDS = 0.03


@dataclass
class Sighting:
    """One thing to look for.

    Attributes:
        label: Its name.
        look: Looks once: what there is to say about it, or None while it is not there.
        text: What there was to say; None until then.
        seconds: How long after the start of the watch it was there.
    """

    label: str
    look: Callable[[], str | None]
    text: str | None = None
    seconds: float = 0.0


def watch(
    sightings: Sequence[Sighting],
    *,
    since: float,
    on_sight: Callable[[Sighting], None],
    deadline_seconds: float = 45.0,
) -> None:
    """Look until everything was seen.

    Args:
        sightings: What to look for.
        since: When it began, by `time.monotonic`.
        on_sight: Called with each sighting once it was made.
        deadline_seconds: How long to wait for the last of them.

    Raises:
        DemoError: Something did not show up in time.
    """
    while waiting := [sighting for sighting in sightings if sighting.text is None]:
        for sighting in waiting:
            sighting.text = sighting.look()
            if sighting.text is not None:
                sighting.seconds = time.monotonic() - since
                on_sight(sighting)
        if time.monotonic() - since > deadline_seconds:
            missing = ", ".join(sighting.label for sighting in waiting if sighting.text is None)
            if missing:
                msg = f"not seen within {deadline_seconds:.0f} seconds: {missing}"
                raise DemoError(msg)
        time.sleep(_POLL_SECONDS)
