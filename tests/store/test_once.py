"""A record says once what a call has come to, and which call that was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import clock
from runtime.errors import InvalidInputError, PublishIdReusedError
from runtime.store.dynamodb import DynamoDbStore
from runtime.store.memory import MemoryStore
from runtime.store.once import A_DAY, Once, digest_of
from runtime.store.port import ConditionFailedError, Put
from runtime.store.values import Place

if TYPE_CHECKING:
    from runtime.store.port import Store
    from runtime.store.values import Row

NOW = 1_800_000_000


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    return DynamoDbStore(request.getfixturevalue("shared_client"))


@pytest.fixture
def once(request: pytest.FixtureRequest, store: Store, monkeypatch: pytest.MonkeyPatch) -> Once:
    monkeypatch.setattr(clock, "seconds", lambda: NOW)
    table = request.getfixturevalue("tables").first if isinstance(store, DynamoDbStore) else "keys"
    return Once(
        place=Place(table, "KEY#acme", "k"), label="key", columns={"kind": "K"}, told_by=("no", "life")
    )


def found(store: Store, once: Once) -> Row | None:
    done = once.done(store.get(once.place))
    return done.row if done else None


def refused(store: Store, write: Put) -> Row | None:
    with pytest.raises(ConditionFailedError) as failed:
        store.write(write)
    return failed.value.rows["key"]


def test_what_was_done_is_recorded_once(store: Store, once: Once) -> None:
    assert found(store, once) is None
    store.write(once.write("call", {"no": 1}))
    row = {"pk": "KEY#acme", "sk": "k", "no": 1, "call": "call", "kind": "K", "ttl": NOW + A_DAY}
    assert found(store, once) == row
    # Whoever does it at the same time finds what the first one has come to.
    assert once.done(refused(store, once.write("call", {"no": 2}))) == once.done(row)
    assert found(store, once) == row


def test_another_call_is_told_from_it(store: Store, once: Once) -> None:
    store.write(once.write("call", {"no": 1}))
    done = once.done(store.get(once.place))
    assert done is not None
    done.check_same_call("call")
    with pytest.raises(PublishIdReusedError):
        done.check_same_call("another call")
    earlier = once.done({"pk": "KEY#acme", "sk": "k", "ttl": NOW, "fingerprint": "of another kind"})
    assert earlier is not None
    earlier.check_same_call("any call")


def test_its_time_is_over_though_it_is_still_there(
    store: Store, once: Once, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(once.write("call", {"no": 1}))
    monkeypatch.setattr(clock, "seconds", lambda: NOW + A_DAY)
    assert found(store, once) is not None
    refused(store, once.write("call", {"no": 2}))
    monkeypatch.setattr(clock, "seconds", lambda: NOW + A_DAY + 1)
    assert found(store, once) is None
    store.write(once.write("another call", {"no": 2}))
    assert (found(store, once) or {})["no"] == 2


def test_it_may_be_kept_for_ever(store: Store, once: Once, monkeypatch: pytest.MonkeyPatch) -> None:
    for_ever = Once(place=once.place, label="key", seconds=None)
    store.write(for_ever.write("call", {"no": 1}))
    monkeypatch.setattr(clock, "seconds", lambda: NOW * 2)
    assert found(store, for_ever) == {"pk": "KEY#acme", "sk": "k", "no": 1, "call": "call"}
    refused(store, for_ever.write("call", {"no": 2}))


@pytest.mark.parametrize("outcome", [{"no": 1}, {"life": "x"}], ids=repr)
def test_one_that_says_nothing_any_more_is_written_over(store: Store, once: Once, outcome: Row) -> None:
    store.write(once.write("call", outcome))
    stale = store.get(once.place)
    store.write(once.write("call", {"no": 2}, stale))
    assert (found(store, once) or {})["no"] == 2
    # Somebody else was first to do so.
    assert refused(store, once.write("call", {"no": 3}, stale)) == found(store, once)


@pytest.mark.parametrize("identifier", ["", "x" * 256, "\ud800"], ids=["empty", "long", "surrogate"])
def test_an_id_that_cannot_be_one_is_refused(identifier: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        digest_of(identifier, "idempotency_key")
    assert caught.value.problems[0].field == "idempotency_key"


def test_an_id_is_part_of_a_key_whatever_is_in_it() -> None:
    ids: list[Any] = ["a", "A", "a#b", "a@1", " ", "\0", "名", "x" * 255]
    assert len({digest_of(each, "id") for each in ids}) == len(ids)
    assert all(len(digest_of(each, "id")) == 64 for each in ids)
