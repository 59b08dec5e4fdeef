"""One field of a schema: what its values are like, and what is wrong with one that is not.

Fields are written as the reference system's screens write them: limits are texts or numbers, and an
empty text is none. Its types are ``string, text-area, text-html, text-markdown, number,
auto_number, boolean, json, date, array``; ours beside them are ``integer, datetime, object``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache
from math import isfinite
from typing import Annotated, Any, Final

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from runtime.errors import FieldProblem

__all__ = ["COLUMNS", "TYPES", "Missing", "SchemaField", "parsed_fields"]

COLUMNS: Final = ("code", "name", "seq")
"""Fields of these names are columns of the row, and not among its attributes."""

_TEXTS: Final = frozenset({"string", "text-area", "text-html", "text-markdown"})
_NUMBERS: Final = frozenset({"number", "integer", "auto_number"})
_MOMENTS: Final = frozenset({"date", "datetime"})
TYPES: Final = tuple(sorted({*_TEXTS, *_NUMBERS, *_MOMENTS, "array", "boolean", "json", "object"}))
"""What a field's ``dataType`` may be."""

_OPTIONS: Final = frozenset(
    {
        "physicalName", "name", "description", "dataType", "isRequired", "isShowedOnList", "min", "max",
        "length", "maxRow", "defaultValue", "dataFormat", "uiComponent",
    }
)  # fmt: skip
_MAX_NAME: Final = 255
_MAX_PATTERN: Final = 500
_MOST_DIGITS: Final = 200


class Missing(Enum):
    """In place of a value that is not there: null is one."""

    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaField:
    """A field of a schema.

    Attributes:
        physical_name: Name of the attribute; or one of `COLUMNS`.
        data_type: What its values are, one of `TYPES`. Another one, which only rows of other writers can
            have, says nothing about them.
        is_required: Whether a row must have a value, and no empty text.
        min: Least number, earliest moment, or least length of a text or an array.
        max: Greatest number, latest moment, or greatest length of a text or an array.
        length: Most characters of a text, digits of a number, or entries of an array.
        max_row: Most lines of a text, or entries of an array.
        default: What a row gets that has no value; `Missing` for none.
        pattern: What a text has to match as a whole; empty for anything.
    """

    physical_name: str
    data_type: str
    is_required: bool = False
    min: str = ""
    max: str = ""
    length: int | None = None
    max_row: int | None = None
    default: Any = Missing.MISSING
    pattern: str = ""

    def problem(self, value: object) -> str | None:
        """What is wrong with a value; None where it fits. `Missing` and null are no values."""
        if value is None or value is Missing.MISSING or (value == "" and self.data_type not in _TEXTS):
            return "is required" if self.is_required and self.data_type != "auto_number" else None
        check = _CHECKS.get(self.data_type)
        return check(self, value) if check is not None else None

    def _boolean_problem(self, value: object) -> str | None:
        return None if isinstance(value, bool) else f"must be true or false, got {_kind(value)}"

    def _object_problem(self, value: object) -> str | None:
        return None if isinstance(value, Mapping) else f"must be an object, got {_kind(value)}"

    def _text_problem(self, value: object) -> str | None:
        if not isinstance(value, str):
            return f"must be text, got {_kind(value)}"
        if not value:
            return "is required, and empty" if self.is_required else None
        lines = value.count("\n") + 1
        if self.max_row is not None and lines > self.max_row:
            return f"must have at most {self.max_row} lines, got {lines}"
        if self.pattern and not _matches(self.pattern, value):
            return f"must match {self.pattern}"
        return self._length_problem(len(value), "characters")

    def _number_problem(self, value: object) -> str | None:
        number = _number(value)
        if number is None:
            return f"must be a number, got {_kind(value)}"
        if self.data_type != "number" and number != int(number):
            return f"must be a whole number, got {value}"
        if self.min and number < Decimal(self.min):
            return f"must be at least {self.min}, got {value}"
        if self.max and number > Decimal(self.max):
            return f"must be at most {self.max}, got {value}"
        digits = sum(map(str.isdigit, f"{number:f}"))
        if self.length is not None and digits > self.length:
            return f"must have at most {self.length} digits, got {digits}"
        return None

    def _moment_problem(self, value: object) -> str | None:
        moment = _moment(value, self.data_type)
        if moment is None:
            like = "2026-11-29" if self.data_type == "date" else "2026-11-29T12:00:00+09:00"
            return f"must be a {self.data_type} such as {like}, got {value!r:.60}"
        if self.min and moment < (_moment(self.min, self.data_type) or moment):
            return f"must not be before {self.min}, got {value}"
        if self.max and moment > (_moment(self.max, self.data_type) or moment):
            return f"must not be after {self.max}, got {value}"
        return None

    def _array_problem(self, value: object) -> str | None:
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            return f"must be a list, got {_kind(value)}"
        if self.max_row is not None and len(value) > self.max_row:
            return f"must have at most {self.max_row} entries, got {len(value)}"
        return self._length_problem(len(value), "entries")

    def _length_problem(self, size: int, what: str) -> str | None:
        least = int(self.min) if self.min else 0
        limits = [limit for limit in (int(self.max) if self.max else None, self.length) if limit is not None]
        if size < least:
            return f"must have at least {least} {what}, got {size}"
        if limits and size > min(limits):
            return f"must have at most {min(limits)} {what}, got {size}"
        return None


