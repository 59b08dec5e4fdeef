"""JSON in columns: with every digit of a number, both ways."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from runtime.model.json_text import dumps

__all__ = ["dumps", "loads"]


def loads(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a JSON text. Numbers with a fraction are Decimals."""
    return json.loads(text, parse_float=Decimal)
