"""How much of DynamoDB's 400 KB a row takes."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given

from runtime.store.codec import to_wire
from runtime.store.item_size import item_size
from tests.support.values import attributes, event_image


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "äé😀"}, 8),
        ({"B": b"\x00\xff"}, 2),
        ({"B": base64.b64encode(b"\x00\xff").decode()}, 2),
        ({"BOOL": False}, 1),
        ({"NULL": True}, 1),
        ({"M": {}}, 3),
        ({"L": []}, 3),
        ({"M": {"ab": {"S": "c"}}}, 3 + 1 + 2 + 1),
        ({"L": [{"S": "c"}, {"M": {}}]}, 3 + 1 + 1 + 1 + 3),
        ({"SS": ["ab", "c"]}, 3),
        ({"BS": [b"ab", b"c"]}, 3),
    ],
)
def test_each_type_counts_as_the_developer_guide_says(value: dict[str, Any], size: int) -> None:
    assert item_size({"näme": value}) == 5 + size


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "9" * 38, "-0." + "9" * 38, "1" + "0" * 125, "1E-130"])
def test_a_number_counts_no_less_than_dynamodb_counts(number: str) -> None:
    significant = len(number.partition("E")[0].strip("-0.").replace(".", ""))
    size = item_size({"": {"N": number}})
    assert size >= (significant + 1) // 2 + 1
    assert item_size({"": {"NS": [number, number]}}) == 2 * size


@given(attributes)
def test_a_row_of_a_stream_is_as_large_as_the_row(written: dict[str, Any]) -> None:
    row = to_wire({"attributes": written})
    assert item_size(event_image(row)) == item_size(row)
