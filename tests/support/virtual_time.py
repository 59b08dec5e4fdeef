"""Threads in a time of their own: it passes while all of them sleep, and one at a time is awake."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["VirtualTime"]


class VirtualTime:
    """Runs functions side by side, each in a thread, to the same end each time.

    Attributes:
        now: Seconds since the beginning.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._turn = threading.Condition()
        self._sleeping: dict[int, float] = {}
        self._awake: int | None = None
        self._own = threading.local()

    def sleep(self, seconds: float) -> None:
        """Let the others go on until this time has passed."""
        number: int = self._own.number
        with self._turn:
            self._sleeping[number] = self.now + seconds
            self._wake_next()
            self._turn.wait_for(lambda: self._awake == number)

    def run(self, functions: Sequence[Callable[[], Any]]) -> list[Any]:
        """What each of the functions returns.

        Raises:
            Exception: What one of them has raised.
        """
        found: dict[int, Any] = {}
        threads = [
            threading.Thread(target=self._live, args=(number, function, found), daemon=True)
            for number, function in enumerate(functions)
        ]
        self._sleeping = dict.fromkeys(range(len(threads)), self.now)
        for thread in threads:
            thread.start()
        with self._turn:
            self._wake_next()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        for number in range(len(threads)):
            if isinstance(found[number], BaseException):
                raise found[number]
        return [found[number] for number in range(len(threads))]

    def _live(self, number: int, function: Callable[[], Any], found: dict[int, Any]) -> None:
        self._own.number = number
        with self._turn:
            self._turn.wait_for(lambda: self._awake == number)
        try:
            found[number] = function()
        except BaseException as error:  # noqa: BLE001 - raised again where it is looked at
            found[number] = error
        with self._turn:
            self._wake_next()

    def _wake_next(self) -> None:
        """Wake whoever has slept enough first; the first of them by number."""
        self._awake = min(self._sleeping, key=lambda each: (self._sleeping[each], each), default=None)
        if self._awake is not None:
            self.now = max(self.now, self._sleeping.pop(self._awake))
        self._turn.notify_all()
