"""A read model is built anew while the stream brings records twice and in disorder, and appends go on.

10 000 events over 1 000 aggregates, a fifth of the records doubled, each moved by up to 500 places, 200 live
appends meanwhile: all of it in `make faults`, a tenth of it in `make test`.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pytest

from runtime import clock
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import Commit, StoredEvent
from runtime.event_store.commits.large_events import LargeEvents
from runtime.event_store.domain import create_domain
from runtime.event_store.feed.processor import EventProcessor
from runtime.event_store.providers.storage import EventStorage
from runtime.event_store.providers.store_provider import StoreProvider
from runtime.settings import EventTables
from runtime.store.bucket import MemoryBucket
from runtime.store.codec import encoded
from runtime.store.memory import MemoryStore
from runtime.testing.clock import Clock
from tests.event_store.followed import PostArchived, PostCreated, UserCreated, UserDisabled, post, user
from tests.faults.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.handlers.handler import EventHandler
    from runtime.store.memory import Change

_AGGREGATES: Final = scaled(100, 1000)
_EVENTS: Final = scaled(1000, 10_000)
_MOVED: Final = scaled(50, 500)
_LIVE: Final = scaled(20, 200)
_BATCH: Final = 100
_DELIVERIES: Final = 50
_SEGMENTS: Final = 4
_TENANTS: Final = 7
_TABLES: Final = EventTables(events="events", sync="sync", has_handlers=True)


class Site:
    """An events table with its stream, and a read model that notes what it is shown."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - the same each time
        self.memory = MemoryStore(clock=clock.seconds)
        large = LargeEvents(MemoryBucket(clock.now), _TABLES.events, 100 * 1024)
        self.storage = EventStorage(self.memory, _TABLES, large)
        self.provider = StoreProvider(lambda: self.storage)
        self.keys = [
            Key(("users", "posts")[number % 2], f"a{number}", f"t{number % _TENANTS}")
            for number in range(_AGGREGATES)
        ]
        self.versions = dict.fromkeys(self.keys, 0)
        self.shown: dict[tuple[int, str], list[int]] = defaultdict(list)
        self.records: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.memory.on_change(self._note)

    def handler(self) -> EventHandler:
        """The handler, as one more process has it."""
        domain = create_domain(self.provider, user, post)
        handler = domain.create_handler("model", [user, post])
        for event in (UserCreated, UserDisabled):
            handler.handle(user, event, self.show)
        for other in (PostCreated, PostArchived):
            handler.handle(post, other, self.show)
        return handler

    def show(self, _: str, __: object, meta: EventMeta) -> None:
        with self._lock:
            self.shown[meta.generation, meta.key.pk].append(meta.version)

    def append(self, key: Key) -> None:
        """One to three events."""
        first = self.versions[key] + 1
        created, later = ("created", "disabled") if key.stream == "users" else ("postCreated", "postArchived")
        bodies = {"created": {"name": "x"}, "postCreated": {"user_id": "u", "content": "c"}}
        names = [created if first + n == 1 else later for n in range(self.chance.randint(1, 3))]
        events = tuple(StoredEvent(name, bodies.get(name, {})) for name in names)
        self.provider.append(
            [Commit(key=key, first=first, events=events, append_id=f"{key.pk}/{first}", at=clock.now())]
        )
        self.versions[key] += len(events)

    def _note(self, change: Change) -> None:
        if change.place.table == _TABLES.events and change.old is None and change.new is not None:
            number = str(next(self._numbers))
            change_of = {"SequenceNumber": number, "NewImage": encoded(change.new)}
            self.records.append({"eventName": "INSERT", "dynamodb": change_of})

    def disordered(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The records, a fifth of them twice, each moved by up to so many places."""
        twice = [*records, *self.chance.sample(records, len(records) // 5)]
        places = {id(record): place for place, record in enumerate(records)}
        moved = [
            (places[id(record)] + self.chance.uniform(-_MOVED, _MOVED), n) for n, record in enumerate(twice)
        ]
        return [twice[n] for _, n in sorted(moved)]

    def deliver(self, handler: EventHandler, records: list[dict[str, Any]]) -> None:
        """Deliver in batches, as Lambda does: once more from the first record on that somebody else had."""
        processor = EventProcessor("blog", self.provider, [handler], self.storage.commit)
        for begin in range(0, len(records), _BATCH):
            batch = records[begin : begin + _BATCH]
            for _ in range(_DELIVERIES):
                failed = {one["itemIdentifier"] for one in processor.process(batch)["batchItemFailures"]}
                if not failed:
                    break
                numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
                batch = batch[min(map(numbers.index, failed)) :]
            else:
                pytest.fail(f"records come again and again: {failed}")

    def scan(self, segment: int) -> None:
        """Scan a segment, each page by a process that knows only what is written down of the scan."""
        handler = self.handler()
        handler.rebuild(segment=segment, total_segments=_SEGMENTS)
        while True:
            handler = self.handler()
            registration = handler.registration
            assert registration is not None
            token = registration.segments[segment].resume_token
            if token is None:
                return
            handler.rebuild(segment=segment, total_segments=_SEGMENTS, resume_from=token)

    def check(self, generation: int) -> None:
        """Everything was shown, and for the first time in order."""
        for key in self.keys:
            first_times = list(dict.fromkeys(self.shown[generation, key.pk]))
            assert first_times == list(range(1, self.versions[key] + 1)), (generation, key)


@pytest.fixture(autouse=True)
def time() -> Iterator[Clock]:
    standing = Clock()
    standing.start()
    yield standing
    standing.stop()


@pytest.mark.parametrize("seed", range(scaled(1, 3)))
def test_nothing_is_missed_whatever_the_stream_does_meanwhile(
    seed: int, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.event_store.feed.rebuild._LIMIT", scaled(20, 200))
    site = Site(seed)
    for key in site.keys:
        site.append(key)
    while sum(site.versions.values()) < _EVENTS:
        site.append(site.chance.choice(site.keys))
    early, late = site.records[: len(site.records) // 2], site.records[len(site.records) // 2 :]
    site.deliver(site.handler(), site.disordered(early))

    handler = site.handler()
    assert handler.build() == 2
    time.advance(minutes=1)
    site.records = []
    behind = site.disordered(late)

    def live() -> None:
        for _ in range(_LIVE):
            site.append(site.chance.choice(site.keys))
        site.deliver(site.handler(), site.disordered(site.records))

    with ThreadPoolExecutor(_SEGMENTS + 2) as pool:
        work = [
            pool.submit(site.deliver, site.handler(), behind),
            *(pool.submit(site.scan, segment) for segment in range(_SEGMENTS)),
            pool.submit(live),
        ]
        for done in work:
            done.result()

    assert handler.switch() == 2
    for generation in (1, 2):
        site.check(generation)
    handler.retire()
    assert sum(site.versions.values()) >= _EVENTS + _LIVE