_CHECKS: Final[Mapping[str, Callable[[SchemaField, object], str | None]]] = {
    **dict.fromkeys(_TEXTS, SchemaField._text_problem),  # noqa: SLF001 - of this file
    **dict.fromkeys(_NUMBERS, SchemaField._number_problem),  # noqa: SLF001
    **dict.fromkeys(_MOMENTS, SchemaField._moment_problem),  # noqa: SLF001
    "array": SchemaField._array_problem,  # noqa: SLF001
    "boolean": SchemaField._boolean_problem,  # noqa: SLF001
    "object": SchemaField._object_problem,  # noqa: SLF001
}
"""What looks at a value, by its type; of ``json`` there is nothing to look at."""


def parsed_fields(fields: object, *, is_stored: bool = False) -> tuple[list[SchemaField], list[FieldProblem]]:
    """The fields of a schema, and what is wrong with them.

    Args:
        fields: As the setting has them.
        is_stored: Whether they are what somebody has stored: then whatever makes no sense is left out, so
            that another writer's schema cannot make its rows unwritable.
    """
    problems: list[FieldProblem] = []
    found: dict[str, SchemaField] = {}
    if not isinstance(fields, Sequence) or isinstance(fields, str | bytes):
        return [], [FieldProblem("fields", f"must be a list of fields, got {_kind(fields)}")]
    for number, each in enumerate(fields):
        own: list[FieldProblem] = []
        field = _parsed(each, f"fields.{number}", own, is_stored=is_stored)
        if field is not None and field.physical_name in found:
            text = f"must not be duplicated: another field is called {field.physical_name!r}, too"
            own.append(FieldProblem(f"fields.{number}.physicalName", text))
        elif field is not None:
            found[field.physical_name] = field
        problems += own
    return [*found.values()], problems


def _parsed(each: object, path: str, problems: list[FieldProblem], *, is_stored: bool) -> SchemaField | None:
    if not isinstance(each, Mapping):
        problems.append(FieldProblem(path, f"must be an object, got {_kind(each)}"))
        return None

    def wrong(name: str, message: str) -> None:
        problems.append(FieldProblem(f"{path}.{name}", message))

    for name in each:
        if name not in _OPTIONS:
            wrong(str(name), f"is unknown; a field has {', '.join(sorted(_OPTIONS))}")
    physical_name, data_type = each.get("physicalName"), each.get("dataType")
    if not (isinstance(physical_name, str) and 0 < len(physical_name.strip()) <= _MAX_NAME):
        wrong("physicalName", f"must be a text of 1 to {_MAX_NAME} characters")
        return None
    if data_type not in TYPES:
        wrong("dataType", f"must be one of {', '.join(TYPES)}, got {data_type!r:.60}")
        # Nothing is known of its values.
        return SchemaField(physical_name=physical_name, data_type="json") if is_stored else None
    if not isinstance(each.get("isRequired", False), bool):
        wrong("isRequired", "must be true or false")
    field = SchemaField(
        physical_name=physical_name,
        data_type=str(data_type),
        is_required=each.get("isRequired") is True,
        min=_limit(each, "min", str(data_type), wrong),
        max=_limit(each, "max", str(data_type), wrong),
        length=_count(each, "length", wrong),
        max_row=_count(each, "maxRow", wrong),
        pattern=_pattern(each, str(data_type), wrong),
    )
    if field.min and field.max and _place(field.min, field) > _place(field.max, field):
        wrong("max", f"must not be below min, {field.min}, got {field.max}: no value would fit")
        field = replace(field, min="", max="")
    return _with_default(field, each.get("defaultValue"), wrong)


