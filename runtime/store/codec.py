"""Python values to the columns of a row and back, and rows to DynamoDB's wire format and back.

Dates, times, UUIDs and enumerations become text; floats become exact decimals; numbers come back
as int where they are whole and as Decimal where they are not; bytes and sets stay what they are.
What a model has written, that model reads again: there durations, URLs, addresses, paths and keys of
any kind become text, too, and sets that DynamoDB has not become lists.
"""

from __future__ import annotations

import base64
from collections import deque
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.plain_text import has_plain_text, key_text, plain_text
from runtime.store.values import Sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runtime.store.values import Row, Value

__all__ = [
    "Item",
    "decoded",
    "decoded_value",
    "encoded",
    "encoded_value",
    "event_value",
    "folded",
    "image_row",
    "isoformat",
    "opened",
    "opened_bytes",
    "opened_row",
    "row_of",
    "sealed",
    "sealed_bytes",
    "to_wire_value",
]


Item = dict[str, dict[str, Any]]
"""One row in DynamoDB's wire format."""

_MAX_LEVELS: Final = 32
_SHOWN_LEVELS: Final = 4
_MAX_DIGITS: Final = 38
_MIN_EXPONENT: Final = -130
_MAX_EXPONENT: Final = 125
_NUMBER_RANGE: Final = "must have at most 38 digits, and be 0 or from 1E-130 to 9.9E+125 in size"
# More bits than any number of DynamoDB's has: keeps absurd ones from being spelled out.
_MAX_BITS: Final = 512
_MICROSECONDS_PER_MILLISECOND: Final = 1000


def row_of(values: Mapping[str, Any], *, path: str = "") -> Row:
    """The columns that hold some Python values; fields that are None are left out.

    Args:
        values: Any values by the names of their columns.
        path: What the names of fields begin with in an error.

    Raises:
        InvalidInputError: A value cannot be stored; the message names where it is.
    """
    return {name: sealed(value, path=f"{path}{name}") for name, value in values.items() if value is not None}


def sealed(value: Any, *, path: str, typed: bool = False) -> Value:  # noqa: ANN401 - any user value
    """What a column holds for a Python value: plain where it is text, a number or a flag.

    Args:
        value: Any value.
        path: Where it is, for an error.
        typed: Whether a model has written it, and will read it.

    Raises:
        InvalidInputError: The value, or one inside of it, cannot be stored.
    """
    if type(value) is str:  # most columns
        return _text(value, path)
    return decoded_value(_wire(value, path, 1, typed=typed))


def opened(value: Value) -> Any:  # noqa: ANN401 - any user value
    """The Python value in a column."""
    if isinstance(value, Sealed):
        return _python(value.wire)
    return _exact(value) if isinstance(value, Decimal) else value


def sealed_bytes(content: bytes) -> Value:
    """What a column holds for bytes: as `sealed`, at once."""
    return Sealed({"B": content})


def opened_bytes(value: Value) -> bytes | None:
    """The bytes in a column; None where it holds anything else."""
    content = value.wire.get("B") if isinstance(value, Sealed) else None
    return None if content is None else bytes(content)


def opened_row(row: Row) -> dict[str, Any]:
    """The Python values of a row."""
    # Most columns are text, and pages have many of them.
    return {name: value if type(value) is str else opened(value) for name, value in row.items()}


def decoded(item: Mapping[str, Any]) -> Row:
    """A row, from DynamoDB's wire format."""
    return {name: wire["S"] if "S" in wire else decoded_value(wire) for name, wire in item.items()}


def encoded(row: Row) -> Item:
    """A row in DynamoDB's wire format."""
    return {name: encoded_value(value) for name, value in row.items()}


def encoded_value(value: Value) -> dict[str, Any]:
    """A column in DynamoDB's wire format."""
    if isinstance(value, str):
        return {"S": value}
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, Sealed):
        return dict(value.wire)
    return {"N": str(value)}


def decoded_value(wire: Mapping[str, Any]) -> Value:
    """A column, from DynamoDB's wire format."""
    (kind,) = wire
    content = wire[kind]
    if kind == "S":
        return content  # type: ignore[no-any-return]
    if kind == "N":
        return _number_in(content)
    if kind == "BOOL":
        return content  # type: ignore[no-any-return]
    return None if kind == "NULL" else Sealed(wire)


def image_row(image: Mapping[str, Any]) -> Row:
    """The row in a stream record, as Lambda delivers it."""
    row = decoded(image)
    for name, value in row.items():
        if isinstance(value, Sealed):
            row[name] = Sealed(event_value(value.wire))
    return row


