from __future__ import annotations

import json
from collections import ChainMap
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.entry.http.json_format import dumps, loads


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int


@dataclass(frozen=True)
class Fixed:
    x: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (Decimal("1.10"), "1.10"),
        (Decimal("1E+3"), "1E+3"),
        (datetime(2026, 1, 2, 3, 4, 5, 6000, UTC), '"2026-01-02T03:04:05.006+00:00"'),
        (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), '"2026-01-02T03:04:05.000006+00:00"'),
        (date(2026, 1, 2), '"2026-01-02"'),
        (b"\x00\xff", '"AP8="'),
        ({"b", "a"}, '["a","b"]'),
        ({Decimal(2), Decimal("1.5")}, "[1.5,2]"),
        ({10, 9}, "[9,10]"),
        ({(None, "b"), (1, "a"), ("1", "c")}, '[["1","c"],[1,"a"],[null,"b"]]'),
        ({frozenset({2, 3}), frozenset({1})}, "[[1],[2,3]]"),
        (Colour.RED, '"red"'),
        ({Colour.RED: 1}, '{"red":1}'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        ((1, "é"), '[1,"é"]'),
        (Point(1), '{"x":1}'),
        ({Fixed(2), Fixed(1)}, '[{"x":1},{"x":2}]'),
        ({(1, "a"), (1, None)}, '[[1,"a"],[1,null]]'),
        ({1, "a", None, Decimal("1.5")}, '[null,1.5,1,"a"]'),
        (MappingProxyType({"a": MappingProxyType({1: Decimal("0.10")})}), '{"a":{"1":0.10}}'),
        (ChainMap({"a": 1}, {"a": 2}), '{"a":1}'),
        (memoryview(b"\x00\xff"), '"AP8="'),
    ],
)
def test_every_value_that_a_row_can_hold_has_a_form(value: Any, text: str) -> None:
    assert dumps(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("Infinity"), Decimal("NaN")])
def test_a_number_that_is_not_finite_has_none(value: Any) -> None:
    with pytest.raises(ValueError, match=r"not finite|not JSON compliant"):
        dumps(value)


@pytest.mark.parametrize("value", [{1: "a", "1": "b"}, {"x": [{True: 1, "true": 2}]}])
def test_a_key_that_would_be_there_twice_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="has two keys that are the same in JSON"):
        dumps(value)


def test_what_has_no_form_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match="type object has no JSON form"):
        dumps([object()])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert loads(dumps(value)) == value


@given(JSON)
def test_what_is_written_is_json(value: Any) -> None:
    json.loads(dumps(value))
