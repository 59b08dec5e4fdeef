"""How many bytes a value takes in an answer.

Lambda passes on 6 MB (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html), and
what counts is JSON in JSON: the body is a text of the answer, in which each quote takes two bytes,
and each quote in a text of the body four.
"""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any, Final

from runtime.store.codec import encoded_value, folded, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.store.values import Value

__all__ = ["MAX_ANSWER", "MOST_GROWTH", "PAGE_BYTES", "answer_bytes", "answer_size"]

MAX_ANSWER: Final = 6 * 1024 * 1024 - 8 * 1024  # the rest is for headers

PAGE_BYTES: Final = MAX_ANSWER * 7 // 12
"""Where a page of items ends: with the caller's own new ones in it, half as much more has to fit."""

MOST_GROWTH: Final = 32
"""No value takes so many times the bytes in an answer that it takes in the store."""


def answer_bytes(text: str) -> int:
    """Bytes that a text, such as a body, takes in Lambda's answer."""
    return len(encode_basestring_ascii(text)) - 2


def answer_size(value: Value) -> int:
    """Bytes that a column takes in an answer, as a part of its body."""
    size: int = folded(encoded_value(value), _SIZES)
    return size


def _text(text: str) -> int:
    return answer_bytes(json.dumps(text, ensure_ascii=False))


def _number(text: str) -> int:
    # 1E+125 is written with all of its digits.
    return len(str(opened(Decimal(text))))


def _binary(content: bytes) -> int:
    return _text(base64.b64encode(content).decode())


def _list(sizes: list[int]) -> int:
    return 2 + len(sizes) + sum(sizes)


_SIZES: Final[Mapping[str, Callable[[Any], int]]] = {
    "S": _text,
    "N": _number,
    "B": _binary,
    "BOOL": lambda flag: len(str(flag)),
    "NULL": lambda _: len("null"),
    "M": lambda sizes: 2 + sum(_text(name) + size + 2 for name, size in sizes.items()),
    "L": _list,
    "SS": lambda texts: _list([_text(text) for text in texts]),
    "NS": lambda texts: _list([_number(text) for text in texts]),
    "BS": lambda parts: _list([_binary(part) for part in parts]),
}