def event_value(value: Mapping[str, Any]) -> dict[str, Any]:
    """A value as DynamoDB's own JSON has it, in boto3's wire format.

    Binary values are base64 text in JSON; boto3 wants, and encodes, bytes.
    """
    found: dict[str, Any] = folded(value, _EVENT)
    return found


def folded(wire: Mapping[str, Any], by_kind: Mapping[str, Callable[[Any], Any]]) -> Any:  # noqa: ANN401
    """What becomes of a value in the wire format, from its innermost parts outwards.

    The one way through the wire format, whatever is made of it: Python values, text, a size.

    Args:
        wire: The value.
        by_kind: For each kind of value (``S``, ``N``, ``M``, …) what becomes of its content.
            Of a map and a list the parts come as what became of them. A kind that is left
            out becomes its content.
    """
    (kind,) = wire
    content = wire[kind]
    if kind == "M":
        content = {name: folded(part, by_kind) for name, part in content.items()}
    elif kind == "L":
        content = [folded(part, by_kind) for part in content]
    make = by_kind.get(kind)
    return content if make is None else make(content)


def to_wire_value(value: Any, *, path: str) -> dict[str, Any]:  # noqa: ANN401 - any user value
    """Wire format of one value.

    Raises:
        InvalidInputError: The value, or one inside of it, cannot be stored.
    """
    return _wire(value, path, 1, typed=False)


def isoformat(moment: datetime) -> str:
    """Text of a point in time: UTC, milliseconds, offset ``+00:00``.

    >>> isoformat(datetime(2026, 1, 2, 3, 4, 5, 6789, UTC))
    '2026-01-02T03:04:05.006+00:00'
    """
    return _utc(moment).isoformat(timespec="milliseconds")


def _wire(  # noqa: C901, PLR0911, PLR0912 - one case a type
    value: Any,  # noqa: ANN401
    path: str,
    level: int,
    *,
    typed: bool,
) -> dict[str, Any]:
    if level > _MAX_LEVELS:
        shown = ".".join(path.split(".")[:_SHOWN_LEVELS])
        raise _refused(shown, f"is nested more than {_MAX_LEVELS} levels deep, which DynamoDB does not store")
    match value:
        case Enum():
            return _wire(value.value, path, level, typed=typed)
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": _text(value, path)}
        case int() | float() | Decimal():
            return {"N": str(_number(value, path))}
        case bytes() | bytearray():
            return {"B": bytes(value)}
        case datetime() | date() | time() | UUID():
            return {"S": _scalar_text(value, path)}
        case dict():
            fields = ((_key(key, path, typed=typed), inner) for key, inner in value.items())
            return {
                "M": {key: _wire(inner, f"{path}.{key}", level + 1, typed=typed) for key, inner in fields}
            }
        case list() | tuple() | deque():
            return {"L": [_wire(v, f"{path}[{i}]", level + 1, typed=typed) for i, v in enumerate(value)]}
        case set() | frozenset():
            if typed and _kind_of_set(value) is None:
                members = sorted(value, key=repr)  # its model makes a set of it again
                return {"L": [_wire(v, f"{path}[{i}]", level + 1, typed=True) for i, v in enumerate(members)]}
            return _set(value, path)
        case _ if hasattr(value, "model_dump"):
            return _wire(value.model_dump(by_alias=True, round_trip=True), path, level, typed=True)
        case _ if typed:
            return _wire(_plain(value, path), path, level, typed=typed)
        case _:
            raise _cannot(value, path)


def _number_in(text: str) -> int | Decimal:
    return int(text) if text.lstrip("-").isdecimal() else Decimal(text)


