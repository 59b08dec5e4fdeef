"""Where a handler's progress is kept that has a `MemoryBookmark`: in this process."""

from __future__ import annotations

from runtime.event_store.feed.cursors import StoreCursors
from runtime.store.memory import MemoryStore

__all__ = ["MemoryProgress"]

_TABLE = "progress"


class MemoryProgress:
    """Cursors that can be forgotten."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all of them."""
        self._cursors = StoreCursors(MemoryStore(), _TABLE)

    def cursors(self) -> StoreCursors:
        """The cursors."""
        return self._cursors
