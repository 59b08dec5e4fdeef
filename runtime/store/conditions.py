"""Whether a condition holds of a row, by the rules of DynamoDB.

DynamoDB decides that itself; the store in memory has it from here. A column that is not there is
neither equal to anything nor less nor greater, and so it is unequal to everything.
"""

from __future__ import annotations

import operator
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from boto3.dynamodb.conditions import AttributeBase, ConditionBase

from runtime.store.codec import encoded_value, folded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.store.values import Row

__all__ = ["InvalidConditionError", "columns_of", "predicate"]

_Comparable: TypeAlias = tuple[str, Any]
_Operand: TypeAlias = "Callable[[Row], _Comparable | None]"
_Predicate: TypeAlias = "Callable[[Row], bool]"

_ORDERED: Final = frozenset("SNB")
_TYPES: Final = frozenset({"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"})
_COMPARISONS: Final = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ORDERINGS: Final = frozenset({"<", "<=", ">", ">="})
_MAX_CHOICES: Final = 100
_STEP: Final = re.compile(r"[^.\[\]]+")


class InvalidConditionError(Exception):
    """DynamoDB would not take the condition, whatever row it is about."""


def predicate(condition: ConditionBase) -> _Predicate:  # noqa: C901, PLR0911 - one case an operator
    """What says of a row whether the condition holds.

    Raises:
        InvalidConditionError: The condition cannot hold of any row, as it makes no sense.
    """
    expression = condition.get_expression()
    name, values = expression["operator"], expression["values"]
    match name:
        case "AND" | "OR":
            first, second = predicate(values[0]), predicate(values[1])
            if name == "AND":
                return lambda row: first(row) and second(row)
            return lambda row: first(row) or second(row)
        case "NOT":
            inner = predicate(values[0])
            return lambda row: not inner(row)
        case "attribute_exists":
            return _exists(values[0])
        case "attribute_not_exists":
            path = values[0].name
            if _is_column(path):
                return lambda row: path not in row
            is_there = _exists(values[0])
            return lambda row: not is_there(row)
        case "IN":
            return _is_in(_operand(values[0]), list(values[1]))
        case "BETWEEN":
            return _is_between(_operand(values[0]), values[1], values[2])
        case "begins_with":
            return _begins_with(_operand(values[0]), _operand(values[1]), _literal(values[1]))
        case "contains":
            return _contains(_operand(values[0]), _operand(values[1]))
        case "attribute_type":
            return _has_type(_operand(values[0]), values[1])
        case "size":
            _refuse("a size is compared with a number; alone it is no condition")
    return _compares(name, _operand(values[0]), _operand(values[1]), _literal(values[1]))


def columns_of(condition: ConditionBase) -> set[str]:
    """Names of the columns that a condition is about."""
    if isinstance(condition, AttributeBase):  # the size of a column is both
        return {_STEP.findall(condition.name)[0]}
    found: set[str] = set()
    for value in condition.get_expression()["values"]:
        if isinstance(value, ConditionBase):
            found |= columns_of(value)
        elif isinstance(value, AttributeBase):
            found.add(_STEP.findall(value.name)[0])
    return found


def _exists(subject: AttributeBase) -> _Predicate:
    path = subject.name
    if _is_column(path):
        return lambda row: path in row
    read = _column(path)
    return lambda row: read(row) is not None


def _compares(name: str, subject: _Operand, other: _Operand, literal: _Comparable | None) -> _Predicate:
    compare = _COMPARISONS[name]
    if name in _ORDERINGS and literal and literal[0] not in _ORDERED:
        _refuse(f"{name} does not take a value of the type {literal[0]}")

    def holds(row: Row) -> bool:
        left, right = subject(row), other(row)
        if left is None or right is None or left[0] != right[0]:
            return name == "<>"
        if name in _ORDERINGS and left[0] not in _ORDERED:
            return False
        return bool(compare(left[1], right[1]))

    return holds


def _is_in(subject: _Operand, choices: list[Any]) -> _Predicate:
    if not 0 < len(choices) <= _MAX_CHOICES:
        _refuse(f"IN takes 1 to {_MAX_CHOICES} values, got {len(choices)}")
    operands = [_operand(choice) for choice in choices]

    def holds(row: Row) -> bool:
        found = subject(row)
        return found is not None and any(operand(row) == found for operand in operands)

    return holds


