"""Python values to DynamoDB's wire format and back.

``to_wire({"n": 1})`` is ``{"n": {"N": "1"}}``. Dates, UUIDs and enumerations become
text; floats become exact decimals; numbers come back as int where they are whole and as
Decimal where they are not; bytes and sets stay what they are.
"""

from __future__ import annotations

import base64
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

from runtime.errors import FieldProblem, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Item", "from_event", "from_wire", "isoformat", "to_wire", "to_wire_value"]


Item = dict[str, dict[str, Any]]
"""One row in DynamoDB's wire format."""

_MAX_DEPTH: Final = 32
_SHOWN_DEPTH: Final = 4
_SERIALIZER: Final = TypeSerializer()
_DESERIALIZER: Final = TypeDeserializer()


def to_wire(values: Mapping[str, Any], *, path: str = "") -> Item:
    """Wire format of a mapping; fields that are None are left out.

    Raises:
        InvalidInputError: A value cannot be stored; the message names where it is.
    """
    return {
        name: to_wire_value(value, path=f"{path}{name}")
        for name, value in values.items()
        if value is not None
    }


def to_wire_value(value: Any, *, path: str) -> dict[str, Any]:  # noqa: ANN401 - any user value
    """Wire format of one value.

    Raises:
        InvalidInputError: The value, or one inside of it, cannot be stored.
    """
    try:
        plain = _plain(value, path)
        _check_depth(plain, path)
    except RecursionError as error:
        raise _too_deep(path) from error
    try:
        wire: dict[str, Any] = dict(_SERIALIZER.serialize(plain))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise _refused(path, f"cannot be stored: {error}") from error
    return wire


def from_wire(item: Mapping[str, Any]) -> dict[str, Any]:
    """Python values of a row in wire format."""
    return {name: _friendly(_DESERIALIZER.deserialize(value)) for name, value in item.items()}


def from_event(image: Mapping[str, Any]) -> Item:
    """A row of a stream record as Lambda delivers it, in boto3's wire format.

    The event is JSON, so its binary values are base64 text; boto3 wants, and encodes, bytes.
    """
    return {name: _event_value(value) for name, value in image.items()}


def isoformat(moment: datetime) -> str:
    """Text of a point in time: UTC, milliseconds, offset ``+00:00``.

    >>> isoformat(datetime(2026, 1, 2, 3, 4, 5, 6789, UTC))
    '2026-01-02T03:04:05.006+00:00'
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds")


def _plain(  # noqa: C901, PLR0911, PLR0912 - one case a type
    value: Any,  # noqa: ANN401
    path: str,
    *,
    typed: bool = False,
) -> Any:  # noqa: ANN401
    match value:
        case None | bool() | bytes() | bytearray():
            return value
        case Enum():
            return _plain(value.value, path, typed=typed)
        case str() | int() | Decimal():
            return value
        case float():
            if not math.isfinite(value):
                raise _refused(path, f"must be a finite number, got {value}")
            # repr is the shortest text that is this float, so no binary digits leak in.
            return Decimal(repr(value))
        case datetime():
            return isoformat(value)
        case date() | UUID():
            return value.isoformat() if isinstance(value, date) else str(value)
        case dict():
            return {_key(k, path): _plain(v, f"{path}.{k}", typed=typed) for k, v in value.items()}
        case set() | frozenset():
            if not value and typed:
                return []  # its model makes a set of it again
            if not value:
                raise _refused(path, "must not be an empty set: DynamoDB has none; leave the field out")
            return {_plain(v, path) for v in value}
        case list() | tuple():
            return [_plain(v, f"{path}[{i}]", typed=typed) for i, v in enumerate(value)]
        case _ if hasattr(value, "model_dump"):
            return _plain(value.model_dump(by_alias=True), path, typed=True)
        case _:
            raise _refused(path, f"has the type {type(value).__name__}, which cannot be stored")


def _check_depth(value: Any, path: str, level: int = 1) -> None:  # noqa: ANN401
    if level > _MAX_DEPTH:
        raise _too_deep(path)
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_depth(inner, f"{path}.{name}" if level < _SHOWN_DEPTH else path, level + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_depth(inner, path, level + 1)


def _key(key: Any, path: str) -> str:  # noqa: ANN401 - checked here
    if not isinstance(key, str):
        raise _refused(path, f"has the key {key!r}; keys must be text")
    return key


def _event_value(value: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, content),) = value.items()
    match kind:
        case "B":
            return {kind: base64.b64decode(content)}
        case "BS":
            return {kind: [base64.b64decode(part) for part in content]}
        case "M":
            return {kind: from_event(content)}
        case "L":
            return {kind: [_event_value(part) for part in content]}
        case _:
            return {kind: content}


def _friendly(value: Any) -> Any:  # noqa: ANN401 - whatever was stored
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else value
        case Binary():
            return value.value  # type: ignore[attr-defined]  # the stub lacks it
        case dict():
            return {k: _friendly(v) for k, v in value.items()}
        case list():
            return [_friendly(v) for v in value]
        case set():
            return {_friendly(v) for v in value}
        case _:
            return value


def _too_deep(path: str) -> InvalidInputError:
    return _refused(path, f"is nested more than {_MAX_DEPTH} levels deep, which DynamoDB does not store")


def _refused(path: str, message: str) -> InvalidInputError:
    return InvalidInputError([FieldProblem(path, message)])
