"""States that a process keeps, so that a load reads only what is newer."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache

if TYPE_CHECKING:
    from runtime.event_store.address import Key
    from runtime.event_store.aggregates.loaded import Loaded

__all__ = ["StateCache"]


class StateCache:
    """The aggregates that were used last. What it holds is nobody's to change: who takes it hands out copies.

    Args:
        size: How many, at most.
    """

    def __init__(self, size: int) -> None:
        self._found: LRUCache[Key, Loaded[Any]] = LRUCache(size)
        self._lock = Lock()

    def get(self, key: Key) -> Loaded[Any] | None:
        """What is kept of an aggregate."""
        with self._lock:
            return self._found.get(key)

    def put(self, loaded: Loaded[Any]) -> None:
        """Keep an aggregate, unless a newer state of it is kept already."""
        with self._lock:
            kept = self._found.get(loaded.key)
            if kept is None or kept.version < loaded.version:
                self._found[loaded.key] = loaded

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._found.clear()

    def drop(self, key: Key) -> None:
        """Forget an aggregate."""
        with self._lock:
            self._found.pop(key, None)
