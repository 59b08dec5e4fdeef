"""Values as columns take them, and what no column can take."""

from __future__ import annotations

import math
from decimal import Context, Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import JSON, BigInteger, ClauseElement, Integer, Numeric, SmallInteger, String
from sqlalchemy import Enum as EnumColumn

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.json_text import plain
from runtime.sql.types import FittedText, cleaned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Column, Dialect
    from sqlalchemy.types import TypeEngine

__all__ = ["MAX_INTEGER", "column_problems", "fitted", "for_dialect"]

MAX_INTEGER: Final = 2**63 - 1
_SMALL: Final = 2**15 - 1
_MEDIUM: Final = 2**31 - 1
#: The most digits that a database has for a number, twice: what is compared is not rounded before.
_EXACT: Final = Context(prec=2000)


def fitted(value: Any, column: Column[Any]) -> Any:  # noqa: ANN401 - any value
    """A value as every database takes it.

    NUL becomes ``\ufffd``, and a number that is not finite null: there is none in DynamoDB
    either. What goes into a column of JSON is made plain JSON; Decimals stay.

    Raises:
        InvalidInputError: It has no JSON form.
    """
    if value is None or isinstance(value, ClauseElement) or value is JSON.NULL:
        return value
    if isinstance(column.type, JSON):
        try:
            return _in_json(plain(value))
        except (TypeError, RecursionError) as error:
            problem = FieldProblem(column.key, f"must be what JSON can hold: {error}")
            raise InvalidInputError([problem]) from error
    return _scalar(value)


def for_dialect(value: Any, column: Column[Any], dialect: Dialect) -> Any:  # noqa: ANN401 - any value
    """JSON as the serializer of the engine takes it: Python's own has no form for a Decimal."""
    if not isinstance(column.type, JSON) or getattr(dialect, "_json_serializer", None) is not None:
        return value
    return _without_decimals(value)


def column_problems(values: Mapping[str, Any], columns: Mapping[str, Column[Any]]) -> list[FieldProblem]:
    """What PostgreSQL and MySQL would refuse of some values.

    Args:
        values: Values as `fitted` gives them, by attribute of the model.
        columns: The columns, by attribute.
    """
    return [
        FieldProblem(name, problem)
        for name, value in values.items()
        if (problem := _problem(value, columns[name]))
    ]


def _problem(value: Any, column: Column[Any]) -> str | None:  # noqa: ANN401 - any value
    kind = column.type
    if isinstance(value, ClauseElement) or isinstance(kind, FittedText):
        return None
    if value is None:
        has_default = column.default is not None or column.server_default is not None
        return None if column.nullable or has_default else "must not be null"
    if isinstance(kind, EnumColumn):
        is_known = isinstance(value, Enum) or not isinstance(value, str) or value in kind.enums
        return None if is_known else f"must be one of {', '.join(kind.enums)}"
    if isinstance(kind, String) and isinstance(value, str) and kind.length is not None:
        text = str(value.value) if isinstance(value, Enum) else value
        is_too_long = len(text) > kind.length
        return f"must be at most {kind.length} characters, got {len(text)}" if is_too_long else None
    return _problem_of_number(value, kind) if isinstance(value, int | float | Decimal) else None


def _problem_of_number(value: float | Decimal, kind: TypeEngine[Any]) -> str | None:
    if isinstance(kind, Integer) and isinstance(value, int):
        most = MAX_INTEGER
        if not isinstance(kind, BigInteger):
            most = _SMALL if isinstance(kind, SmallInteger) else _MEDIUM
        if not -most - 1 <= value <= most:
            return f"must be from {-most - 1} to {most}"
    elif type(kind) is Numeric and kind.precision is not None:
        scale = kind.scale or 0
        digits = kind.precision - scale
        # Half of the last place below the next power of ten is rounded up to it.
        limit = _EXACT.subtract(Decimal((0, (1,), digits)), Decimal((0, (5,), -scale - 1)))
        if _number(value).copy_abs() >= limit:
            return f"must have at most {digits} digits before the decimal point"
    return None


def _number(value: float | Decimal) -> Decimal:
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _scalar(value: Any) -> Any:  # noqa: ANN401 - any value
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return cleaned(value)
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return [_scalar(part) for part in value] if isinstance(value, list) else value


def _in_json(value: Any) -> Any:  # noqa: ANN401 - plain JSON
    if isinstance(value, dict):
        return {cleaned(name): _in_json(part) for name, part in value.items()}
    return [_in_json(part) for part in value] if isinstance(value, list) else _scalar(value)


def _without_decimals(value: Any) -> Any:  # noqa: ANN401 - plain JSON
    if isinstance(value, Decimal):
        whole = int(value)
        return whole if whole == value else float(value)
    if isinstance(value, dict):
        return {name: _without_decimals(part) for name, part in value.items()}
    return [_without_decimals(part) for part in value] if isinstance(value, list) else value
