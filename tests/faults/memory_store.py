"""A data sync handler for tests: it remembers what it saw, and fails as long as it is told to."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from runtime import DataSyncHandler
from runtime.model.keys import get_sort_key_version, remove_sort_key_version

if TYPE_CHECKING:
    from runtime import CommandModel

__all__ = ["First", "MemoryStore", "Second"]


class MemoryStore(DataSyncHandler):
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.fails = False
        self.seen: defaultdict[str, list[int]] = defaultdict(list)

    def up(self, command: CommandModel[Any]) -> None:
        if self.fails:
            message = "the store is down"
            raise RuntimeError(message)
        self.seen[remove_sort_key_version(command.sk)].append(get_sort_key_version(command.sk))


class First(MemoryStore):
    pass


class Second(MemoryStore):
    pass
