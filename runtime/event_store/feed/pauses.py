"""How long whoever polls waits between two looks."""

from __future__ import annotations

__all__ = ["Pauses"]


class Pauses:
    """The pauses of a poller: they double while it finds nothing, up to the longest one.

    Args:
        shortest: Seconds after something was found, and after the first look in vain.
        longest: The most seconds, however long it was quiet.
    """

    def __init__(self, shortest: float, longest: float) -> None:
        self._shortest = shortest
        self._longest = longest
        self._next = shortest

    def after(self, *, is_quiet: bool) -> float:
        """Seconds to wait behind a look.

        Args:
            is_quiet: Whether it has found nothing.
        """
        if not is_quiet:
            self._next = self._shortest
            return self._shortest
        pause, self._next = self._next, min(2 * self._next, self._longest)
        return pause
