"""What a store must do, as tests: one class that every adapter of the store port passes."""

# ruff: noqa: D102, PLR2004, S101 - tests assert, expect literals, and have their names for documentation

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from boto3.dynamodb.conditions import Attr, Key

from runtime.errors import ContentionError, StoreRefusedError
from runtime.store.codec import opened, sealed
from runtime.store.port import Add, Check, ConditionFailedError, Delete, Put, Set
from runtime.store.values import Place

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

    from runtime.store.port import Page, Store, Write
    from runtime.store.values import Row, Sealed

__all__ = ["StoreContract", "TwoTables"]

_THREADS: Final = 16
_PK: Final = "ORDER#acme"
_TOO_LONG: Final = 30


class TwoTables(NamedTuple):
    """Names of two empty tables, each with two indexes.

    ``open`` is on the columns ``open`` and ``createdAt``, and holds keys alone; ``feed`` is on ``feed`` and
    ``feedAt``, and holds ``last`` and ``types``, too.
    """

    first: str
    second: str


def _sealed(value: Any) -> Sealed:  # noqa: ANN401 - any value with parts
    return sealed(value, path="value")  # type: ignore[return-value]


_ROW: Final[Row] = {
    "text": "m",
    "number": 5,
    "decimal": Decimal("1.5"),
    "flag": True,
    "nothing": None,
    "empty": "",
    "bytes": _sealed(b"\x01\x80"),
    "list": _sealed([1, "a", None]),
    "map": _sealed({"inner": {"deep": "x", "list": [7, 8]}}),
    "texts": _sealed({"a", "b"}),
    "numbers": _sealed({1, 2}),
}

_HOLDS: Final = {
    "text =": Attr("text").eq("m"),
    "number =": Attr("number").eq(5),
    "number = decimal": Attr("number").eq(Decimal("5.0")),
    "decimal =": Attr("decimal").eq(Decimal("1.50")),
    "flag =": Attr("flag").eq(value=True),
    "null =": Attr("nothing").eq(None),
    "empty =": Attr("empty").eq(""),
    "bytes =": Attr("bytes").eq(_sealed(b"\x01\x80")),
    "list =": Attr("list").eq(_sealed([1, "a", None])),
    "map =": Attr("map").eq(_sealed({"inner": {"list": [7, 8], "deep": "x"}})),
    "set =": Attr("texts").eq(_sealed({"b", "a"})),
    "<> another": Attr("text").ne("n"),
    "<> of another type": Attr("text").ne(5),
    "<> of no column": Attr("absent").ne("m"),
    "<": Attr("text").lt("n"),
    "< of numbers goes by value": Attr("number").lt(10),
    "<=": Attr("number").lte(5),
    ">": Attr("decimal").gt(1),
    "> of text goes by bytes": Attr("text").gt("Z"),
    ">=": Attr("text").gte("m"),
    "> of bytes is unsigned": Attr("bytes").gt(_sealed(b"\x01\x7f")),
    "between": Attr("number").between(5, 6),
    "begins_with": Attr("text").begins_with("m"),
    "begins_with nothing": Attr("text").begins_with(""),
    "begins_with bytes": Attr("bytes").begins_with(_sealed(b"\x01")),
    "in": Attr("number").is_in([4, 5]),
    "exists": Attr("text").exists(),
    "exists, though null": Attr("nothing").exists(),
    "not exists": Attr("absent").not_exists(),
    "contains of text": Attr("text").contains("m"),
    "contains of a list": Attr("list").contains("a"),
    "contains of a list, null": Attr("list").contains(None),
    "contains of a set": Attr("texts").contains("a"),
    "contains of a set of numbers": Attr("numbers").contains(2),
    "type of text": Attr("text").attribute_type("S"),
    "type of a number": Attr("number").attribute_type("N"),
    "type of null": Attr("nothing").attribute_type("NULL"),
    "type of a map": Attr("map").attribute_type("M"),
    "type of a set": Attr("numbers").attribute_type("NS"),
    "size of text": Attr("text").size().eq(1),
    "size of a list": Attr("list").size().between(3, 4),
    "size of bytes": Attr("bytes").size().lt(3),
    "path into a map": Attr("map.inner.deep").eq("x"),
    "path into a list": Attr("map.inner.list[1]").eq(8),
    "column of another": Attr("number").gt(Attr("decimal")),
    "and": Attr("text").eq("m") & Attr("number").eq(5),
    "or": Attr("text").eq("n") | Attr("number").eq(5),
    "not": ~Attr("text").eq("n"),
    "not of a missing column's comparison": ~Attr("absent").lt(5),
    "and, or and not, nested": (Attr("a").exists() | ~(Attr("text").eq("n") & Attr("b").exists()))
    & Attr("pk").exists(),
}

