"""A store in front of another one: it notes each call, and somebody may step in before and after it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.store.memory import MemoryStore
    from runtime.store.port import Store

__all__ = ["CountingStore"]

_METHODS = frozenset({"get", "batch_get", "query", "scan", "write", "update"})


class CountingStore:
    """Notes the calls of the store port.

    Args:
        store: The store behind it.

    Attributes:
        calls: The calls, by their names.
        before: Called with the number and the name of each call, before it is made.
        after: The same, after it was made.
    """

    if TYPE_CHECKING:  # it has what the store behind it has

        def __new__(cls, store: MemoryStore) -> Store: ...  # type: ignore[misc]

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self.calls: list[str] = []
        self.before: Callable[[int, str], object] = lambda _number, _name: None
        self.after: Callable[[int, str], object] = lambda _number, _name: None

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in _METHODS:
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                number = len(self.calls)
                self.calls.append(name)
            self.before(number, name)
            answer = found(*arguments, **options)
            self.after(number, name)
            return answer

        return call
