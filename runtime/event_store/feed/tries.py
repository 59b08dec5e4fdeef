"""How often an event is tried, and for how long, before its aggregate is parked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime import clock
from runtime.model.cursor import TurnDiedError
from runtime.unavailable import is_unavailable

if TYPE_CHECKING:
    from runtime.model.cursor import Cursor

__all__ = ["PARKED_AFTER_UNSURE", "has_failed_enough", "patience_with"]

PARKED_AFTER_UNSURE: Final = 300
"""Seconds that an event fails, before it is given up, where others may be at fault: what is only busy takes
some and refuses others, and of a read model one part may be down."""

_PARKED_AFTER: Final = 60
#: Each turn that dies takes its function with it, so an event has fewer of them.
_MOST_DEATHS: Final = 3


def patience_with(error: Exception) -> float:
    """Seconds that an event fails with an error before it is given up."""
    return PARKED_AFTER_UNSURE if is_unavailable(error) else _PARKED_AFTER


def has_failed_enough(cursor: Cursor, error: Exception, attempts: int, patience: float | None = None) -> bool:
    """Whether one more failure is enough to park.

    Args:
        cursor: Tells since when what failed now has failed, and how often that was counted.
        error: How it failed now.
        attempts: How often one event fails before its aggregate is parked.
        patience: Seconds that it fails at least. Default: what `patience_with` says of the error.
    """
    most = min(attempts, _MOST_DEATHS) if isinstance(error, TurnDiedError) else attempts
    shortest = patience_with(error) if patience is None else patience
    now = clock.seconds()
    since = now if cursor.failed_since is None else cursor.failed_since
    return cursor.attempts + 1 >= most and now - since >= shortest