_DOES_NOT_HOLD: Final = {
    "text =": Attr("text").eq("M"),
    "= of no column": Attr("absent").eq("m"),
    "= null of no column": Attr("absent").eq(None),
    "= of another type": Attr("number").eq("5"),
    "flag is no number": Attr("flag").eq(1),
    "false is not true": Attr("flag").eq(value=False),
    "empty is not null": Attr("empty").eq(None),
    "list = in another order": Attr("list").eq(_sealed(["a", 1, None])),
    "map = with one part more": Attr("map").eq(_sealed({"inner": {}, "more": 1})),
    "<> the same": Attr("text").ne("m"),
    "<> the same number": Attr("decimal").ne(Decimal("1.500")),
    "< of no column": Attr("absent").lt("m"),
    "< of another type": Attr("text").lt(5),
    "< of an equal one": Attr("number").lt(5),
    "> of no column": Attr("absent").gt(0),
    ">= of another type": Attr("number").gte("0"),
    "<= of null": Attr("nothing").lte("z"),
    "between, below": Attr("number").between(6, 7),
    "between of no column": Attr("absent").between(6, 7),
    "between of another type": Attr("text").between(6, 7),
    "begins_with another": Attr("text").begins_with("mm"),
    "begins_with of no column": Attr("absent").begins_with("m"),
    "in others": Attr("number").is_in([4, "5"]),
    "in of no column": Attr("absent").is_in([None, "m"]),
    "exists": Attr("absent").exists(),
    "not exists": Attr("text").not_exists(),
    "not exists, though null": Attr("nothing").not_exists(),
    "contains of text": Attr("text").contains("x"),
    "contains of no column": Attr("absent").contains("x"),
    "contains of a number": Attr("number").contains("5"),
    "contains of a list, part of a text": Attr("list").contains("A"),
    "contains of a set, another type": Attr("numbers").contains("1"),
    "type": Attr("text").attribute_type("N"),
    "type of no column": Attr("absent").attribute_type("NULL"),
    "size": Attr("text").size().gt(1),
    "size of no column": Attr("absent").size().gte(0),
    "path that leads nowhere": Attr("map.other.deep").eq("x"),
    "path into text": Attr("text.deep").exists(),
    "path beyond a list": Attr("map.inner.list[2]").exists(),
    "and": Attr("text").eq("m") & Attr("number").eq(6),
    "or": Attr("text").eq("n") | Attr("number").eq(6),
    "not": ~Attr("text").eq("m"),
}

_VALUES: Final[dict[str, Any]] = {
    "text": "plain",
    "no text": "",
    "text of every kind": "\x00 \t\n é ß 漢字 \U0001f600 \u2028 \"quoted\" {'S': 'x'} #a :b",
    "long text": "ä" * 50_000,
    "zero": 0,
    "negative": -1,
    "38 digits": 12345678901234567890123456789012345678,
    "38 digits after the point": Decimal("0.12345678901234567890123456789012345678"),
    "small": Decimal("-1E-130"),
    "large": 10**125,
    "half": Decimal("0.5"),
    "true": True,
    "false": False,
    "null": None,
    "no list": [],
    "list": [1, Decimal("1.1"), "a", None, True, False, [], {}, ["deep", [0]]],
    "no map": {},
    "map": {"a": {"b": {"c": None}}, "": 0, "with.dot": 1, "with space": [{"S": "x"}], "pk": {"N": "1"}},
    "set of text": {"a", "", "ä"},
    "set of numbers": {0, -1, Decimal("0.1"), 10**37},
    "set of bytes": {b"", b"\x00\xff"},
    "bytes": b"\x00\xff\x80",
    "no bytes": b"",
}

_KEYS: Final = [
    ("a", "b"),
    ("with#parts#", "2026-01-01T00:00:00.000+00:00"),
    ("漢字 \U0001f600", "é\u0301 \x00 ' \" \\"),
    ("p" * 2048, "s" * 1024),
    ("ä" * 1024, "\U0001f600" * 256),
]

_BAD_KEYS: Final = [
    ("", "b"),
    ("a", ""),
    ("p" * 2049, "b"),
    ("a", "s" * 1025),
    ("ä" * 1025, "b"),
    ("a", "漢" * 342),
]

_IN_ORDER: Final = [
    "!",
    "0",
    "1",
    "10",
    "2",
    "A",
    "Z",
    "a",
    "a@1",
    "aa",
    "z",
    "é",
    "漢",
    "\uffff",
    "\U0001f600",
]


