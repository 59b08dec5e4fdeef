"""Attributes as the content of an S3 object, the same bytes for the same content.

What JSON can say is plain JSON, as the reference system writes and reads it. Sets and
binary values have no JSON form: attributes with those in them are written in DynamoDB's
own JSON, and the content type tells which of the two it is.
"""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from runtime.store.codec import decoded_value, encoded_value, event_value, folded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.store.values import Value

__all__ = ["JSON_TYPE", "WIRE_TYPE", "as_stored", "dump", "load"]

JSON_TYPE: Final = "application/json"
WIRE_TYPE: Final = "application/x-amz-json-1.0"


def dump(attributes: Value) -> tuple[bytes, str]:
    """Content and content type for the column with the attributes."""
    wire = encoded_value(attributes)
    try:
        return folded(wire, _PLAIN).encode(), JSON_TYPE
    except _NoJsonError:
        ordered = folded(wire, _IN_ORDER)
        return json.dumps(ordered, sort_keys=True, separators=(",", ":")).encode(), WIRE_TYPE


def as_stored(attributes: Value) -> dict[str, Any]:
    """The column with the attributes in DynamoDB's own JSON, for people to look at."""
    stored: dict[str, Any] = folded(encoded_value(attributes), _IN_ORDER)
    return stored


def load(content: bytes, content_type: str) -> Value:
    """The column with the attributes, from the content of an object.

    Whatever the object holds is read: DynamoDB's limits are for those who write.
    """
    if content_type == WIRE_TYPE:
        return decoded_value(event_value(json.loads(content)))
    return decoded_value(_wire(json.loads(content, parse_float=_Number, parse_int=_Number)))


class _Number(str):
    """A number as it is written, with every digit."""

    __slots__ = ()


class _NoJsonError(Exception):
    """A value has no form in plain JSON."""


def _wire(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case _Number():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case list():
            return {"L": [_wire(part) for part in value]}
        case _:
            return {"M": {name: _wire(part) for name, part in value.items()}}


def _object(fields: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{fields[name]}" for name in sorted(fields)) + "}"


def _no_json(_: Any) -> str:  # noqa: ANN401
    raise _NoJsonError


def _kept(kind: str, content: Any) -> dict[str, Any]:  # noqa: ANN401
    return {kind: content}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


_PLAIN: Final[Mapping[str, Callable[[Any], str]]] = {
    "S": json.dumps,
    "N": str,  # every digit; a float would lose some
    "BOOL": json.dumps,
    "NULL": lambda _: "null",
    "M": _object,
    "L": lambda parts: f"[{','.join(parts)}]",
    **dict.fromkeys(("B", "SS", "NS", "BS"), _no_json),
}
# Python gives the members of a set in any order.
_IN_ORDER: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = {
    **{kind: partial(_kept, kind) for kind in ("S", "N", "BOOL", "NULL", "M", "L")},
    "SS": lambda texts: {"SS": sorted(texts)},
    "NS": lambda texts: {"NS": sorted(texts)},
    "B": lambda content: {"B": _base64(content)},
    "BS": lambda parts: {"BS": [_base64(part) for part in sorted(parts)]},
}
