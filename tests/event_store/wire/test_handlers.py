"""Handlers on DynamoDB: what a pull costs, and that generations, scans and waits work on its tables."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from runtime.contract import FEED_SLICES
from runtime.event_store.aggregates.aggregate import Aggregate, create_aggregate
from runtime.event_store.domain import create_domain
from runtime.event_store.events.event import event_type
from runtime.event_store.handlers.run import Run
from runtime.testing.clock import Clock
from tests.event_store.looks import Looks
from tests.event_store.wire.metered import Metered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.local import Emulator
    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.handlers.handler import EventHandler

_AGGREGATES: Final = 6
BATCH, QUERY, GET, SET, PUT = "BatchGetItem", "Query", "GetItem", "UpdateItem", "PutItem"


@event_type("counted")
@dataclass(frozen=True)
class Counted:
    pass


@event_type("passed")
@dataclass(frozen=True)
class Passed:
    pass


class Site:
    """A stream of its own on shared tables, and a handler that notes what it is shown, by generation."""

    def __init__(self, emulator: Emulator, tables: tuple[str, str]) -> None:
        self.meter = Metered(emulator, tables)
        name = uuid.uuid4().hex[:8]
        self.counter: Aggregate[Counted | Passed, dict[str, Any]] = create_aggregate(
            stream=name, events=[Counted, Passed], create=dict, fold=lambda *_: None
        )
        self.domain = create_domain(self.meter.provider, self.counter, default_tenant="acme")
        self.shown: dict[int, list[str]] = defaultdict(list)
        self.handler: EventHandler = self.domain.create_handler(f"h-{name}", [self.counter])
        self.handler.handle(self.counter, Counted, self.note)

    def note(self, aggregate_id: str, _: Counted, meta: EventMeta) -> None:
        self.shown[meta.generation].append(f"{aggregate_id}@{meta.version}")

    def append(self, aggregate_id: str, *events: Counted | Passed) -> Loaded[Any]:
        repository = self.domain[self.counter]
        return repository.append(repository.get_aggregate(aggregate_id), events or (Counted(),))

    def calls(self) -> Counter[str]:
        found = Counter(self.meter.cost.calls)
        self.meter.clear()
        return found


@pytest.fixture
def site(emulator: Emulator, event_tables: tuple[str, str]) -> Site:
    return Site(emulator, event_tables)


@pytest.fixture
def time() -> Iterator[Clock]:
    clock = Clock()
    clock.start()
    yield clock
    clock.stop()


def test_a_pull_is_one_query_and_one_write_an_aggregate_and_one_read_of_all_cursors(site: Site) -> None:
    for number in range(_AGGREGATES):
        site.append(f"a{number}")
        site.append(f"a{number}", Passed(), Counted())
    site.handler.run_once()
    site.shown.clear()
    site.calls()

    for number in range(_AGGREGATES):
        site.append(f"a{number}")
        site.append(f"a{number}", Counted(), Passed())
    site.append("b", Passed())
    site.meter.clear()
    assert site.handler.run_once() == Run(fetched=_AGGREGATES * 3 + 1, handled=_AGGREGATES * 2)
    found = site.calls()
    # The pull index is looked through twice, as the second page is empty; and the position is written down.
    looks = 2 * FEED_SLICES
    assert found == {BATCH: 1, QUERY: looks + _AGGREGATES, SET: _AGGREGATES, PUT: 1}
    assert sorted(site.shown[1]) == sorted(
        f"a{n}@{version}" for n in range(_AGGREGATES) for version in (4, 5)
    )

    assert site.handler.run_once() == Run()
    assert site.calls() == {QUERY: FEED_SLICES}


def test_who_finds_nothing_asks_for_little_and_more_and_more_seldom(
    emulator: Emulator, event_tables: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `start` does in its thread, look by look."""
    look = Looks(monkeypatch)
    site = Site(emulator, event_tables)
    site.handler.start()
    site.append("a")
    assert look() == 1
    site.meter.clear()
    pauses = [look() for _ in range(6)]
    assert pauses == [1, 2, 4, 4, 4, 4]
    cost = site.meter.cost
    assert (Counter(cost.calls), cost.written) == ({QUERY: 6 * FEED_SLICES}, 0)
    assert FEED_SLICES / pauses[-1] <= 1  # a query a second
    site.append("a")
    assert [look() for _ in range(3)] == [1, 1, 2]
    assert site.shown[1] == ["a@1", "a@2"]


def test_a_generation_is_built_on_the_tables_and_what_it_has_is_what_the_live_one_has(
    site: Site, time: Clock
) -> None:
    for number in range(_AGGREGATES):
        site.append(f"a{number}")
    site.handler.run_once()
    assert site.handler.build() == 2
    site.append("a0")
    time.advance(minutes=1)
    token: str | None = None
    while (page := site.handler.rebuild(resume_from=token)).resume_token:
        token = page.resume_token
    site.handler.run_once()
    assert site.handler.switch() == 2
    assert sorted(site.shown[1]) == sorted(site.shown[2])
    assert len(site.shown[2]) == _AGGREGATES + 1
    registration = site.handler.registration
    assert registration is not None
    assert (registration.generations, registration.is_scanned) == ((2, 1), True)
    site.handler.retire()


def test_to_know_is_one_read_and_to_catch_up_a_turn(site: Site) -> None:
    written = site.append("a")
    site.handler.run_once()
    site.meter.clear()
    assert site.handler.has_seen(site.counter, written)
    assert site.calls() == {BATCH: 1}

    behind = site.append("a")
    passed = site.append("a", Passed())
    site.meter.clear()
    assert not site.handler.has_seen(site.counter, behind)
    assert site.calls() == {BATCH: 1, QUERY: 1}
    assert site.handler.catch_up(site.counter, "a") == Run(fetched=2, handled=1)
    # Its last version, its cursor, the turn, what is behind it, and the end of the turn.
    assert site.calls() == {QUERY: 2, BATCH: 1, SET: 2}
    assert site.handler.has_seen(site.counter, passed)
    assert site.shown[1] == ["a@1", "a@2"]
