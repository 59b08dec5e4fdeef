from __future__ import annotations

from typing import Any

import pytest

from runtime import InvalidInputError
from runtime.store.codec import row_of


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value}
    return value


def test_what_dynamodb_stores_is_stored() -> None:
    assert row_of({"attributes": nested(31)})


@pytest.mark.parametrize("levels", [32, 200, 5000])
def test_what_is_too_deep_is_refused_by_name(levels: int) -> None:
    with pytest.raises(InvalidInputError, match=r"attributes.*more than 32 levels"):
        row_of({"attributes": nested(levels)})
