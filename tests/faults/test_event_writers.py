"""16 writers on one stream, in threads and in processes, with lost answers: one winner a version."""

from __future__ import annotations

import sys
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from runtime import clock
from runtime.event_store.commits.large_events import LargeEvents
from runtime.event_store.providers.dynamo_provider import DynamoProvider
from runtime.event_store.providers.storage import EventStorage
from runtime.event_store.providers.store_provider import StoreProvider
from runtime.settings import EventTables
from runtime.store.bucket import MemoryBucket
from runtime.store.memory import MemoryStore
from tests.faults.event_writers import (
    LossyStore,
    LostAnswers,
    Orders,
    Won,
    compete,
    won_elsewhere,
)
from tests.faults.scale import COMPLETE, scaled
from tests.support.elsewhere import elsewhere
from tests.support.event_tables import MODULE, event_settings, make_event_tables
from tests.support.service import TestResources

if TYPE_CHECKING:
    import pytest

    from constructs_lib.local import Emulator
    from runtime.event_store.provider import Provider
    from runtime.store.port import Store

_WRITERS = 16
_ELSEWHERE = 2  # processes, beside this one, in the complete form
_SEED = 7


def _orders(names: list[str], appends: int, seed: int = _SEED) -> Orders:
    return Orders(names, uuid.uuid4().hex[:8], -(-appends // _WRITERS), seed)


def _names(first: int, last: int) -> list[str]:
    return [f"w{number}" for number in range(first, last)]


def _check(provider: Provider, orders: Orders, won: Won, appends: int) -> None:
    assert won.errors == []
    assert len(won.appended) >= appends
    commits = list(provider.read(orders.key))  # raises where there is a gap
    stored = [(commit.first, [event.body["label"] for event in commit.events]) for commit in commits]
    # Each version was won once, and by whom it was told so.
    assert stored == sorted(won.appended)
    labels = [label for _, found in stored for label in found]
    assert len(set(labels)) == len(labels) == commits[-1].last
    # That they met at all, and that each loser was told what to go on with.
    assert won.winners == won.conflicts > _WRITERS


def test_one_winner_for_each_version_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.backoff.time.sleep", lambda _seconds: None)
    appends = scaled(320, 1000)
    store = LossyStore(MemoryStore(), _SEED)
    tables = EventTables(events="events", sync="sync")
    large = LargeEvents(MemoryBucket(clock.now), "events", 100_000)
    storage = EventStorage(cast("Store", store), tables, large)
    provider = StoreProvider(lambda: storage)
    orders = _orders(_names(0, _WRITERS), appends)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # or each would be done before the next one begins
    try:
        won = compete(provider, orders)
    finally:
        sys.setswitchinterval(interval)
    _check(provider, orders, won, appends)
    assert store.lost > appends // 12


def test_one_winner_for_each_version_on_dynamodb(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in emulator.environment.items():
        if name != "AWS_ENDPOINT_URL":
            monkeypatch.setenv(name, value)
    appends = scaled(48, 1000)
    settings = event_settings(emulator, make_event_tables(emulator), indexes=False)
    resources = TestResources(emulator, settings)
    lost = LostAnswers(_SEED)
    resources.wire.lose_answers(lost)
    provider = DynamoProvider(MODULE, resources)
    share = 6 if COMPLETE else _WRITERS
    orders = _orders(_names(0, share), appends)
    elsewheres = []
    if COMPLETE:
        step = (_WRITERS - share) // _ELSEWHERE
        for number in range(_ELSEWHERE):
            names = _names(share + number * step, share + (number + 1) * step)
            theirs = Orders(names, orders.aggregate_id, orders.wins, _SEED + number + 1)
            elsewheres.append({"settings": asdict(settings), "orders": asdict(theirs)})
    with elsewhere("tests.faults.event_writers", elsewheres, emulator.child_environment()) as others:
        won = compete(provider, orders)
        for other in others:
            won.add(won_elsewhere(other.outcome()))
    resources.wire.lose_answers(lambda _call: False)
    _check(provider, orders, won, appends)
    assert lost.lost
