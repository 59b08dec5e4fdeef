"""Attributes as the content of an S3 object, the same bytes for the same content.

What JSON can say is plain JSON, as the reference system writes and reads it. Sets and
binary values have no JSON form: attributes with those in them are written in DynamoDB's
own JSON, and the content type tells which of the two it is.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from runtime.store.codec import from_event

__all__ = ["JSON_TYPE", "WIRE_TYPE", "dump", "load"]

JSON_TYPE: Final = "application/json"
WIRE_TYPE: Final = "application/x-amz-json-1.0"
_SETS: Final = {"BS", "SS", "NS"}


def dump(attributes: dict[str, Any]) -> tuple[bytes, str]:
    """Content and content type for attributes in the wire format."""
    if _is_json(attributes):
        return _text(attributes).encode(), JSON_TYPE
    wire = json.dumps(_in_order(attributes), sort_keys=True, separators=(",", ":"), default=_binary)
    return wire.encode(), WIRE_TYPE


def load(content: bytes, content_type: str) -> dict[str, Any]:
    """Attributes in the wire format, from the content of an object.

    Whatever the object holds is read: DynamoDB's limits are for those who write.
    """
    if content_type == WIRE_TYPE:
        return from_event({"attributes": json.loads(content)})["attributes"]
    return _wire(json.loads(content, parse_float=_Number, parse_int=_Number))


class _Number(str):
    """A number as it is written, with every digit."""

    __slots__ = ()


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


def _is_json(value: dict[str, Any]) -> bool:
    ((kind, content),) = value.items()
    match kind:
        case "M":
            return all(_is_json(part) for part in content.values())
        case "L":
            return all(_is_json(part) for part in content)
        case _:
            return kind != "B" and kind not in _SETS


def _in_order(value: dict[str, Any]) -> dict[str, Any]:
    """``value`` with the members of its sets in order: Python gives them in any."""
    ((kind, content),) = value.items()
    match kind:
        case "M":
            return {kind: {name: _in_order(part) for name, part in content.items()}}
        case "L":
            return {kind: [_in_order(part) for part in content]}
        case _:
            return {kind: sorted(content)} if kind in _SETS else value


def _text(value: dict[str, Any]) -> str:
    ((kind, content),) = value.items()
    match kind:
        case "M":
            fields = (f"{json.dumps(name)}:{_text(content[name])}" for name in sorted(content))
            return "{" + ",".join(fields) + "}"
        case "L":
            return "[" + ",".join(_text(part) for part in content) + "]"
        case "N":
            return str(content)  # every digit; a float would lose some
        case "NULL":
            return "null"
        case _:
            return json.dumps(content)


def _binary(value: bytes) -> str:
    return base64.b64encode(value).decode()
