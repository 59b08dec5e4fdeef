"""JSON as clients write and read it.

Names are camelCase. A field of a row that is None is left out; inside ``attributes`` a
null stays, since there it says something else than an absent field. Decimals are numbers
with every digit, dates ISO 8601, bytes base64, sets lists.
"""

from __future__ import annotations

import base64
import json
from collections import Counter, deque
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from pydantic import BaseModel

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.attributes_type import attributes_type
from runtime.model.models import CqrsModel
from runtime.model.plain_text import key_text, plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["dumps", "loads"]

_MICROSECONDS_PER_MILLISECOND = 1000
# More than anything that can be stored, and few enough for code that recurses.
_MAX_LEVELS = 100
_SHOWN_LEVELS = 4
_SHOWN_CHARACTERS = 64
# Beyond what a float has: `1E999999999` is ten bytes long, and gigabytes as an integer.
_MAX_EXPONENT = 400


def loads(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a JSON text. Numbers with a fraction are Decimals.

    Raises:
        InvalidInputError: The text is not JSON, holds something that cannot be stored, has a
            key twice in one object, or is nested more than 100 levels deep.
    """
    try:
        value = json.loads(
            text, parse_float=_decimal, parse_constant=_refuse_constant, object_pairs_hook=_object
        )
        if "\\ud" in text.lower():
            # Half of a surrogate pair can be written in JSON, and stored nowhere.
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except json.JSONDecodeError as error:
        reason = f"{error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}"
        raise _refused(reason) from error
    except UnicodeEncodeError as error:
        reason = "a text has half of a surrogate pair"
        raise _refused(reason) from error
    except RecursionError as error:
        reason = "too many levels"
        raise _refused(reason) from error
    except ValueError as error:  # a constant of JavaScript's, or a number with thousands of digits
        reason = "a number is out of range"
        raise _refused(reason) from error
    _check_levels(value)
    return value


def dumps(value: Any) -> str:  # noqa: ANN401 - whatever a route returns
    """The JSON text of a route's result: models, containers and plain values.

    Raises:
        TypeError: A value has no JSON form.
        ValueError: A number is not finite.
    """
    return _text(_plain(value))


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(text) from error
    if number and abs(number.adjusted()) > _MAX_EXPONENT:
        raise ValueError(text)
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        # Whoever looked at the request before, a firewall say, may have taken the other one.
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        message = f"must not have the key {twice[:_SHOWN_CHARACTERS]!r} twice in one object"
        raise InvalidInputError([FieldProblem("body", message)])
    return found


def _check_levels(value: object) -> None:
    """Refuse what is nested too deep, by the names that lead there."""
    level: list[tuple[object, list[str]]] = [(value, [])]
    for _ in range(_MAX_LEVELS + 1):
        level = [
            (inner, [*path, name] if len(path) < _SHOWN_LEVELS else path)
            for item, path in level
            for name, inner in _children(item)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    field = ".".join(name[:_SHOWN_CHARACTERS] for name in level[0][1])
    raise InvalidInputError([FieldProblem(field, f"is nested more than {_MAX_LEVELS} levels deep")])


def _children(item: object) -> Iterable[tuple[str, object]]:
    if isinstance(item, dict):
        return item.items()
    return ((str(index), inner) for index, inner in enumerate(item)) if isinstance(item, list) else ()


def _refused(reason: str) -> InvalidInputError:
    return InvalidInputError([FieldProblem("body", f"must be valid JSON: {reason}")])


def _plain(value: Any) -> Any:  # noqa: ANN401, C901, PLR0911, PLR0912 - one case a type
    match value:
        case Enum():
            return _plain(value.value)
        case None | bool() | str() | int() | float() | Decimal():
            return value
        case CqrsModel() if isinstance(items := getattr(value, "items", None), list):
            # A page: each of its rows leaves out its own.
            return _row({**value.model_dump(by_alias=True, exclude={"items"}), "items": items})
        case BaseModel():
            fields = attributes_type(type(value)).shown(value.model_dump(by_alias=True))
            return _row(fields) if isinstance(fields, dict) else _plain(fields)
        case dict():
            return {key_text(name): _plain(item) for name, item in value.items()}
        case list() | tuple() | deque():
            return [_plain(item) for item in value]
        case set() | frozenset():
            return sorted((_plain(item) for item in value), key=lambda item: (str(type(item)), item))
        case datetime():
            whole = value.microsecond % _MICROSECONDS_PER_MILLISECOND == 0
            return value.isoformat(timespec="milliseconds" if whole else "microseconds")
        case date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _plain(asdict(value))
        case _:
            try:
                return plain_text(value)
            except ValueError as error:
                msg = f"a value of the type {type(value).__name__} has no JSON form"
                raise TypeError(msg) from error


def _row(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(field) for name, field in fields.items() if field is not None}


def _text(value: Any) -> str:  # noqa: ANN401 - plain values
    # The standard encoder can write a Decimal only as text, or as a float that lost digits.
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
            return json.dumps(value, allow_nan=False, ensure_ascii=False)
