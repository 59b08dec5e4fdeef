"""A provider that tells what was asked of it, and lets others be faster."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from runtime.event_store.providers.memory_provider import MemoryProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import CommandRecord, Commit


class WatchedProvider(MemoryProvider):
    """Counts calls. What is in ``before_append`` is called before the next append, each once.

    So is what is in ``before_last_version``, before the last version is looked up.
    """

    def __init__(self, *, page_size: int = 1000) -> None:
        self.calls: Counter[str] = Counter()
        self.before_append: list[Callable[[], object]] = []
        self.before_last_version: list[Callable[[], object]] = []
        self.appended: list[Commit] = []
        super().__init__(page_size=page_size)

    def append(
        self,
        commits: Sequence[Commit],
        *,
        unmoved: Mapping[Key, int] | None = None,
        command: CommandRecord | None = None,
    ) -> None:
        if self.before_append:
            self.before_append.pop(0)()
        self.calls["append"] += 1
        super().append(commits, unmoved=unmoved, command=command)
        self.appended += commits

    def read(self, key: Key, *, after: int = 0, until: int | None = None) -> Iterator[Commit]:
        self.calls["read"] += 1
        return super().read(key, after=after, until=until)

    def read_back(self, key: Key, *, until: int | None = None, likely: int = 4) -> Iterator[Commit]:
        if likely == 1 and self.before_last_version:
            self.before_last_version.pop(0)()
        self.calls["read_back"] += 1
        return super().read_back(key, until=until, likely=likely)

    def command(self, key: Key, command_id: str) -> CommandRecord | None:
        self.calls["command"] += 1
        return super().command(key, command_id)

    def counted(self) -> Mapping[str, int]:
        """What was asked since this was asked last."""
        found, self.calls = self.calls, Counter()
        return dict(found)
