"""JSON as clients write it, into values; `runtime.model.json_text` is the other way."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NoReturn

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.json_text import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["dumps", "loads"]

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
