"""Attributes as the content of an S3 object."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.store.attribute_json import JSON_TYPE, WIRE_TYPE, dump, load
from runtime.store.codec import from_wire, to_wire_value
from tests.support.values import attributes, json_attributes


def wire(written: Any) -> dict[str, Any]:
    return to_wire_value(written, path="attributes")


@given(attributes)
def test_what_is_written_is_read_back(written: dict[str, Any]) -> None:
    read = load(*dump(wire(written)))
    assert from_wire({"attributes": read})["attributes"] == written


@given(json_attributes)
def test_what_json_can_say_is_plain_json(written: dict[str, Any]) -> None:
    content, content_type = dump(wire(written))
    assert content_type == JSON_TYPE
    assert json.loads(content, parse_float=Decimal) == written
    assert load(content, content_type) == wire(written)


@given(st.permutations([("a", 1), ("b", {"x": 1, "y": 2}), ("c", [1, "x"]), ("ä", None)]))
def test_fields_in_another_order_are_the_same_content(fields: list[tuple[str, Any]]) -> None:
    ordered = dump(wire(dict(sorted(fields))))
    assert dump(wire(dict(fields))) == ordered


@pytest.mark.parametrize(
    ("kind", "members"), [("SS", ["b", "a", "c"]), ("NS", ["10", "9", "-1"]), ("BS", [b"b", b"a", b"\x00"])]
)
def test_a_set_in_another_order_is_the_same_content(kind: str, members: list[Any]) -> None:
    one, other = {"M": {"s": {"L": [{kind: members}]}}}, {"M": {"s": {"L": [{kind: members[::-1]}]}}}
    assert dump(one) == dump(other)
    assert dump(one)[1] == WIRE_TYPE


def test_every_digit_survives() -> None:
    digits = "0.12345678901234567890123456789012345678"
    assert load(*dump({"M": {"n": {"N": digits}}})) == {"M": {"n": {"N": digits}}}


def test_an_object_of_javascript_is_read_whatever_is_in_it() -> None:
    """It never went through DynamoDB, so DynamoDB's limits did not hold it back."""
    deep: Any = "leaf"
    for _ in range(40):
        deep = [deep]
    content = json.dumps({"n": 1e300, "i": 10**60, "t": "half \ud83d", "deep": deep, "none": None}).encode()
    read = from_wire({"attributes": load(content, "binary/octet-stream")})["attributes"]
    assert read == {"n": int(Decimal("1e300")), "i": 10**60, "t": "half \ud83d", "deep": deep, "none": None}