def _place(limit: str, field: SchemaField) -> Decimal:
    """Something to compare limits of one field by."""
    if field.data_type in _MOMENTS:
        return Decimal(_moment(limit, field.data_type) or 0)
    return Decimal(limit)


def _with_default(field: SchemaField, given: object, wrong: Any) -> SchemaField:  # noqa: ANN401 - a function
    if given is None or given == "":
        return field
    default = given
    if isinstance(given, str) and field.data_type not in _TEXTS | _MOMENTS:
        try:
            default = json.loads(given, parse_float=Decimal)
        except (ValueError, RecursionError):
            default = given
    message = field.problem(default)
    if message is not None:
        wrong("defaultValue", message)
        return field
    return replace(field, default=default)


def _limit(each: Mapping[Any, Any], name: str, data_type: str, wrong: Any) -> str:  # noqa: ANN401 - as above
    """A limit as a text that its type can be compared with; empty for none."""
    given = each.get(name)
    if given is None or given == "":
        return ""
    text = str(given).strip()
    if data_type in _MOMENTS:
        if _moment(text, data_type) is not None:
            return text
        wrong(name, f"must be a {data_type} in ISO 8601, got {given!r:.60}")
        return ""
    number = _decimal(text) if isinstance(given, str | int | float | Decimal) else None
    is_length = data_type in _TEXTS or data_type == "array"
    if number is None or (is_length and (number < 0 or number != int(number))):
        wrong(name, f"must be a number{' from 0' if is_length else ''}, got {given!r:.60}")
        return ""
    return str(int(number)) if is_length else str(number)


def _count(each: Mapping[Any, Any], name: str, wrong: Any) -> int | None:  # noqa: ANN401 - as above
    given = each.get(name)
    if given is None or given == "":
        return None
    number = _decimal(given) if isinstance(given, str | int | float | Decimal) else None
    if number is None or isinstance(given, bool) or number < 1 or number != int(number):
        wrong(name, f"must be a whole number from 1, got {given!r:.60}")
        return None
    return int(number)


def _pattern(each: Mapping[Any, Any], data_type: str, wrong: Any) -> str:  # noqa: ANN401 - as above
    """The pattern of a text: a ``dataFormat`` between ``^`` and ``$``. Others are for screens."""
    given = each.get("dataFormat")
    if given is None or given == "":
        return ""
    if not isinstance(given, str):
        wrong("dataFormat", f"must be a text, got {_kind(given)}")
        return ""
    if data_type not in _TEXTS or not (given.startswith("^") and given.endswith("$")):
        return ""
    if len(given) > _MAX_PATTERN:
        wrong("dataFormat", f"must have at most {_MAX_PATTERN} characters, got {len(given)}")
        return ""
    try:
        _adapter(given)
    except SchemaError:
        wrong("dataFormat", "is no regular expression, or looks around or back, which takes too long")
        return ""
    return given


@lru_cache(maxsize=16)
def _adapter(pattern: str) -> TypeAdapter[str]:
    """Of Rust's engine, whose time grows with the text and no faster: patterns are users' own."""
    return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])


def _matches(pattern: str, value: str) -> bool:
    try:
        _adapter(pattern).validate_python(value)
    except ValidationError:
        return False
    return True


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return _decimal(value)


def _decimal(given: str | float | Decimal) -> Decimal | None:
    try:
        number = Decimal(str(given))
    except (InvalidOperation, ValueError):  # as of an integer with more digits than Python writes
        return None
    is_sane = number.is_finite() and abs(number.adjusted()) <= _MOST_DIGITS
    return number if is_sane and isfinite(float(number)) else None


def _moment(value: object, data_type: str) -> float | None:
    """Something to compare: the day, or the second. A moment without an offset is taken as UTC."""
    if data_type == "date":
        is_day = isinstance(value, date) and not isinstance(value, datetime)
        day = value if is_day else _iso_date(value)
        return float(day.toordinal()) if isinstance(day, date) else None
    if isinstance(value, datetime):
        return _seconds(value)
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        return _seconds(datetime.fromisoformat(value))
    except ValueError:
        return None


def _seconds(moment: datetime) -> float:
    offset = moment.utcoffset()
    naive = moment.replace(tzinfo=None) - (offset or (moment - moment))
    return (naive - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001 - both are in UTC


def _iso_date(value: object) -> date | None:
    if not isinstance(value, str) or len(value) != len("2026-11-29"):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