class StoreContract:
    """Tests of a store: a subclass gives the fixture ``store``, and ``tables`` unless tables are made by use.

    Example:
        >>> class TestMemoryStore(StoreContract):
        ...     @pytest.fixture
        ...     def store(self):
        ...         return MemoryStore()

    Attributes:
        turns: How often each of the 16 threads that work at the same time does its work.
    """

    turns = 10

    @pytest.fixture
    def store(self) -> Store:
        """The store that is tested."""
        msg = "a subclass of StoreContract gives the fixture `store`"
        raise NotImplementedError(msg)

    @pytest.fixture
    def tables(self) -> TwoTables:
        """Two empty tables of the store."""
        return TwoTables("first", "second")

    @pytest.fixture
    def table(self, tables: TwoTables) -> str:
        """The first of the tables."""
        return tables.first

    # Conditions

    @pytest.mark.parametrize("name", _HOLDS)
    def test_a_condition_that_holds_lets_a_write_through(self, store: Store, table: str, name: str) -> None:
        place = _put(store, table, **_ROW)
        store.write(Set(place=place, columns={"done": True}, condition=_HOLDS[name]))
        assert store.get(place) == _row("A", **_ROW, done=True)

    @pytest.mark.parametrize("name", _DOES_NOT_HOLD)
    def test_a_condition_that_does_not_hold_writes_nothing(self, store: Store, table: str, name: str) -> None:
        place = _put(store, table, **_ROW)
        write = Set(place=place, columns={"done": True}, condition=_DOES_NOT_HOLD[name], label="mine")
        with pytest.raises(ConditionFailedError) as failed:
            store.write(write)
        assert failed.value.rows == {"mine": _row("A", **_ROW)}
        assert store.get(place) == _row("A", **_ROW)

    def test_a_condition_on_no_row_finds_no_column(self, store: Store, table: str) -> None:
        row = _row("A", n=1)
        with pytest.raises(ConditionFailedError) as failed:
            store.write(Put(table=table, row=row, condition=Attr("pk").exists(), label="mine"))
        assert failed.value.rows == {"mine": None}
        store.write(Put(table=table, row=row, condition=Attr("pk").not_exists() & Attr("n").ne(1)))
        assert store.get(Place(table, _PK, "A")) == row

    def test_put_set_and_delete_know_the_row_that_stands_there(self, store: Store, table: str) -> None:
        place = _put(store, table, n=1)
        never = Attr("n").eq(2)
        writes: list[Write] = [
            Put(table=table, row=_row("A", other="row"), condition=never, label="put"),
            Set(place=place, columns={"n": 3}, condition=never, label="set"),
            Delete(place=place, condition=never, label="delete"),
            Check(place=place, condition=never, label="check"),
        ]
        for write in writes:
            with pytest.raises(ConditionFailedError) as failed:
                store.write(write)
            assert failed.value.rows == {write.label: _row("A", n=1)}
        assert store.get(place) == _row("A", n=1)

    # One write

    def test_put_replaces_the_whole_row(self, store: Store, table: str) -> None:
        place = _put(store, table, old=1, both=1)
        store.write(Put(table=table, row=_row("A", both=2, new=2)))
        assert store.get(place) == _row("A", both=2, new=2)

    def test_set_changes_its_columns_and_no_other(self, store: Store, table: str) -> None:
        place = _put(store, table, kept="k", changed=1, gone=1, also_gone=1)
        store.write(
            Set(place=place, columns={"changed": 2, "new": None}, remove=["gone", "also_gone", "never_there"])
        )
        assert store.get(place) == _row("A", kept="k", changed=2, new=None)

    def test_set_may_only_remove(self, store: Store, table: str) -> None:
        place = _put(store, table, n=1, m=1)
        store.write(Set(place=place, remove=["n"], condition=Attr("n").eq(1)))
        assert store.get(place) == _row("A", m=1)

    def test_set_makes_the_row_where_there_is_none(self, store: Store, table: str) -> None:
        place = Place(table, _PK, "A")
        store.write(Set(place=place, columns={"n": 1}, remove=["m"], condition=Attr("n").not_exists()))
        assert store.get(place) == _row("A", n=1)

    @pytest.mark.parametrize(
        "name", ["status", "with.dot", "with space", "n0", "c0", "v0", "名", "a-b", "Size"]
    )
    def test_a_column_may_have_any_name(self, store: Store, table: str, name: str) -> None:
        place = _put(store, table, other=0, n1="x", c1="y")
        store.write(
            Set(
                place=place,
                columns={name: 1},
                remove=["n1", "c1"],
                condition=Attr("other").eq(0) & Attr("n1").eq("x"),
            )
        )
        store.write(Set(place=place, defaults={name: 5}))
        store.write(Set(place=place, add={name: Add(0)}))
        assert store.get(place) == _row("A", other=0) | {name: 1}
        assert store.query(table, Key("pk").eq(_PK), columns=[name, "sk"]).rows == [{"sk": "A", name: 1}]

    def test_update_returns_the_whole_row_after_it(self, store: Store, table: str) -> None:
        place = _put(store, table, kept="k", n=1, gone=1)
        after = store.update(Set(place=place, columns={"n": 2}, remove=["gone"], condition=Attr("n").eq(1)))
        assert after == _row("A", kept="k", n=2) == store.get(place)
        made = store.update(Set(place=Place(table, _PK, "B"), columns={"n": 1}))
        assert made == _row("B", n=1)

    def test_update_fails_as_write_does(self, store: Store, table: str) -> None:
        place = _put(store, table, n=1)
        with pytest.raises(ConditionFailedError) as failed:
            store.update(Set(place=place, columns={"n": 2}, condition=Attr("n").eq(5), label="mine"))
        assert failed.value.rows == {"mine": _row("A", n=1)}

    def test_a_default_is_for_a_row_without_the_column(self, store: Store, table: str) -> None:
        place = _put(store, table, there="t", null=None)
        defaults = {"there": "d", "null": "d", "missing": "d"}
        after = store.update(Set(place=place, columns={"n": 1}, defaults=defaults))
        assert after == _row("A", there="t", null=None, missing="d", n=1) == store.get(place)

    def test_add_counts_from_what_is_there_or_the_first(self, store: Store, table: str) -> None:
        place = Place(table, _PK, "A")
        count = Set(place=place, columns={"at": "now"}, defaults={"since": "then"}, add={"seq": Add(1, 41)})
        assert store.update(count) == _row("A", seq=42, at="now", since="then")
        assert store.update(count) == _row("A", seq=43, at="now", since="then") == store.get(place)
        assert store.update(Set(place=place, add={"seq": Add(-50), "m": Add(Decimal("0.5"))})) == _row(
            "A", seq=-7, m=Decimal("0.5"), at="now", since="then"
        )
        store.write(Set(place=place, add={"m": Add(Decimal("0.50"), 9)}))
        assert store.get(place) == _row("A", seq=-7, m=1, at="now", since="then")

    def test_add_fails_with_its_condition(self, store: Store, table: str) -> None:
        place = _put(store, table, n=3)
        with pytest.raises(ConditionFailedError) as failed:
            store.update(Set(place=place, add={"n": Add(1)}, condition=Attr("n").lt(3), label="mine"))
        assert failed.value.rows == {"mine": _row("A", n=3)}
        assert store.get(place) == _row("A", n=3)

    def test_delete_takes_the_row_away_and_minds_no_absence(self, store: Store, table: str) -> None:
        place = _put(store, table, n=1)
        store.write(Delete(place=place, condition=Attr("n").eq(1)))
        assert store.get(place) is None
        store.write(Delete(place=place))

    def test_no_write_is_no_error(self, store: Store, table: str) -> None:
        store.write()
        assert store.query(table, Key("pk").eq(_PK)).rows == []

    # Transactions

    def test_a_transaction_does_all_of_its_writes(self, store: Store, tables: TwoTables) -> None:
        checked = _put(store, tables.first, "A", n=1)
        changed = _put(store, tables.first, "B", n=1)
        deleted = _put(store, tables.second, "C", n=1)
        store.write(
            Check(place=checked, condition=Attr("n").eq(1)),
            Set(place=changed, columns={"n": 2}, condition=Attr("n").lt(2)),
            Delete(place=deleted, condition=Attr("n").exists()),
            Put(table=tables.second, row=_row("D"), condition=Attr("pk").not_exists()),
            Set(place=Place(tables.second, _PK, "E"), columns={"n": 1}),
        )
        assert _all(store, tables.first) == {"A": _row("A", n=1), "B": _row("B", n=2)}
        assert _all(store, tables.second) == {"D": _row("D"), "E": _row("E", n=1)}

    def test_a_transaction_adds_all_or_nothing(self, store: Store, tables: TwoTables) -> None:
        counter, other = Place(tables.first, _PK, "A"), Place(tables.second, _PK, "B")
        add = Set(place=counter, defaults={"since": "then"}, add={"n": Add(2, 1)})
        free = Attr("pk").not_exists()
        store.write(add, Put(table=tables.second, row=_row("B"), condition=free))
        with pytest.raises(ConditionFailedError):
            store.write(add, Put(table=tables.second, row=_row("B"), condition=free))
        assert store.get(counter) == _row("A", n=3, since="then")
        assert store.get(other) == _row("B")
        store.write(add, Delete(place=other))
        assert store.get(counter) == _row("A", n=5, since="then")

    @pytest.mark.parametrize("failing", ["check", "set", "delete", "put"])
    def test_a_transaction_does_nothing_when_one_condition_fails(
        self, store: Store, tables: TwoTables, failing: str
    ) -> None:
        for table in tables:
            for sk in "ABC":
                _put(store, table, sk, n=1)

        def condition(label: str) -> ConditionBase:
            return Attr("n").eq(2 if label == failing else 1)

        with pytest.raises(ConditionFailedError) as failed:
            store.write(
                Check(place=Place(tables.first, _PK, "A"), condition=condition("check"), label="check"),
                Set(
                    place=Place(tables.first, _PK, "B"),
                    columns={"n": 9},
                    condition=condition("set"),
                    label="set",
                ),
                Delete(place=Place(tables.second, _PK, "A"), condition=condition("delete"), label="delete"),
                Put(table=tables.second, row=_row("B", n=9), condition=condition("put"), label="put"),
                Put(table=tables.second, row=_row("new"), label="new"),
            )
        sk = "A" if failing in {"check", "delete"} else "B"
        assert failed.value.rows == {failing: _row(sk, n=1)}
        for table in tables:
            assert _all(store, table) == {sk: _row(sk, n=1) for sk in "ABC"}

    def test_every_failed_condition_is_told_by_its_label(self, store: Store, table: str) -> None:
        _put(store, table, "A", n=1)
        _put(store, table, "B", n=2)
        with pytest.raises(ConditionFailedError) as failed:
            store.write(
                Put(table=table, row=_row("A"), condition=Attr("pk").not_exists(), label="first"),
                Set(place=Place(table, _PK, "B"), columns={"n": 3}, condition=Attr("n").eq(2), label="fine"),
                Set(place=Place(table, _PK, "C"), columns={"n": 3}, condition=Attr("n").eq(2), label="gone"),
            )
        assert failed.value.rows == {"first": _row("A", n=1), "gone": None}

    def test_a_check_alone_writes_nothing(self, store: Store, table: str) -> None:
        place = Place(table, _PK, "A")
        store.write(Check(place=place, condition=Attr("pk").not_exists()))
        with pytest.raises(ConditionFailedError) as failed:
            store.write(Check(place=place, condition=Attr("pk").exists(), label="mine"))
        assert failed.value.rows == {"mine": None}
        assert store.get(place) is None

    def test_a_transaction_has_100_writes_at_most(self, store: Store, table: str) -> None:
        with pytest.raises(StoreRefusedError):
            store.write(*(Put(table=table, row=_row(f"{number:03}")) for number in range(101)))
        assert _all(store, table) == {}
        store.write(*(Put(table=table, row=_row(f"{number:03}")) for number in range(100)))
        assert len(_all(store, table)) == 100

    def test_a_transaction_writes_no_row_twice(self, store: Store, table: str) -> None:
        place = _put(store, table, n=1)
        with pytest.raises(StoreRefusedError):
            store.write(Check(place=place, condition=Attr("n").eq(1)), Set(place=place, columns={"n": 2}))
        assert store.get(place) == _row("A", n=1)

    # Rows

    @pytest.mark.parametrize("name", _VALUES)
    def test_a_value_comes_back_as_it_was(self, store: Store, table: str, name: str) -> None:
        value = sealed(_VALUES[name], path=name)
        place = _put(store, table, value=value)
        row = store.get(place)
        assert row is not None
        assert row["value"] == value
        assert opened(row["value"]) == _VALUES[name]
        assert isinstance(row["value"], bool) == isinstance(_VALUES[name], bool)  # True is not 1
        store.write(Set(place=place, columns={"value": 0, "copy": row["value"]}))
        again = store.get(place)
        assert again == _row("A", value=0, copy=value)

    def test_null_is_not_the_same_as_no_column(self, store: Store, table: str) -> None:
        row = store.get(_put(store, table, nothing=None))
        assert row == _row("A", nothing=None)

    @pytest.mark.parametrize("key", _KEYS, ids=lambda key: f"{len(key[0])}, {len(key[1])}")
    def test_a_key_may_be_long_and_of_any_text(self, store: Store, table: str, key: tuple[str, str]) -> None:
        row = {"pk": key[0], "sk": key[1], "n": 1}
        store.write(Put(table=table, row=row))
        place = Place(table, *key)
        assert store.get(place) == row
        assert store.update(Set(place=place, columns={"n": 2})) == row | {"n": 2}
        assert store.batch_get([place]) == {place: row | {"n": 2}}
        assert store.query(table, Key("pk").eq(key[0]) & Key("sk").eq(key[1])).rows == [row | {"n": 2}]
        store.write(Delete(place=place))

    @pytest.mark.parametrize("key", _BAD_KEYS, ids=lambda key: f"{len(key[0])}, {len(key[1])}")
    def test_a_key_that_is_empty_or_too_long_is_refused(
        self, store: Store, table: str, key: tuple[str, str]
    ) -> None:
        place = Place(table, *key)
        with pytest.raises(StoreRefusedError):
            store.write(Put(table=table, row={"pk": key[0], "sk": key[1]}))
        with pytest.raises(StoreRefusedError):
            store.write(Set(place=place, columns={"n": 1}))
        with pytest.raises(StoreRefusedError):
            store.write(Put(table=table, row=_row("A")), Put(table=table, row={"pk": key[0], "sk": key[1]}))
        with pytest.raises(StoreRefusedError):
            store.get(place)
        assert store.get(Place(table, _PK, "A")) is None

    def test_the_key_of_a_row_does_not_change(self, store: Store, table: str) -> None:
        place = _put(store, table)
        with pytest.raises(StoreRefusedError):
            store.write(Set(place=place, columns={"sk": "B"}))
        with pytest.raises(StoreRefusedError):
            store.write(Set(place=place, remove=["pk"]))

    def test_a_row_has_400_kb_at_most(self, store: Store, table: str) -> None:
        row = _row("A", text="")
        row["text"] = "x" * (400 * 1024 - sum(len(name) + len(value) for name, value in row.items()))
        store.write(Put(table=table, row=row))
        place = Place(table, _PK, "A")
        assert store.get(place) == row
        with pytest.raises(StoreRefusedError):
            store.write(Set(place=place, columns={"more": 1}))
        with pytest.raises(StoreRefusedError):
            store.write(Put(table=table, row=_row("B")), Set(place=place, columns={"more": 1}))
        with pytest.raises(StoreRefusedError):
            store.write(Put(table=table, row=row | {"text": row["text"] + "x"}))
        assert _all(store, table) == {"A": row}

    def test_rows_are_the_callers_to_change(self, store: Store, table: str) -> None:
        written = _row("A", n=1)
        store.write(Put(table=table, row=written))
        written["n"] = 2
        place = Place(table, _PK, "A")
        for row in (store.get(place), store.query(table, Key("pk").eq(_PK)).rows[0]):
            assert row == _row("A", n=1)
            row["n"] = 3
        assert store.get(place) == _row("A", n=1)

    # Reading

    def test_get_finds_no_row_where_there_is_none(self, store: Store, table: str) -> None:
        assert store.get(Place(table, _PK, "A")) is None
        assert store.get(Place(table, _PK, "A"), consistent=False) is None

    def test_batch_get_reads_any_number_of_places(self, store: Store, tables: TwoTables) -> None:
        there = [Place(table, _PK, f"{number:03}") for table in tables for number in range(100)]
        for first in range(0, len(there), 100):
            store.write(*(Put(table=p.table, row=_row(p.sk, at=p.table)) for p in there[first : first + 100]))
        absent = [Place(tables.first, _PK, f"absent {number}") for number in range(50)]
        places = there + absent + there[:10]
        expected = {place: _row(place.sk, at=place.table) for place in there}
        assert store.batch_get(places) == expected
        assert store.batch_get(iter(places), eventually_consistent=frozenset({tables.second})) == expected
        assert store.batch_get([]) == {}

    def test_a_query_is_in_the_order_of_the_bytes_of_the_sort_key(self, store: Store, table: str) -> None:
        _put_all(store, table, reversed(_IN_ORDER))
        assert [row["sk"] for row in store.query(table, Key("pk").eq(_PK)).rows] == _IN_ORDER
        backwards = store.query(table, Key("pk").eq(_PK), descending=True, consistent=False)
        assert [row["sk"] for row in backwards.rows] == _IN_ORDER[::-1]

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("size", [1, 2, 7, 15, 100])
    def test_pages_are_complete_and_in_order(
        self, store: Store, table: str, size: int, *, descending: bool
    ) -> None:
        _put_all(store, table, _IN_ORDER)
        _put(store, table, "A", pk="ORDER#other")
        pages = _pages(store, table, Key("pk").eq(_PK), limit=size, descending=descending)
        expected = _IN_ORDER[::-1] if descending else _IN_ORDER
        assert [row["sk"] for page in pages for row in page.rows] == expected
        assert all(len(page.rows) == size for page in pages[: len(expected) // size])

    def test_a_page_goes_on_after_a_row_that_is_gone(self, store: Store, table: str) -> None:
        _put_all(store, table, "ABCD")
        page = store.query(table, Key("pk").eq(_PK), limit=2)
        store.write(Delete(place=Place(table, _PK, "B")))
        store.write(Delete(place=Place(table, _PK, "C")))
        _put_all(store, table, ["A2", "B2"])
        rest = store.query(table, Key("pk").eq(_PK), start=page.next)
        assert [row["sk"] for row in rest.rows] == ["B2", "D"]

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (Key("sk").eq("a"), ["a"]),
            (Key("sk").begins_with("a"), ["a", "a@1", "aa"]),
            (Key("sk").between("2", "Z"), ["2", "A", "Z"]),
            (Key("sk").lt("1"), ["!", "0"]),
            (Key("sk").lte("1"), ["!", "0", "1"]),
            (Key("sk").gt("漢"), ["\uffff", "\U0001f600"]),
            (Key("sk").gte("漢"), ["漢", "\uffff", "\U0001f600"]),
        ],
        ids=["eq", "begins_with", "between", "lt", "lte", "gt", "gte"],
    )
    def test_a_query_may_ask_for_some_sort_keys(
        self, store: Store, table: str, condition: ConditionBase, expected: list[str]
    ) -> None:
        _put_all(store, table, _IN_ORDER)
        key = Key("pk").eq(_PK) & condition
        assert [row["sk"] for row in store.query(table, key).rows] == expected
        pages = _pages(store, table, key, limit=1, descending=True)
        assert [row["sk"] for page in pages for row in page.rows] == expected[::-1]

    def test_a_query_returns_the_columns_that_are_named(self, store: Store, table: str) -> None:
        _put(store, table, "A", status="s", size=1)
        _put(store, table, "B", name="n")
        found = store.query(table, Key("pk").eq(_PK), columns=["sk", "status", "name"]).rows
        assert found == [{"sk": "A", "status": "s"}, {"sk": "B", "name": "n"}]

    def test_a_filter_takes_rows_out_of_a_page_that_was_cut_before(self, store: Store, table: str) -> None:
        for number in range(6):
            _put(store, table, str(number), n=number % 2)
        pages = _pages(store, table, Key("pk").eq(_PK), limit=3, only=Attr("n").eq(1), columns=["sk"])
        assert [[row["sk"] for row in page.rows] for page in pages[:2]] == [["1"], ["3", "5"]]
        assert [row for page in pages[2:] for row in page.rows] == []

    def test_a_filter_may_be_on_a_column_that_is_not_returned(self, store: Store, table: str) -> None:
        _put(store, table, "A", n=1)
        _put(store, table, "B", n=2)
        page = store.query(table, Key("pk").eq(_PK), only=Attr("n").gt(1), columns=["sk"])
        assert page.rows == [{"sk": "B"}]
        assert page.next is None

    def test_a_page_has_1_mb_at_most(self, store: Store, table: str) -> None:
        for sk in "ABCD":
            _put(store, table, sk, text="x" * 300_000)
        pages = _pages(store, table, Key("pk").eq(_PK), columns=["sk"])
        assert [len(page.rows) for page in pages] == [3, 1]

    # Indexes

    def test_an_index_holds_the_rows_with_its_columns_and_their_keys(self, store: Store, table: str) -> None:
        for number in (3, 1, 2):
            _put(store, table, f"{number}", open="o", createdAt=f"t{number}", text="s")
        _put(store, table, "4", open="other", createdAt="t0")
        _put(store, table, "5", open="o")
        _put(store, table, "6", createdAt="t0")
        rows = store.query(table, Key("open").eq("o"), index="open").rows
        assert rows == [_row(f"{n}", open="o", createdAt=f"t{n}") for n in (1, 2, 3)]
        before = store.query(table, Key("open").eq("o") & Key("createdAt").lt("t3"), index="open")
        assert [row["sk"] for row in before.rows] == ["1", "2"]
        named = store.query(table, Key("open").eq("o"), index="open", columns=["sk"], descending=True)
        assert named.rows == [{"sk": "3"}, {"sk": "2"}, {"sk": "1"}]

    def test_an_index_may_hold_further_columns(self, store: Store, table: str) -> None:
        held: Row = {"feed": "7", "feedAt": "t1", "last": 3, "types": _sealed({"a", "b"})}
        _put(store, table, "1", **held, text="s")
        _put(store, table, "2", feed="7", feedAt="t2")
        _put(store, table, "3", feed="8", feedAt="t1")
        condition = Key("feed").eq("7") & Key("feedAt").gte("t1")
        found = store.query(table, condition, index="feed", consistent=False)
        assert found.rows == [_row("1", **held), _row("2", feed="7", feedAt="t2")]
        columns = ["sk", "last", "types"]
        named = store.query(table, Key("feed").eq("7"), index="feed", columns=columns, descending=True)
        assert named.rows == [{"sk": "2"}, {"sk": "1", "last": 3, "types": held["types"]}]

    def test_a_row_leaves_the_index_with_its_column(self, store: Store, table: str) -> None:
        place = _put(store, table, open="o", createdAt="t")
        store.write(Set(place=place, remove=["open"]))
        assert store.query(table, Key("open").eq("o"), index="open").rows == []

    @pytest.mark.parametrize("descending", [False, True])
    def test_an_index_has_pages_even_of_equal_sort_keys(
        self, store: Store, table: str, *, descending: bool
    ) -> None:
        for number in range(7):
            _put(store, table, f"{number}", pk=f"ORDER#{number % 2}", open="o", createdAt=f"t{number // 3}")
        pages = _pages(
            store, table, Key("open").eq("o"), index="open", limit=1, descending=descending, columns=None
        )
        rows = [row for page in pages for row in page.rows]
        assert sorted(row["sk"] for row in rows) == [f"{number}" for number in range(7)]
        times = [row["createdAt"] for row in rows]
        assert times == sorted(times, reverse=descending)

    # Scans

    @pytest.mark.parametrize("segments", [1, 2, 5])
    def test_segments_share_a_table_out(self, store: Store, table: str, segments: int) -> None:
        keys = {(f"ORDER#{tenant}", f"{number}") for tenant in range(20) for number in range(3)}
        for pk, sk in keys:
            _put(store, table, sk, pk=pk)
        seen = [
            (row["pk"], row["sk"], segment)
            for segment in range(segments)
            for row in _scanned(store, table, segment=segment, total_segments=segments, limit=7)
        ]
        assert sorted((pk, sk) for pk, sk, _ in seen) == sorted(keys)
        assert len({(pk, segment) for pk, _, segment in seen}) == 20  # no partition is in two segments

    def test_a_scan_has_pages_of_one_row(self, store: Store, table: str) -> None:
        for number in range(5):
            _put(store, table, "A", pk=f"ORDER#{number}")
            _put(store, table, "B", pk=f"ORDER#{number}")
        rows = _scanned(store, table, limit=1)
        assert len({(row["pk"], row["sk"]) for row in rows}) == len(rows) == 10

    def test_a_scan_tells_how_many_rows_it_looked_at(self, store: Store, table: str) -> None:
        for number in range(6):
            _put(store, table, f"{number}", n=number, other="x")
        page = store.scan(table, limit=100, only=Attr("n").gte(4) & Attr("sk").gt("0"), columns=["n"])
        assert page.scanned == 6
        assert sorted(page.rows, key=lambda row: int(row["n"])) == [{"n": 4}, {"n": 5}]
        assert page.next is None

    # Threads

    def test_16_threads_that_count_lose_nothing(self, store: Store, table: str) -> None:
        place = _put(store, table, n=0)

        def count(_: int) -> None:
            for _turn in range(self.turns):
                while True:
                    n = (store.get(place) or {})["n"]
                    try:
                        store.write(Set(place=place, columns={"n": n + 1}, condition=Attr("n").eq(n)))
                    except ConditionFailedError:
                        continue
                    break

        _at_once(count)
        assert store.get(place) == _row("A", n=_THREADS * self.turns)

    def test_16_threads_that_add_get_each_number_once(self, store: Store, table: str) -> None:
        place = Place(table, _PK, "A")
        seen: list[int] = []

        def count(_: int) -> None:
            seen.extend(store.update(Set(place=place, add={"n": Add(1)}))["n"] for _turn in range(self.turns))

        _at_once(count)
        assert sorted(seen) == list(range(1, _THREADS * self.turns + 1))

    def test_16_threads_of_transactions_keep_two_rows_in_step(self, store: Store, tables: TwoTables) -> None:
        places = [_put(store, table, n=0) for table in tables]

        def count(_: int) -> None:
            for _turn in range(self.turns):
                while True:
                    n = (store.get(places[0]) or {})["n"]
                    step = [
                        Set(place=place, columns={"n": n + 1}, condition=Attr("n").eq(n)) for place in places
                    ]
                    try:
                        store.write(*step)
                    except (ConditionFailedError, ContentionError):
                        continue
                    break

        _at_once(count)
        rows = [store.get(place) for place in places]
        assert rows == [_row("A", n=_THREADS * self.turns)] * 2

    def test_of_16_threads_one_makes_the_row(self, store: Store, table: str) -> None:
        won: list[int] = []
        lost: list[Row | None] = []

        def make(number: int) -> None:
            row = _row("A", n=number)
            try:
                store.write(Put(table=table, row=row, condition=Attr("pk").not_exists(), label="mine"))
            except ConditionFailedError as failed:
                lost.append(failed.rows["mine"])
            else:
                won.append(number)

        _at_once(make)
        assert lost == [_row("A", n=won[0])] * (_THREADS - 1)
        assert store.get(Place(table, _PK, "A")) == _row("A", n=won[0])
        assert len(won) == 1


