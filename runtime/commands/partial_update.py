"""Merging a partial update into the state that it builds on.

A field that is not given stays, None sets null, `REMOVE` takes a key away. Dictionaries
are merged key by key; everything else, lists among it, replaces what was there, whatever
type that had.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["REMOVE", "Removal", "merged", "spelled_out"]


class Removal(Enum):
    """The kind of `REMOVE`."""

    REMOVE = "remove"

    def __repr__(self) -> str:
        return self.name


REMOVE: Final = Removal.REMOVE
"""Value of a key in a partial update that is to go away."""


def merged(base: Any, change: Any) -> Any:  # noqa: ANN401 - any two values
    """``base`` after ``change``; neither is touched.

    >>> merged({"a": 1, "b": {"c": 2}}, {"a": REMOVE, "b": {"d": 3}})
    {'b': {'c': 2, 'd': 3}}
    """
    if not isinstance(change, dict):
        return change
    result = dict(base) if isinstance(base, dict) else {}
    for name, value in change.items():
        if value is REMOVE:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def spelled_out(model: type[BaseModel], change: Mapping[str, Any]) -> dict[str, Any]:
    """``change`` with the names that ``model`` stores: aliases in place of Python names."""
    found: dict[str, Any] = {}
    for name, value in change.items():
        field = model.model_fields.get(name)
        inner = _model_in(model, name)
        nested = isinstance(value, dict) and inner is not None
        found[(field.alias if field else None) or name] = spelled_out(inner, value) if nested else value  # type: ignore[arg-type]
    return found


def _model_in(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    for own, field in model.model_fields.items():
        if name in {own, field.alias}:
            candidates = (field.annotation, *getattr(field.annotation, "__args__", ()))
            return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
    return None
