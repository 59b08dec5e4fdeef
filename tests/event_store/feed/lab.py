"""An event store in memory, its stream, and handlers that note what they are shown."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from runtime import clock
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import Commit, StoredEvent
from runtime.event_store.commits.commit_row import LAST
from runtime.event_store.commits.large_events import LargeEvents
from runtime.event_store.feed.cursors import CursorKey, StoreCursors
from runtime.event_store.feed.drain import Drained, EventVersions, drain
from runtime.event_store.feed.processor import EventProcessor
from runtime.event_store.providers.storage import EventStorage
from runtime.event_store.providers.store_provider import StoreProvider
from runtime.pipeline.repairing import Repair, Repaired
from runtime.settings import EventTables
from runtime.store.bucket import MemoryBucket
from runtime.store.codec import encoded
from runtime.store.memory import MemoryStore
from tests.support.clock import CLOCK
from tests.support.values import event_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from runtime.event_store.feed.cursors import Cursors
    from runtime.model.cursor import Cursor
    from runtime.store.memory import Change
    from runtime.store.port import Store

__all__ = ["KEY", "TABLES", "Lab", "View", "key"]

TABLES: Final = EventTables(events="events", sync="sync", has_handlers=True)
KEY: Final = Key("users", "u1", "acme")
_ARN: Final = "arn:aws:dynamodb:eu-west-1:123456789012:table/events/stream/x"


def key(number: int) -> Key:
    return Key("users", f"u{number}", "acme")


class View:
    """A handler that notes what it is shown, and fails where it is told to.

    Args:
        name: Its name.
        types: Names of the events that it has callbacks for.
    """

    def __init__(self, name: str = "view", *, types: Iterable[str] = ("a", "b")) -> None:
        self.name = name
        self.types = frozenset(types)
        self.attempts = 10
        self.exclusive = False
        self.is_reaction = False
        self.continue_on_error = False
        self.since: datetime | None = None
        self.fed: tuple[int, ...] = (1,)
        self.registered_at: datetime | None = None
        self.kept_in: Cursors | None = None
        self.shown: list[tuple[int, str, int]] = []
        self.erased: list[str] = []
        self.told: list[str] = []
        self.fails: Callable[[Commit, int], bool] = lambda _commit, _version: False
        self.error: type[Exception] = RuntimeError
        self.before: Callable[[Commit, int], object] = lambda _commit, _version: None
        self.on_shown: Callable[[Commit, int], object] = lambda _commit, _version: None
        self._lock = threading.Lock()

    def cursors(self) -> Cursors:
        assert self.kept_in is not None
        return self.kept_in

    def generations(self, at: datetime) -> Sequence[int]:
        self.registered_at = self.registered_at or at
        return self.fed

    def minds(self, stream: str, types: Sequence[str] | None) -> bool:
        return stream == "users" and (types is None or not self.types.isdisjoint(types))

    def show(self, commit: Commit, version: int, *, generation: int) -> bool | None:
        self.before(commit, version)
        if self.fails(commit, version):
            self.told.append(f"{commit.key.pk}@{version}")
            if self.continue_on_error:
                return False
            message = "the read model does not take it"
            raise self.error(message)
        if commit.closes:
            self.erased.append(commit.key.pk)
            return True
        assert commit.events[version - commit.first].type in self.types
        with self._lock:
            self.shown.append((generation, commit.key.pk, version))
        self.on_shown(commit, version)
        return True

    def versions(self, whose: Key = KEY, generation: int = 1) -> list[int]:
        return [version for number, pk, version in self.shown if (number, pk) == (generation, whose.pk)]


class Lab:
    """An event store with its stream.

    Args:
        views: The handlers. Default: one.
        store: Stands in front of the store in memory. Default: nothing does.
        cursors: Where handlers keep their cursors. Default: in the sync table.
        exclusive: See `EventProcessor`.
    """

    def __init__(
        self,
        *views: View,
        store: Callable[[MemoryStore], Store] | None = None,
        cursors: Cursors | None = None,
        exclusive: bool = False,
    ) -> None:
        self.memory = MemoryStore(clock=clock.seconds)
        self.store: Store = self.memory if store is None else store(self.memory)
        self.storage = EventStorage(
            self.store, TABLES, LargeEvents(MemoryBucket(clock.now), TABLES.events, 100 * 1024)
        )
        self.provider = StoreProvider(lambda: self.storage)
        self.cursors: Cursors = StoreCursors(self.store, TABLES.sync) if cursors is None else cursors
        #: For looks from outside, past what stands in front of the store.
        self.seen_by_all: Cursors = StoreCursors(self.memory, TABLES.sync) if cursors is None else cursors
        self.views = views or (View(),)
        self.view = self.views[0]
        for view in self.views:
            view.kept_in = self.cursors
        self.parked: list[tuple[str, int]] = []
        self.processor = EventProcessor(
            "blog",
            self.provider,
            self.views,
            self.storage.commit,
            exclusive=exclusive,
            on_parked=lambda whose, version, _error: self.parked.append((whose.key.pk, version)),
        )
        #: What the stream has to deliver, and what it ever had.
        self.records: list[dict[str, Any]] = []
        self.all_records: list[dict[str, Any]] = []
        self.versions: dict[Key, int] = defaultdict(int)
        self._numbers = itertools.count(1)
        self.memory.on_change(self._note)

    def append(self, whose: Key = KEY, *types: str) -> Commit:
        """Append one commit; of one event ``a`` unless it is told otherwise."""
        first = self.versions[whose] + 1
        events = tuple(StoredEvent(name, {"number": first + n}) for n, name in enumerate(types or ("a",)))
        commit = Commit(
            key=whose, first=first, events=events, append_id=f"{whose.pk}/{first}", at=clock.now()
        )
        self.provider.append([commit])
        self.versions[whose] = commit.last
        return commit

    def erase(self, whose: Key = KEY) -> None:
        closing = Commit(
            key=whose, first=1, events=(), append_id=f"{whose.pk}/end", at=clock.now(), closes=True
        )
        self.provider.erase(whose, closing)
        self.versions[whose] += 1

    def deliver(self, records: Sequence[dict[str, Any]] | None = None) -> list[str]:
        """Deliver a batch, or all that there is; numbers of the records that come again."""
        if records is None:
            records, self.records = self.records, []
        response = self.processor.process(records)
        return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]

    def retry(self, *, pause: float, most: int = 100) -> int:
        """Deliver as Lambda does: from the first record that failed on, again and again; how many batches."""
        batch, self.records = self.records, []
        for number in range(1, most + 1):
            failed = set(self.deliver(batch))
            if not failed:
                return number
            CLOCK.advance(pause)
            first = next(
                n for n, record in enumerate(batch) if record["dynamodb"]["SequenceNumber"] in failed
            )
            batch = batch[first:]
        return most

    def turn(
        self, whose: Key = KEY, version: int | None = None, *, view: View | None = None, **options: Any
    ) -> Drained:
        """One attempt of a handler to catch up."""
        view = view or self.view
        cursor = CursorKey(view.name, 1, whose)
        row = self.cursors.rows([cursor])[cursor]
        return drain(self.provider, view, cursor, version or self.versions[whose], row, **options)

    def repair(self, whose: Key = KEY, *, skipping: bool = False, view: View | None = None) -> Repaired:
        view = view or self.view
        cursor = CursorKey(view.name, 1, whose)
        versions = EventVersions(self.provider, view, cursor, self.cursors.rows([cursor])[cursor])
        return Repair(view.name, versions).run(skipping=skipping)

    def cursor(self, whose: Key = KEY, *, view: View | None = None, generation: int = 1) -> Cursor:
        cursor = CursorKey((view or self.view).name, generation, whose)
        return self.seen_by_all.rows([cursor])[cursor].cursor

    def commits(self, whose: Key = KEY) -> list[Commit]:
        """What was appended to an aggregate."""
        rows = [row for row in self.memory.rows(TABLES.events) if row["pk"] == whose.pk and LAST in row]
        return sorted(map(self.storage.commit, rows), key=lambda commit: commit.first)

    def _note(self, change: Change) -> None:
        if change.place.table != TABLES.events:
            return
        kind = "INSERT" if change.old is None else "REMOVE" if change.new is None else "MODIFY"
        images = {"NewImage": event_image(encoded(change.new))} if change.new is not None else {}
        record = {
            "eventName": kind,
            "eventSource": "aws:dynamodb",
            "eventSourceARN": _ARN,
            "dynamodb": {
                "ApproximateCreationDateTime": int(clock.seconds()),
                "SequenceNumber": str(next(self._numbers)),
                **images,
            },
        }
        self.records.append(record)
        self.all_records.append(record)
