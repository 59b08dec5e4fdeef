"""Strategies for whatever attributes may hold."""

from __future__ import annotations

import base64
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

__all__ = ["attributes", "event_image", "json_attributes", "moments", "numbers", "texts", "values"]

texts = st.text(max_size=8)
"""Any characters that UTF-8 has; control characters and astral planes among them."""


def _number(digits: int, adjusted: int, sign: int) -> int | Decimal:
    """A number of DynamoDB's range, in the type that it is read back in."""
    text = str(digits)
    value = Decimal((sign, tuple(int(digit) for digit in text), adjusted - len(text) + 1))
    return int(value) if value == value.to_integral_value() else value


numbers = st.builds(
    _number,
    digits=st.integers(0, 10**38 - 1),
    adjusted=st.integers(-3, 40) | st.integers(-130, 125),
    sign=st.integers(0, 1),
).filter(lambda number: number == 0 or Decimal("1E-130") <= abs(number))
"""Up to 38 digits, from 1E-130 to 9.9E+125: int where whole, else Decimal."""

# Fixed offsets: in others there are times that never were.
_zones = [UTC, timezone(timedelta(hours=9)), timezone(-timedelta(hours=3, minutes=30))]
moments = st.datetimes(timezones=st.sampled_from(_zones)).filter(lambda moment: 1 < moment.year < 9999)

_sets = (
    st.sets(texts, min_size=1, max_size=4)
    | st.sets(numbers, min_size=1, max_size=4)
    | st.sets(st.binary(max_size=4), min_size=1, max_size=3)
)
_json_scalars = st.none() | st.booleans() | numbers | texts


def _nested(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    )


values = _nested(_json_scalars | st.binary(max_size=8) | _sets)
"""Any value that can be stored, as it is read back."""

attributes = st.dictionaries(texts, values, max_size=5)
json_attributes = st.dictionaries(texts, _nested(_json_scalars), max_size=5)
"""Attributes that JSON can say."""


def event_image(item: Any) -> Any:
    """A row as Lambda delivers it in a stream record: JSON, so binary values are base64."""
    match item:
        case bytes():
            return base64.b64encode(item).decode()
        case dict():
            return {name: event_image(value) for name, value in item.items()}
        case list():
            return [event_image(value) for value in item]
        case _:
            return item
