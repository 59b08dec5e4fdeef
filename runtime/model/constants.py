"""Enumerations and literals: which of their values is meant by what JSON or a row has.

Pydantic looks a value up as it is. But neither JSON nor a row has bytes, tuples or dates, a row has no
floats, and a key of a mapping is text: what was written of such a value would not be found again.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from decimal import Decimal
from enum import Enum, Flag
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from runtime.model.plain_text import key_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.model.shape import Leaf

__all__ = ["CONSTANT_KINDS", "constant", "constant_of_key", "has_other_forms"]

CONSTANT_KINDS: Final = frozenset({"enum", "literal"})
"""Kinds of core schemas that name the values which they take."""


def has_other_forms(schema: Mapping[str, Any]) -> bool:
    """Whether a value of an enumeration or a literal is no text: it may be written as something else."""
    return any(not isinstance(_value(one), str) for one in _constants(schema))


def constant(leaf: Leaf, value: Any, *, json: bool) -> Any:  # noqa: ANN401
    """The member, or the literal, that a value stands for; the value itself where it is none.

    Args:
        leaf: An enumeration or a literal.
        value: Of JSON, or of a row.
        json: Whether it is of JSON, in which bytes are base64.
    """
    schema = leaf.schema["schema"]
    for exactly in (True, False):
        for one in _constants(schema):
            own = _value(one)
            if (type(own) is type(value) and own == value) if exactly else _is(own, value, json=json):
                return one
    return _combined(schema, value)


def constant_of_key(leaf: Leaf, text: str) -> Any:  # noqa: ANN401
    """What the text that stands for a key of a mapping means."""
    found = _by_key(leaf).get(text)
    if found is not None:
        return found
    with suppress(ValueError):
        combined = _combined(leaf.schema["schema"], int(text))
        return combined if isinstance(combined, Flag) else text
    return text


@cache
def _by_key(leaf: Leaf) -> dict[str, Any]:
    found = {}
    for one in _constants(leaf.schema["schema"]):
        with suppress(ValueError):  # it has no text
            found[key_text(one)] = one
    return found


def _constants(schema: Mapping[str, Any]) -> Sequence[Any]:
    found: Sequence[Any] = schema["members"] if schema["type"] == "enum" else schema["expected"]
    return found


def _value(one: Any) -> Any:  # noqa: ANN401
    return one.value if isinstance(one, Enum) else one


def _combined(schema: Mapping[str, Any], value: Any) -> Any:  # noqa: ANN401
    """Several flags at once are no member of their own."""
    cls = schema.get("cls")
    if isinstance(cls, type) and issubclass(cls, Flag) and type(value) is int:
        with suppress(ValueError):
            return cls(value)
    return value


def _is(own: Any, value: Any, *, json: bool) -> bool:  # noqa: ANN401, PLR0911 - one case a type
    """Whether a value is what is written of a constant's own."""
    own = _value(own)
    if own is None or isinstance(own, str | bool):
        return type(own) is type(value) and bool(own == value)
    if isinstance(own, int | float | Decimal):
        is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        return is_number and _exact(own) == _exact(value)
    if isinstance(own, bytes):
        return bool(own == (_decoded(value) if json and isinstance(value, str) else value))
    if isinstance(own, list | tuple):
        if not isinstance(value, list | tuple) or len(own) != len(value):
            return False
        return all(_is(one, other, json=json) for one, other in zip(own, value, strict=True))
    if isinstance(own, dict):
        if not isinstance(value, dict) or own.keys() != value.keys():
            return False
        return all(_is(inner, value[name], json=json) for name, inner in own.items())
    return isinstance(value, str) and bool(own == _parsed(type(own), value))


def _exact(number: float | Decimal) -> Decimal | int:
    return Decimal(repr(number)) if isinstance(number, float) else number


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _parsed(kind: Any, text: str) -> Any:  # noqa: ANN401
    """What a text is of a type that JSON has no form for, such as a date."""
    try:
        return _adapter(kind).validate_python(text)
    except ValidationError:
        return None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - a class
    return TypeAdapter(kind)
