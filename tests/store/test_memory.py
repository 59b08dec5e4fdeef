"""The store in memory keeps the contract of every store, and what only it has."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.conditions import Attr, Key

from runtime.errors import StoreRefusedError
from runtime.store.codec import sealed
from runtime.store.memory import Change, MemoryStore
from runtime.store.port import Add, ConditionFailedError, Delete, Put, Set
from runtime.store.values import Place, Sealed
from runtime.testing.store_contract import StoreContract

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

    from runtime.store.port import Store

A = Place("t", "p", "a")


class TestMemoryStore(StoreContract):
    turns = 100

    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


def test_tables_that_are_given_are_all_there_are() -> None:
    store = MemoryStore(tables=["t"])
    store.write(Set(place=A, columns={"n": 1}))
    assert store.tables == ["t"]
    for call in (
        lambda: store.get(A._replace(table="other")),
        lambda: store.query("other", Key("pk").eq("p")),
        lambda: store.scan("other", limit=1),
        lambda: store.write(Delete(place=A), Delete(place=A._replace(table="other"))),
        lambda: store.approximate_rows("other"),
    ):
        with pytest.raises(StoreRefusedError, match="there is no table 'other'"):
            call()
    assert store.get(A) is not None


def test_changes_are_told_in_the_order_of_the_commits() -> None:
    store = MemoryStore()
    changes: list[Change] = []
    store.on_change(changes.append)
    store.write(Put(table="t", row={"pk": "p", "sk": "a", "n": 1}))
    store.write(Put(table="t", row={"pk": "p", "sk": "a", "n": 1}))  # nothing changes
    with pytest.raises(ConditionFailedError):
        store.write(Set(place=A, columns={"n": 5}, condition=Attr("n").eq(2)))
    store.write(Set(place=A, columns={"n": 2}), Delete(place=A._replace(sk="none")))
    store.write(Delete(place=A))
    one, two = ({"pk": "p", "sk": "a", "n": n} for n in (1, 2))
    assert changes == [Change(A, None, one), Change(A, one, two), Change(A, two, None)]


@pytest.mark.parametrize("lends", [False, True])
def test_a_row_that_was_given_stays_as_it_was(*, lends: bool) -> None:
    store = MemoryStore(lends_rows=lends)
    store.write(Put(table="t", row={"pk": "p", "sk": "a", "n": 1}))
    (row,), (again,) = (store.query("t", Key("pk").eq("p")).rows for _ in range(2))
    assert (row is again) is lends
    store.write(Set(place=A, columns={"n": 2}))
    assert row == again == {"pk": "p", "sk": "a", "n": 1}
    assert store.query("t", Key("pk").eq("p")).rows == [{"pk": "p", "sk": "a", "n": 2}]


def test_rows_expire_when_they_are_told_to() -> None:
    store = MemoryStore(clock=lambda: 100.0)
    for sk, ttl in [("past", 99), ("now", 100), ("text", "1"), ("flag", True), ("part", Decimal("99.5"))]:
        store.write(Put(table="t", row={"pk": "p", "sk": sk, "ttl": ttl}))
    store.write(Put(table="t", row={"pk": "p", "sk": "none"}))
    assert store.expire() == 2
    assert [row["sk"] for row in store.rows("t")] == ["flag", "none", "now", "text"]
    assert store.expire(101) == 1
    assert store.approximate_rows("t") == 3


@pytest.mark.parametrize(
    "condition",
    [
        Attr("n").size(),
        Attr("n").is_in([]),
        Attr("n").is_in(list(range(101))),
        Attr("n").between(2, 1),
        Attr("n").between("a", 2),
        Attr("n").lt(value=True),
        Attr("n").gte(None),
        Attr("n").begins_with(1),
        Attr("n").attribute_type("TEXT"),
        Attr("m").eq(1) & Attr("n").between(2, 1),
    ],
    ids=range(10),
)
def test_a_condition_without_sense_is_refused(condition: ConditionBase) -> None:
    store = MemoryStore()
    with pytest.raises(StoreRefusedError):
        store.write(Set(place=A, columns={"n": 1}, condition=condition))
    with pytest.raises(StoreRefusedError):
        store.query("t", Key("pk").eq("p"), only=condition)


@pytest.mark.parametrize(
    "options",
    [
        {"key": Key("sk").eq("a")},
        {"key": Key("pk").begins_with("p")},
        {"key": Key("pk").eq("")},
        {"key": Key("pk").eq("p") & Key("sk").begins_with("")},
        {"key": Key("pk").eq("p") & Key("n").eq("a")},
        {"key": Key("pk").eq("p") & Attr("sk").eq("a")},
        {"key": Key("pk").eq("p") & Key("sk").eq("a") & Key("sk").eq("a")},
        {"key": Key("pk").eq("p") | Key("sk").eq("a")},
        {"key": Key("pk").eq("p") & Key("sk").between("b", "a")},
        {"index": "other"},
        {"limit": 0},
        {"columns": []},
        {"columns": ["n", "n"]},
        {"only": Attr("sk").eq("a")},
        {"start": {"pk": "p"}},
        {"start": {"pk": "other", "sk": "a"}},
        {"start": {"pk": "p", "sk": 1}},
        {"key": Key("open").eq("o"), "index": "open", "columns": ["n"]},
    ],
    ids=range(18),
)
def test_a_query_without_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(StoreRefusedError):
        MemoryStore().query("t", **{"key": Key("pk").eq("p"), **options})


@pytest.mark.parametrize(
    "options", [{"segment": 1}, {"segment": -1}, {"limit": 0}, {"start": {"pk": "p"}}], ids=range(4)
)
def test_a_scan_without_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(StoreRefusedError):
        MemoryStore().scan("t", **{"limit": 1, **options})


@pytest.mark.parametrize(
    "value",
    [
        10**126,
        10**38 + 1,
        Decimal("NaN"),
        Decimal("1E-131"),
        [1],
        "\ud800",
        Sealed({"SS": []}),
        Sealed({"NS": ["1", "1.0"]}),
        Sealed({"L": [{"S": "\ud800"}]}),
    ],
    ids=range(9),
)
def test_a_value_that_dynamodb_has_not_is_refused(value: Any) -> None:
    with pytest.raises(StoreRefusedError):
        MemoryStore().write(Put(table="t", row={"pk": "p", "sk": "a", "value": value}))


@pytest.mark.parametrize(
    "write",
    [
        Set(place=A),
        Set(place=A, columns={"n": 1}, remove=["n"]),
        Put(table="t", row={"pk": "p"}),
        Put(table="t", row={"pk": 1, "sk": "a"}),
        Put(table="t", row={"pk": "p", "sk": "a", "\ud800": "x"}),
    ],
    ids=range(5),
)
def test_a_write_without_sense_is_refused(write: Put | Set) -> None:
    with pytest.raises(StoreRefusedError):
        MemoryStore().write(write)


# The emulator leaves such a column as it is, and takes a column that is changed in two ways.
@pytest.mark.parametrize("value", ["1", None, True, sealed([1], path="n")], ids=repr)
def test_nothing_is_added_to_what_is_no_number(value: Any) -> None:
    store = MemoryStore()
    row = {"pk": "p", "sk": "a", "n": value}
    store.write(Put(table="t", row=row))
    with pytest.raises(StoreRefusedError, match="'n' has no number"):
        store.write(Set(place=A, columns={"m": 1}, add={"n": Add(1)}), Delete(place=A._replace(sk="b")))
    assert store.get(A) == row


@pytest.mark.parametrize("more", [{"remove": ["n"]}, {"columns": {"n": 1}}, {"defaults": {"n": 1}}], ids=repr)
def test_a_column_is_changed_in_one_way(more: Any) -> None:
    store = MemoryStore()
    with pytest.raises(StoreRefusedError, match="names a column twice"):
        store.write(Set(place=A, add={"n": Add(1)}, **more))
    assert store.get(A) is None


def test_a_sum_has_38_digits_at_most() -> None:
    store = MemoryStore()
    largest = 10**38 - 1
    store.write(Set(place=A, add={"n": Add(largest)}))
    with pytest.raises(StoreRefusedError, match="38 digits"):
        store.write(Set(place=A, add={"n": Add(2)}))
    assert store.get(A) == {"pk": "p", "sk": "a", "n": largest}


def test_a_transaction_has_4_mb_at_most() -> None:
    store = MemoryStore()
    rows = [{"pk": "p", "sk": str(number), "text": "x" * 400_000} for number in range(11)]
    with pytest.raises(StoreRefusedError, match="4 MB"):
        store.write(*(Put(table="t", row=row) for row in rows))
    assert store.rows("t") == []


def test_an_index_holds_no_other_columns() -> None:
    store = MemoryStore()
    store.write(Put(table="t", row={"pk": "p", "sk": "a", "feed": "1", "feedAt": "t", "text": "s"}))
    with pytest.raises(StoreRefusedError, match="does not hold"):
        store.query("t", Key("feed").eq("1"), index="feed", columns=["text"])
