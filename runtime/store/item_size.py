"""How much of DynamoDB's 400 KB a row takes.

The rules are those of the DynamoDB developer guide, "DynamoDB item sizes and formats":
names and text count their UTF-8 bytes, a number about one byte for two digits, a list or
map three bytes and one for each element.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.store.codec import Item

__all__ = ["MAX_ITEM_BYTES", "item_size"]

MAX_ITEM_BYTES: Final = 400 * 1024
_CONTAINER: Final = 3
_SIGN_AND_EXPONENT: Final = 2


def item_size(item: Item) -> int:
    """Bytes of a row in the wire format, rounded up where DynamoDB only approximates."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:  # noqa: PLR0911 - one return a wire type
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return len(content) // 2 + _SIGN_AND_EXPONENT
        case "B":
            return _binary_size(content)
        case "BOOL" | "NULL":
            return 1
        case "M":
            return _CONTAINER + sum(1 + len(n.encode()) + _value_size(v) for n, v in content.items())
        case "L":
            return _CONTAINER + sum(1 + _value_size(v) for v in content)
        case "SS":
            return sum(len(text.encode()) for text in content)
        case "NS":
            return sum(len(text) // 2 + _SIGN_AND_EXPONENT for text in content)
        case _:
            return sum(_binary_size(part) for part in content)


def _binary_size(content: bytes | str) -> int:
    # boto3 gives bytes; a stream record in Lambda has base64 text.
    return len(base64.b64decode(content)) if isinstance(content, str) else len(bytes(content))
