"""The looks of a handler that was started, one by one: its thread does not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

__all__ = ["Looks"]


class Looks:
    """Stands in for the thread of the next handler that is made: each call is one look.

    Args:
        monkeypatch: Of the test.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("runtime.event_store.handlers.handler.Poller", self._made)

    def _made(self, _name: str, look: Callable[[], float]) -> Looks:
        self._look = look
        return self

    def start(self) -> None:
        """Nothing begins by itself."""

    def __call__(self) -> float:
        """One look; the seconds until the next one."""
        return self._look()
