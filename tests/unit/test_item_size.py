"""How much of DynamoDB's 400 KB a row takes."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.store.codec import decoded
from runtime.store.item_size import item_size


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "äé😀"}, 8),
        ({"B": b"\x00\xff"}, 2),
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
    assert item_size(decoded({"näme": value})) == 5 + size


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "9" * 38, "-0." + "9" * 38, "1" + "0" * 125, "1E-130"])
def test_a_number_counts_no_less_than_dynamodb_counts(number: str) -> None:
    significant = len(number.partition("E")[0].strip("-0.").replace(".", ""))
    size = item_size(decoded({"": {"N": number}}))
    assert size >= (significant + 1) // 2 + 1
    assert item_size(decoded({"": {"NS": [number, number]}})) == 2 * size
