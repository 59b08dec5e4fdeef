"""Attributes as the content of an S3 object, the same bytes for the same content.

What JSON can say is plain JSON, as the reference system writes and reads it. Sets and
binary values have no JSON form: attributes with those in them are written in DynamoDB's
own JSON, and the content type tells which of the two it is.
"""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any, Final

from runtime.storage.codec import from_event, to_wire_value

__all__ = ["JSON_TYPE", "WIRE_TYPE", "dump", "load"]

JSON_TYPE: Final = "application/json"
WIRE_TYPE: Final = "application/x-amz-json-1.0"
_NO_JSON: Final = {"B", "BS", "SS", "NS"}


def dump(attributes: dict[str, Any]) -> tuple[bytes, str]:
    """Content and content type for attributes in the wire format."""
    if _is_json(attributes):
        return _text(attributes).encode(), JSON_TYPE
    wire = json.dumps(attributes, sort_keys=True, separators=(",", ":"), default=_binary)
    return wire.encode(), WIRE_TYPE


def load(content: bytes, content_type: str) -> dict[str, Any]:
    """Attributes in the wire format, from the content of an object."""
    if content_type == WIRE_TYPE:
        return from_event({"attributes": json.loads(content)})["attributes"]
    return to_wire_value(json.loads(content, parse_float=Decimal), path="attributes")


def _is_json(value: dict[str, Any]) -> bool:
    ((kind, content),) = value.items()
    match kind:
        case "M":
            return all(_is_json(part) for part in content.values())
        case "L":
            return all(_is_json(part) for part in content)
        case _:
            return kind not in _NO_JSON


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


def _binary(value: Any) -> str:  # noqa: ANN401 - bytes, or boto3's wrapper of them
    return base64.b64encode(getattr(value, "value", value)).decode()
