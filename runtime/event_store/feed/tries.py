"""How often an event is tried, and for how long, before its aggregate is parked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime import clock
from runtime.model.cursor import TurnDiedError
from runtime.unavailable import is_unavailable

if TYPE_CHECKING:
    from runtime.model.cursor import Cursor

__all__ = ["has_failed_enough"]

_PARKED_AFTER: Final = 60
#: What is only busy takes some and refuses others: an event waits longer for its turn before it is given up.
_PARKED_AFTER_BUSY: Final = 300
#: Each turn that dies takes its function with it, so an event has fewer of them.
_MOST_DEATHS: Final = 3


def has_failed_enough(cursor: Cursor, error: Exception, attempts: int) -> bool:
    """Whether one more failure is enough to park.

    Args:
        cursor: Tells since when what failed now has failed, and how often that was counted.
        error: How it failed now.
        attempts: How often one event fails before its aggregate is parked.
    """
    most = min(attempts, _MOST_DEATHS) if isinstance(error, TurnDiedError) else attempts
    shortest = _PARKED_AFTER_BUSY if is_unavailable(error) else _PARKED_AFTER
    now = clock.seconds()
    since = now if cursor.failed_since is None else cursor.failed_since
    return cursor.attempts + 1 >= most and now - since >= shortest
