"""Attributes as the content of an S3 object."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.store.attribute_json import JSON_TYPE, WIRE_TYPE, dump, load
from runtime.store.codec import opened, sealed
from runtime.store.values import Sealed, Value
from tests.support.values import attributes, json_attributes


def column(written: Any) -> Value:
    return sealed(written, path="attributes")


@given(attributes)
def test_what_is_written_is_read_back(written: dict[str, Any]) -> None:
    assert opened(load(*dump(column(written)))) == written


@given(json_attributes)
def test_what_json_can_say_is_plain_json(written: dict[str, Any]) -> None:
    content, content_type = dump(column(written))
    assert content_type == JSON_TYPE
    assert json.loads(content, parse_float=Decimal) == written
    assert load(content, content_type) == column(written)


@given(st.permutations([("a", 1), ("b", {"x": 1, "y": 2}), ("c", [1, "x"]), ("ä", None)]))
def test_fields_in_another_order_are_the_same_content(fields: list[tuple[str, Any]]) -> None:
    ordered = dump(column(dict(sorted(fields))))
    assert dump(column(dict(fields))) == ordered


@pytest.mark.parametrize(
    ("kind", "members"), [("SS", ["b", "a", "c"]), ("NS", ["10", "9", "-1"]), ("BS", [b"b", b"a", b"\x00"])]
)
def test_a_set_in_another_order_is_the_same_content(kind: str, members: list[Any]) -> None:
    one, other = (
        Sealed({"M": {"s": {"L": [{kind: order}]}}}) for order in (members, list(reversed(members)))
    )
    assert dump(one) == dump(other)
    assert dump(one)[1] == WIRE_TYPE


def test_every_digit_survives() -> None:
    digits = "0.12345678901234567890123456789012345678"
    attributes = Sealed({"M": {"n": {"N": digits}}})
    assert load(*dump(attributes)) == attributes


def test_an_object_of_javascript_is_read_whatever_is_in_it() -> None:
    """It never went through DynamoDB, so DynamoDB's limits did not hold it back."""
    deep: Any = "leaf"
    for _ in range(40):
        deep = [deep]
    content = json.dumps({"n": 1e300, "i": 10**60, "t": "half \ud83d", "deep": deep, "none": None}).encode()
    read = opened(load(content, "binary/octet-stream"))
    assert read == {"n": int(Decimal("1e300")), "i": 10**60, "t": "half \ud83d", "deep": deep, "none": None}
