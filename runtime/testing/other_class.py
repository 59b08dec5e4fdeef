"""Where two equal values differ in their classes: a StrEnum equals its text, and is not it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel

__all__ = ["other_class"]


def other_class(one: object, other: object, name: str) -> str | None:
    """The first place where two equal values are of different classes, in words; None where there is none.

    A whole number may stand for one with a fraction. What is in a set is not looked at: it has no place.

    Args:
        one: What it was.
        other: What it has become.
        name: What to call the value.
    """
    if type(one) is not type(other) and {type(one), type(other)} != {int, float}:
        return f"{name} is a {type(one).__name__}, and is read again as a {type(other).__name__}"
    parts = (other_class(*part) for part in _parts(one, other, name))
    return next((found for found in parts if found is not None), None)


def _parts(one: object, other: object, name: str) -> Iterator[tuple[object, object, str]]:
    if isinstance(one, BaseModel):
        names = list(type(one).model_fields)
    elif dataclasses.is_dataclass(one):
        names = [field.name for field in dataclasses.fields(one)]
    else:
        names = []
    for field in names:
        yield getattr(one, field), getattr(other, field), field if name == "it" else f"{name}.{field}"
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in one:
            yield one[key], other[key], f"{name}[{key!r}]"
    elif isinstance(one, Sequence) and isinstance(other, Sequence) and not isinstance(one, str | bytes):
        for position, pair in enumerate(zip(one, other, strict=True)):
            yield *pair, f"{name}[{position}]"
