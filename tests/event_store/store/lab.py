"""A provider over the store in memory, with whatever its tables may have, and an ear on its calls."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runtime import clock
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import CommandRecord, Commit, StoredEvent
from runtime.event_store.commits.large_events import LargeEvents
from runtime.event_store.providers.storage import EventStorage
from runtime.event_store.providers.store_provider import StoreProvider
from runtime.settings import EventTables
from runtime.store.bucket import MemoryBucket
from runtime.store.memory import MemoryStore
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.store.bucket import Bucket
    from runtime.store.values import Row

__all__ = ["EVENTS", "KEY", "Lab", "NoBucket", "closing", "commit", "record"]

EVENTS = "events"
KEY = Key("users", "u1", "acme")
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


class Lab:
    """A provider and what it works on.

    Args:
        feed: Whether the table has the pull index.
        aggregates: Whether it has the index of a tenant's aggregates.
        limit: Bytes of a row beyond which its events go to the bucket.
        bucket: Another bucket.
        page_size: Of the provider.
    """

    def __init__(
        self,
        *,
        feed: bool = False,
        aggregates: bool = False,
        limit: int = 100 * 1024,
        bucket: Bucket | None = None,
        page_size: int | None = None,
    ) -> None:
        self.memory = MemoryStore(clock=clock.seconds)
        self.wire = Wire()
        self.store = self.wire.listen_to(self.memory)
        self.bucket: Any = bucket or MemoryBucket(clock.now)
        tables = EventTables(events=EVENTS, sync="sync", has_feed_index=feed, has_aggregates_index=aggregates)
        self.storage = EventStorage(self.store, tables, LargeEvents(self.bucket, EVENTS, limit))
        self.provider = self.another(page_size)

    def another(self, page_size: int | None = None) -> StoreProvider:
        """Another provider on the same tables, as another process has."""
        return StoreProvider(lambda: self.storage, page_size=page_size)

    def append(self, *events: int, key: Key = KEY, after: int = 0, **more: Any) -> list[Commit]:
        """Append so many events at a time."""
        commits = []
        for number in events:
            commits.append(commit(after + 1, number, key=key, **more))
            self.provider.append(commits[-1:])
            after += number
        return commits

    def rows(self) -> list[Row]:
        return self.memory.rows(EVENTS)

    def calls(self) -> list[str]:
        """The calls since the last time."""
        found = [call.operation for call in self.wire.calls]
        self.wire.clear()
        return found


class NoBucket(MemoryBucket):
    """Of a deployment that has none."""

    name: Any = None

    def __init__(self) -> None:
        super().__init__(clock.now)

    def objects(self, prefix: str) -> Iterator[Any]:  # noqa: ARG002 - as in the base class
        return iter(())


def commit(first: int, events: int = 1, *, key: Key = KEY, body: Any = None, **more: Any) -> Commit:
    return Commit(
        key=key,
        first=first,
        events=tuple(
            StoredEvent("happened", {"version": first + number} if body is None else body)
            for number in range(events)
        ),
        append_id=uuid.uuid4().hex,
        at=AT,
        **more,
    )


def closing(key: Key = KEY) -> Commit:
    return replace(commit(1, key=key, user_id="eraser"), events=(), closes=True)


def record(command_id: str = "c-1", *, key: Key = KEY, **more: Any) -> CommandRecord:
    return CommandRecord(key=key, command_id=command_id, fingerprint="f", first=1, last=1, **more)