def _row(sk: str, *, pk: str = _PK, **columns: Any) -> Row:  # noqa: ANN401 - any columns
    return {"pk": pk, "sk": sk, **columns}


def _put(store: Store, table: str, sk: str = "A", *, pk: str = _PK, **columns: Any) -> Place:  # noqa: ANN401
    store.write(Put(table=table, row=_row(sk, pk=pk, **columns)))
    return Place(table, pk, sk)


def _put_all(store: Store, table: str, sort_keys: Any) -> None:  # noqa: ANN401 - any iterable of text
    store.write(*(Put(table=table, row=_row(sk)) for sk in sort_keys))


def _all(store: Store, table: str) -> dict[str, Row]:
    return {row["sk"]: row for row in _scanned(store, table, limit=1000)}


def _pages(store: Store, table: str, key: ConditionBase, **options: Any) -> list[Page]:  # noqa: ANN401
    pages = [store.query(table, key, **options)]
    while pages[-1].next is not None:
        assert len(pages) < _TOO_LONG, "the pages do not end"
        pages.append(store.query(table, key, start=pages[-1].next, **options))
    return pages


def _scanned(store: Store, table: str, *, limit: int, **options: Any) -> list[Row]:  # noqa: ANN401
    page = store.scan(table, limit=limit, **options)
    rows = page.rows
    while page.next is not None:
        assert page.scanned <= limit
        page = store.scan(table, limit=limit, start=page.next, **options)
        rows += page.rows
    return rows


def _at_once(work: Any) -> None:  # noqa: ANN401 - takes the thread's number
    barrier = threading.Barrier(_THREADS)

    def run(number: int) -> None:
        barrier.wait()
        work(number)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # in seconds: threads interrupt each other within a write, not after it
    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(run, range(_THREADS)):
                pass
    finally:
        sys.setswitchinterval(interval)
