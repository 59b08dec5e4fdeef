"""JSON as clients, queues and topics read it.

Names are camelCase. A field of a row that is None is left out, unless its model requires it;
inside ``attributes`` a null stays, since there it says something else than an absent field.
Decimals are numbers with every digit, dates ISO 8601, bytes base64, sets lists. An object with a
method ``__json__`` is what that returns: a row of a read model, say.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeGuard
from uuid import UUID

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.plain_text import key_text, plain_text

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["dumps", "message_text", "plain"]

_MICROSECONDS_PER_MILLISECOND = 1000
_ENCODER: Final = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
_NO_ASCII: Final = re.compile(r"[^\x00-\x7f]")
#: What most values are. Not what derives from them, such as an enumeration of texts.
_PLAIN: Final = frozenset({str, int, bool, type(None), float, Decimal})


def dumps(value: Any) -> str:  # noqa: ANN401 - whatever a route returns
    """The JSON text of a route's result: models, containers and plain values.

    Raises:
        TypeError: A value has no JSON form.
        ValueError: A number is not finite.
    """
    found = _plain(value)
    try:
        return _ENCODER.encode(found)
    except TypeError:  # the standard encoder can write a Decimal only as text, or as a float that lost digits
        return _text(found)


def message_text(value: Any, *, field: str) -> str:  # noqa: ANN401 - whatever a service's own code sends
    """The same JSON text in ASCII: queues take no half of a surrogate pair, and not every character.

    Args:
        value: What is sent.
        field: Name of the argument that it came in, for the error.

    Raises:
        InvalidInputError: Something in it has no JSON form.
    """
    try:
        return _NO_ASCII.sub(_escaped, dumps(value))
    except RecursionError as error:
        raise InvalidInputError([FieldProblem(field, "is nested too deep, or in itself")]) from error
    except (TypeError, ValueError) as error:
        problem = f"must be what JSON can hold: {error}; convert it first"
        raise InvalidInputError([FieldProblem(field, problem)]) from error


def plain(value: Any) -> Any:  # noqa: ANN401 - any value
    """The dictionaries, lists, texts, numbers and flags that stand for a value in JSON. Decimals stay.

    Raises:
        TypeError: A value has no JSON form.
    """
    return _plain(value)


def _escaped(character: re.Match[str]) -> str:
    return json.dumps(character[0])[1:-1]


def _plain(value: Any) -> Any:  # noqa: ANN401, C901, PLR0911, PLR0912 - one case a type
    if type(value) in _PLAIN:
        return value
    match value:
        case Enum():
            return _plain(value.value)
        case None | bool() | str() | int() | float() | Decimal():
            return value
        case dict():
            found = {key_text(name): _plain(item) for name, item in value.items()}
            if len(found) < len(value):
                msg = "a mapping has two keys that are the same in JSON"
                raise TypeError(msg)
            return found
        case list() | tuple() | deque():
            return [_plain(item) for item in value]
        case set() | frozenset():
            return _in_order([_plain(item) for item in value])
        case datetime():
            whole = value.microsecond % _MICROSECONDS_PER_MILLISECOND == 0
            return value.isoformat(timespec="milliseconds" if whole else "microseconds")
        case date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case _ if _is_model(value):
            return _model(value)
        case _ if callable(form := getattr(value, "__json__", None)) and not isinstance(value, type):
            return _plain(form())
        case Mapping():
            return _plain(dict(value))
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _plain(asdict(value))
        case _:
            try:
                return plain_text(value)
            except ValueError as error:
                msg = f"a value of the type {type(value).__name__} has no JSON form"
                raise TypeError(msg) from error


def _is_model(value: object) -> TypeGuard[BaseModel]:
    # Where nobody has imported pydantic there are no models: most functions do not.
    if "pydantic" not in sys.modules:
        return False
    from pydantic import BaseModel  # noqa: PLC0415 - and another thread may be importing it: that is waited for

    return isinstance(value, BaseModel)


def _model(value: BaseModel) -> Any:  # noqa: ANN401 - its JSON
    from runtime.model.attributes_type import attributes_type  # noqa: PLC0415 - with pydantic behind it
    from runtime.model.models import CqrsModel  # noqa: PLC0415 - as above

    if isinstance(value, CqrsModel) and isinstance(items := getattr(value, "items", None), list):
        # A page: each of its rows leaves out its own.
        return _row({**value.model_dump(by_alias=True, exclude={"items"}), "items": items}, type(value))
    fields = attributes_type(type(value)).shown(value.model_dump(by_alias=True))
    return _row(fields, type(value)) if isinstance(fields, dict) else _plain(fields)


def _in_order(members: list[Any]) -> list[Any]:
    """The members of a set, always in the same order."""
    try:
        return sorted(members, key=lambda member: (str(type(member)), member))
    except TypeError:  # lists of this and that
        return sorted(members, key=_text)


def _row(fields: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    kept = _required(model)
    return {name: _plain(field) for name, field in fields.items() if field is not None or name in kept}


@cache
def _required(model: type[BaseModel]) -> frozenset[str]:
    """Names of the fields that are in an answer although they are None: its schema requires them."""
    fields = {
        field.serialization_alias or field.alias or name
        for name, field in model.model_fields.items()
        if field.is_required()
    }
    return frozenset(fields | {field.alias or name for name, field in model.model_computed_fields.items()})


def _text(value: Any) -> str:  # noqa: ANN401 - plain values
    match value:
        case dict():
            return "{" + ",".join(f"{_text(name)}:{_text(item)}" for name, item in value.items()) + "}"
        case list():
            return "[" + ",".join(_text(item) for item in value) + "]"
        case Decimal():
            if not value.is_finite():
                msg = "a number is not finite"
                raise ValueError(msg)
            return str(value)
        case _:
            return _ENCODER.encode(value)
