"""Whatever is asked, the store in memory answers as DynamoDB does."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.conditions import Attr, Key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.errors import StoreRefusedError
from runtime.store.codec import sealed
from runtime.store.dynamodb import DynamoDbStore
from runtime.store.memory import MemoryStore
from runtime.store.port import ConditionFailedError, Delete, Put, Set
from runtime.store.values import Place

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

    from runtime.store.port import Page, Store
    from runtime.testing import TwoTables

same = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

COLUMNS = ["a", "b", "c", "a.x", "a[0]"]
SCALARS = st.sampled_from(["", "x", "xy", "1", 0, 1, 2, True, False, None])
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=2),
    st.dictionaries(st.sampled_from("xy"), SCALARS, max_size=2),
    st.sets(st.sampled_from(["x", "y"]), min_size=1),
    st.sets(st.sampled_from([1, 2]), min_size=1),
    st.sampled_from([b"", b"x", b"\xff"]),
).map(lambda value: sealed(value, path="value"))
ROWS = st.dictionaries(st.sampled_from("abc"), VALUES)
ORDERED = st.sampled_from(["", "x", "xy", "1", 0, 1, 2]) | st.sampled_from([b"", b"x"]).map(
    lambda value: sealed(value, path="value")
)


@st.composite
def comparisons(draw: st.DrawFn) -> ConditionBase:  # noqa: PLR0911 - one return an operator
    column: Any = Attr(draw(st.sampled_from(COLUMNS)))
    match draw(st.integers(0, 9)):
        case 0:
            return column.eq(draw(VALUES))
        case 1:
            return column.ne(draw(VALUES))
        case 2:
            name = draw(st.sampled_from(["lt", "lte", "gt", "gte"]))
            return getattr(column, name)(draw(ORDERED))
        case 3:
            # The emulator takes bounds of two types; DynamoDB refuses them, as the store in memory does.
            low, high = draw(st.sampled_from([(0, 1), (1, 2), ("", "x"), ("x", "xy"), ("x", ""), (2, 1)]))
            return column.between(low, high)
        case 4:
            return column.is_in(draw(st.lists(VALUES, min_size=1, max_size=3)))
        case 5:
            return column.exists()
        case 6:
            return column.not_exists()
        case 7:
            return column.contains(draw(SCALARS))
        case 8:
            return column.attribute_type(
                draw(st.sampled_from(["S", "N", "BOOL", "NULL", "M", "L", "SS", "B"]))
            )
        case _:
            return column.size().gt(draw(st.integers(0, 2)))


CONDITIONS = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
        inner.map(lambda condition: ~condition),
    ),
    max_leaves=4,
)


def outcome(store: Store, table: str, row: dict[str, Any] | None, condition: ConditionBase) -> str:
    """Whether a condition holds of a row, or is refused."""
    place = Place(table, "p", "s")
    store.write(
        Put(table=table, row={"pk": "p", "sk": "s", **row}) if row is not None else Delete(place=place)
    )
    try:
        store.write(Set(place=place, columns={"done": 1}, condition=condition))
    except ConditionFailedError:
        return "fails"
    except StoreRefusedError:
        return "refused"
    return "holds"


def test_a_condition_holds_in_both_or_in_neither(tables: TwoTables, shared_client: Any) -> None:
    dynamodb, memory = DynamoDbStore(shared_client), MemoryStore()
    seen: Counter[str] = Counter()

    @same
    @given(row=ROWS | st.none(), condition=CONDITIONS)
    def check(row: dict[str, Any] | None, condition: ConditionBase) -> None:
        expected = outcome(dynamodb, tables.first, row, condition)
        seen[expected] += 1
        assert outcome(memory, tables.first, row, condition) == expected

    check()
    assert min(seen["holds"], seen["fails"]) > 5


SORT_KEYS = ["a", "a#1", "a#2", "ab", "b", "é", "\U0001f600"]
ON_SORT_KEYS = st.one_of(
    st.none(),
    st.tuples(
        st.sampled_from(["eq", "lt", "lte", "gt", "gte", "begins_with"]), st.sampled_from([*SORT_KEYS, "a#"])
    ),
    st.tuples(st.just("between"), st.sampled_from(SORT_KEYS), st.sampled_from(SORT_KEYS)),
)


def pages(store: Store, table: str, key: ConditionBase, **options: Any) -> list[Any] | str:
    """The rows and the key to go on after, of each page."""
    found: list[Page] = []
    try:
        while not found or found[-1].next is not None:
            found.append(store.query(table, key, start=found[-1].next if found else None, **options))
    except StoreRefusedError:
        return "refused"
    return [(page.rows, page.next) for page in found]


def test_a_query_has_the_same_pages_in_both(tables: TwoTables, shared_client: Any) -> None:
    dynamodb, memory = DynamoDbStore(shared_client), MemoryStore()
    for store in (dynamodb, memory):
        for number, sk in enumerate(SORT_KEYS):
            row = {"pk": "p", "sk": sk, "n": number, "open": "o", "createdAt": f"t{number}"}
            store.write(Put(table=tables.first, row=row))

    @same
    @given(
        on_sort_key=ON_SORT_KEYS,
        limit=st.none() | st.integers(1, 8),
        descending=st.booleans(),
        columns=st.none() | st.lists(st.sampled_from(["sk", "n", "missing"]), min_size=1, unique=True),
        only=st.none() | st.integers(0, 6).map(lambda number: Attr("n").gte(number)),
        index=st.booleans(),
    )
    def check(*, on_sort_key: Any, index: bool, **options: Any) -> None:
        key: Any = Key("open").eq("o") if index else Key("pk").eq("p")
        if on_sort_key:
            name, *values = on_sort_key
            key &= getattr(Key("createdAt" if index else "sk"), name)(*values)
        if index:
            options |= {"index": "open", "columns": ["sk"], "only": None}
        expected = pages(dynamodb, tables.first, key, **options)
        assert pages(memory, tables.first, key, **options) == expected

    check()


@pytest.mark.parametrize("value", ["1.50", "100", "1E+2", "-0", "0.001", "1E-7"])
def test_a_number_is_the_same_in_both(tables: TwoTables, shared_client: Any, value: str) -> None:
    rows = []
    for store in (DynamoDbStore(shared_client), MemoryStore()):
        row = {"pk": "p", "sk": "s", "n": sealed({"x": 1}, path="n"), "d": Decimal(value)}
        store.write(Put(table=tables.first, row=row))
        rows.append(store.get(Place(tables.first, "p", "s")))
    assert rows[0] == rows[1]
