"""How much of DynamoDB's 400 KB a row takes.

The rules are those of the DynamoDB developer guide, "DynamoDB item sizes and formats":
names and text count their UTF-8 bytes, a number about one byte for two digits, a list or
map three bytes and one for each element.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime.store.codec import encoded_value, folded
from runtime.store.values import Sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runtime.store.values import Row, Value

__all__ = ["MAX_ITEM_BYTES", "column_size", "item_size", "text_size"]

MAX_ITEM_BYTES: Final = 400 * 1024
_CONTAINER: Final = 3
_SIGN_AND_EXPONENT: Final = 2


def item_size(row: Row) -> int:
    """Bytes of a row, rounded up where DynamoDB only approximates."""
    size, texts = 0, [*row]
    for value in row.values():
        if type(value) is str:  # most columns: they are counted together
            texts.append(value)
        else:
            size += column_size(value)
    return size + _texts(texts)


def column_size(value: Value) -> int:
    """Bytes of what a column holds, without its name."""
    if isinstance(value, str):
        return text_size(value)
    if type(value) is int:
        return _number(str(value))
    if not isinstance(value, Sealed):
        return _counted(encoded_value(value))
    if value.size is None:  # an append counts its row, and again where it is stored
        value.size = _counted(value.wire)
    return value.size


def _counted(wire: Mapping[str, Any]) -> int:
    size: int = folded(wire, _SIZES)
    return size


def _texts(texts: Iterable[str]) -> int:
    return text_size("".join(texts))


def text_size(text: str) -> int:
    """Bytes of a text."""
    return len(text) if text.isascii() else len(text.encode())


def _number(text: str) -> int:
    return len(text) // 2 + _SIGN_AND_EXPONENT


def _one(_: Any) -> int:  # noqa: ANN401
    return 1


_SIZES: Final[Mapping[str, Callable[[Any], int]]] = {
    "S": text_size,
    "N": _number,
    "B": len,
    "BOOL": _one,
    "NULL": _one,
    "M": lambda sizes: _CONTAINER + len(sizes) + _texts(sizes) + sum(sizes.values()),
    "L": lambda sizes: _CONTAINER + len(sizes) + sum(sizes),
    "SS": _texts,
    "NS": lambda texts: sum(map(_number, texts)),
    "BS": lambda parts: sum(map(len, parts)),
}
