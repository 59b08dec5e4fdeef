"""Cursors of handlers: what two who have read the same row may write to it."""

from __future__ import annotations

import pytest
from boto3.dynamodb.conditions import Attr

from runtime.pipeline.cursors import CursorRow
from runtime.store.memory import MemoryStore
from runtime.store.port import Check, Put
from runtime.store.values import Place

PLACE = Place("sync", "TODO#acme", "Totals#A1")
AGGREGATE = Place("data", "TODO#acme", "A1")
WITNESS = Check(place=AGGREGATE, condition=Attr("pk").exists())


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.write(Put(table=AGGREGATE.table, row={"pk": AGGREGATE.pk, "sk": AGGREGATE.sk}))
    return store


def read(store: MemoryStore) -> CursorRow:
    return CursorRow(store, PLACE, "life", store.get(PLACE))


def claimed(store: MemoryStore) -> CursorRow:
    row = read(store)
    assert row.claim("turn", 60, WITNESS)
    return read(store)


@pytest.mark.parametrize("versions", [(3, 5), (5, 3)])
def test_of_two_wishes_the_later_version_stays(store: MemoryStore, versions: tuple[int, int]) -> None:
    claimed(store)
    both = [read(store), read(store)]
    left = [row.leave(version) for row, version in zip(both, versions, strict=True)]
    assert left == [True, True]
    assert (store.get(PLACE) or {})["wanted"] == 5


def test_a_wish_for_a_turn_that_is_over_is_not_left(store: MemoryStore) -> None:
    late, turn = claimed(store), read(store)
    assert turn.release("turn", 2)
    assert not late.leave(3)
    assert "wanted" not in (store.get(PLACE) or {})


@pytest.mark.parametrize(("done", "is_over"), [(2, False), (3, True), (4, True)])
def test_a_turn_is_over_when_nobody_wants_more(store: MemoryStore, done: int, *, is_over: bool) -> None:
    turn = claimed(store)
    assert read(store).leave(3)
    assert turn.release("turn", done) is is_over
    assert turn.cursor.wanted == (None if is_over else 3)
    assert ("claim" in (store.get(PLACE) or {})) is not is_over


def test_of_two_who_claim_one_gets_the_turn(store: MemoryStore) -> None:
    first, second = read(store), read(store)
    assert [row.claim(name, 60, WITNESS) for name, row in (("a", first), ("b", second))] == [True, False]
    assert (store.get(PLACE) or {})["claim"] == "a"