def _python(wire: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any user value
    """What `folded` makes of a value by `_PYTHON`. A page has thousands of parts, most of them these."""
    if "S" in wire:
        return wire["S"]
    if "N" in wire:
        return _python_number(wire["N"])
    if "BOOL" in wire:
        return wire["BOOL"]
    if "M" in wire:
        return {name: _python(part) for name, part in wire["M"].items()}
    if "L" in wire:
        return [_python(part) for part in wire["L"]]
    return folded(wire, _PYTHON)


def _exact(number: Decimal) -> int | Decimal:
    """A number as the int that it is, where it is one."""
    whole = int(number)
    return whole if whole == number else number


def _python_number(text: str) -> int | Decimal:
    return int(text) if text.isdecimal() else _exact(Decimal(text))


def _plain(value: Any, path: str) -> Any:  # noqa: ANN401
    if hasattr(value, "get_secret_value"):  # pydantic writes stars
        raise _cannot(value, path)
    try:
        plain = plain_text(value)
    except ValueError as error:
        raise _cannot(value, path) from error
    if type(plain) is type(value):
        raise _cannot(value, path)
    return plain


def _kind_of_set(members: Iterable[Any]) -> str | None:
    """The kind of set that DynamoDB has for these members; None where it has none."""
    kinds = {_kind_of_member(member) for member in members}
    return kinds.pop() if len(kinds) == 1 else None


def _kind_of_member(member: Any) -> str | None:  # noqa: ANN401
    match member:
        case Enum():
            return _kind_of_member(member.value)
        case bytes():
            return "BS"
        case bool():
            return None
        case int() | float() | Decimal():
            return "NS"
        case str() | date() | time() | UUID():
            return "SS"
        case _:
            return "SS" if has_plain_text(member) else None


def _set(members: Iterable[Any], path: str) -> dict[str, Any]:
    """The members in order: Python gives them in any, and the same set is to be the same row."""
    plain = [member.value if isinstance(member, Enum) else member for member in members]
    if not plain:
        raise _refused(path, "must not be an empty set: DynamoDB has none; leave the field out")
    match _kind_of_set(plain):
        case "BS":
            return {"BS": sorted(set(plain))}
        case "NS":
            # Compared as decimals: 0.1 and Decimal("0.10") are two members for Python, and one for DynamoDB.
            return {"NS": [str(number) for number in sorted({_number(member, path) for member in plain})]}
        case "SS":
            return {"SS": sorted({_member_text(member, path) for member in plain})}
        case _:
            raise _refused(path, "must be a set of text, numbers or bytes, and all of one kind")


def _member_text(member: Any, path: str) -> str:  # noqa: ANN401
    if isinstance(member, str):
        return _text(member, path)
    is_scalar = isinstance(member, date | time | UUID)
    return _scalar_text(member, path) if is_scalar else str(_plain(member, path))


def _number(value: float | Decimal, path: str) -> Decimal:
    """``value`` exactly, in the fewest digits where it has too many."""
    if isinstance(value, float):
        # repr is the shortest text that is this float, so no binary digits leak in.
        value = Decimal(repr(value))
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise _refused(path, _NUMBER_RANGE)
    number = Decimal(value)
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise _refused(path, "must be a finite number")
    if not any(digits):
        return Decimal(0)
    if len(digits) > _MAX_DIGITS:
        significant = "".join(map(str, digits)).rstrip("0")
        exponent += len(digits) - len(significant)
        number = Decimal((sign, tuple(map(int, significant)), exponent))
        if len(significant) > _MAX_DIGITS:
            raise _refused(path, _NUMBER_RANGE)
    if not _MIN_EXPONENT <= number.adjusted() <= _MAX_EXPONENT:
        raise _refused(path, _NUMBER_RANGE)
    return number


def _scalar_text(value: datetime | date | time | UUID, path: str) -> str:
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, datetime):
        return value.isoformat()
    try:
        moment = _utc(value)
    except OverflowError as error:
        raise _refused(path, "is before the year 1 or after the year 9999 in UTC") from error
    whole = moment.microsecond % _MICROSECONDS_PER_MILLISECOND == 0
    return moment.isoformat(timespec="milliseconds" if whole else "microseconds")


def _utc(moment: datetime) -> datetime:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC)


def _text(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _refused(path, "must be valid Unicode text, got a lone surrogate") from error
    return text


def _key(key: Any, path: str, *, typed: bool) -> str:  # noqa: ANN401 - checked here
    if type(key) is not str and typed:
        try:
            key = key_text(key)
        except ValueError as error:
            message = f"has a key of the type {type(key).__name__}, which has no text to be stored as"
            raise _refused(path, message) from error
    if not isinstance(key, str):
        raise _refused(path, f"has the key {key!r}; keys must be text")
    return _text(key, path)


def _cannot(value: Any, path: str) -> InvalidInputError:  # noqa: ANN401
    return _refused(path, f"has the type {type(value).__name__}, which cannot be stored")


def _refused(path: str, message: str) -> InvalidInputError:
    return InvalidInputError([FieldProblem(path, message)])


_PYTHON: Final[Mapping[str, Callable[[Any], Any]]] = {
    "N": _python_number,
    "NULL": lambda _: None,
    "B": bytes,
    "SS": set,
    "NS": lambda texts: {_python_number(text) for text in texts},
    "BS": lambda parts: {bytes(part) for part in parts},
}
_EVENT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "S": lambda text: {"S": text},
    "N": lambda text: {"N": text},
    "BOOL": lambda flag: {"BOOL": flag},
    "NULL": lambda _: {"NULL": True},
    "M": lambda fields: {"M": fields},
    "L": lambda parts: {"L": parts},
    "B": lambda text: {"B": base64.b64decode(text)},
    "SS": lambda texts: {"SS": texts},
    "NS": lambda texts: {"NS": texts},
    "BS": lambda texts: {"BS": [base64.b64decode(text) for text in texts]},
}