def _is_between(subject: _Operand, low: Any, high: Any) -> _Predicate:  # noqa: ANN401 - a condition's
    low_literal, high_literal = _literal(low), _literal(high)
    if low_literal and high_literal:
        if low_literal[0] != high_literal[0]:
            _refuse("the bounds of BETWEEN must be of one type")
        if low_literal[0] in _ORDERED and low_literal[1] > high_literal[1]:
            _refuse("the lower bound of BETWEEN is above the upper one")
    above = _compares(">=", subject, _operand(low), low_literal)
    below = _compares("<=", subject, _operand(high), high_literal)
    return lambda row: above(row) and below(row)


def _begins_with(subject: _Operand, other: _Operand, literal: _Comparable | None) -> _Predicate:
    if literal and literal[0] not in {"S", "B"}:
        _refuse(f"begins_with does not take a value of the type {literal[0]}")

    def holds(row: Row) -> bool:
        found, prefix = subject(row), other(row)
        if not found or not prefix or found[0] != prefix[0] or found[0] not in {"S", "B"}:
            return False
        return bool(found[1].startswith(prefix[1]))

    return holds


def _contains(subject: _Operand, other: _Operand) -> _Predicate:
    def holds(row: Row) -> bool:
        found, part = subject(row), other(row)
        if not found or not part:
            return False
        kind, content = found
        if kind == "L":
            return part in content
        # The kind of a set's members is the first letter of its own: "SS" has "S".
        return (kind in {"S", "B"} and part[0] == kind and part[1] in content) or (
            kind in {"SS", "NS", "BS"} and part[0] == kind[0] and part[1] in content
        )

    return holds


def _has_type(subject: _Operand, name: Any) -> _Predicate:  # noqa: ANN401 - checked here
    if name not in _TYPES:
        _refuse(f"there is no type {name!r}; there are {', '.join(sorted(_TYPES))}")

    def holds(row: Row) -> bool:
        found = subject(row)
        return found is not None and found[0] == name

    return holds


def _operand(value: Any) -> _Operand:  # noqa: ANN401 - a condition's
    if isinstance(value, ConditionBase):
        if value.get_expression()["operator"] != "size":
            _refuse("a condition cannot be compared with a value")
        return _size(_operand(value.get_expression()["values"][0]))
    if isinstance(value, AttributeBase):
        return _column(value.name)
    constant = _literal(value)
    return lambda _row: constant


def _literal(value: Any) -> _Comparable | None:  # noqa: ANN401 - a condition's
    if isinstance(value, ConditionBase | AttributeBase):
        return None
    return _comparable(encoded_value(value))


def _column(path: str) -> _Operand:
    if _is_column(path):
        return lambda row: _comparable(encoded_value(row[path])) if path in row else None
    first, *rest = _STEP.findall(path)

    def read(row: Row) -> _Comparable | None:
        wire: Any = encoded_value(row[first]) if first in row else None
        for step in rest:
            wire = wire and _part(wire, step)
        return _comparable(wire) if wire else None

    return read


def _is_column(path: str) -> bool:
    """Whether a path leads to a column itself, and not into one."""
    return "." not in path and "[" not in path


def _part(wire: Mapping[str, Any], step: str) -> Any:  # noqa: ANN401 - a wire value, or None
    ((kind, content),) = wire.items()
    if kind == "M":
        return content.get(step)
    if kind == "L" and step.isdecimal() and int(step) < len(content):
        return content[int(step)]
    return None


def _size(operand: _Operand) -> _Operand:
    def read(row: Row) -> _Comparable | None:
        found = operand(row)
        if found is None or found[0] in {"N", "BOOL", "NULL"}:
            return None
        return "N", Decimal(len(found[1]))

    return read


def _comparable(wire: Mapping[str, Any]) -> _Comparable:
    comparable: _Comparable = folded(wire, _COMPARABLE)
    return comparable


def _tagged(kind: str) -> Callable[[Any], _Comparable]:
    return lambda content: (kind, content)


def _refuse(reason: str) -> NoReturn:
    raise InvalidConditionError(reason)


_COMPARABLE: Final[Mapping[str, Callable[[Any], _Comparable]]] = {
    **{kind: _tagged(kind) for kind in ("S", "BOOL", "NULL", "M", "L")},
    "N": lambda text: ("N", Decimal(text)),
    "B": lambda content: ("B", bytes(content)),
    "SS": lambda texts: ("SS", frozenset(texts)),
    "NS": lambda numbers: ("NS", frozenset(map(Decimal, numbers))),
    "BS": lambda members: ("BS", frozenset(members)),
}
