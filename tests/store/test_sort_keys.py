"""What a query in memory finds by where sort keys stand is what the condition says of each."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from boto3.dynamodb.conditions import Attr, Key

from runtime.store.conditions import InvalidConditionError, predicate
from runtime.store.sort_keys import partition_in

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

KEYS = ["1", "10", "2", "a", "a#", "a#1", "ab", "b", "é", "\U0001f600"]
NAMES = ("pk", "sk")
SK = Key("sk")
CONDITIONS = [
    *(make(text) for text in ["0", "1", "a", "a#", "aa", "é", "\uffff"] for make in (SK.eq, SK.lt, SK.lte)),
    *(make(text) for text in ["0", "1", "a", "a#", "aa", "é", "\uffff"] for make in (SK.gt, SK.gte)),
    *(SK.begins_with(text) for text in ["1", "a", "a#", "c", "\U0001f600"]),
    *(SK.between(*bounds) for bounds in [("1", "a"), ("a", "a"), ("aa", "aaa"), ("0", "\U0001f601")]),
    SK.eq(1),
    SK.between(1, 2),
]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_window_has_what_the_condition_says(condition: ConditionBase) -> None:
    pk, wanted = partition_in(Key("pk").eq("p") & condition, NAMES)
    assert pk == "p"
    holds = predicate(condition)
    for start, limit, descending in product([None, "1", "a", "b", "z"], [None, 1, 2, 100], [False, True]):
        found = [KEYS[n] for n in wanted.window(KEYS, KEYS, start, limit, descending=descending)]
        expected = [sk for sk in KEYS if holds({"sk": sk})]
        if descending:
            expected = [sk for sk in reversed(expected) if start is None or sk < start]
        elif start is not None:
            expected = [sk for sk in expected if sk > start]
        assert found == expected[:limit]


def test_rows_that_share_a_sort_key_are_told_apart_by_their_places() -> None:
    _, wanted = partition_in(Key("pk").eq("p") & SK.lte("b"), NAMES)
    keys = ["a", "a", "b", "c"]
    places = [("a", "1"), ("a", "2"), ("b", "1"), ("c", "1")]
    assert [*wanted.window(keys, places, ("a", "1"), None, descending=False)] == [1, 2]
    assert [*wanted.window(keys, places, ("b", "1"), None, descending=True)] == [1, 0]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (SK.eq(""), "sk is never empty"),
        (SK.eq(Attr("other")), "with no other column"),
        (SK.between("b", "a"), "the lower bound of BETWEEN is above the upper one"),
        (SK.between("a", 1), "must be of one type"),
        (SK.begins_with(1), "does not take a value of the type N"),
        (Attr("sk").eq("a"), r"is on Key\(...\)"),
        (Key("other").eq("a"), "a query cannot ask for other ="),
    ],
)
def test_a_condition_without_sense_is_refused(condition: ConditionBase, message: str) -> None:
    with pytest.raises(InvalidConditionError, match=message):
        partition_in(Key("pk").eq("p") & condition, NAMES)
