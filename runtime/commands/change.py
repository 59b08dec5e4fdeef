"""A change of some attributes, by the shape of their type.

A name of a field may be spelled as in Python or as it is stored, at any depth. The key of a mapping is
data and stays as it is. A name that is nobody's is refused where the type keeps no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import BaseModel

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.json_values import has_typed_keys, typed_key
from runtime.model.plain_text import key_text
from runtime.model.shape import Choice, Items, Map, Record
from runtime.model.shape_walk import chosen

if TYPE_CHECKING:
    from runtime.model.shape import Shape

__all__ = ["REMOVE", "Removal", "Spelled", "merged", "spelled"]

_MOST_NAMES: Final = 20


class Removal(Enum):
    """The kind of `REMOVE`."""

    REMOVE = object()  # nothing that could be stored by mistake

    def __repr__(self) -> str:
        return self.name


REMOVE: Final = Removal.REMOVE
"""Value of a key in a partial update that is to go away."""


class Spelled(NamedTuple):
    """A change with the names that are stored.

    Attributes:
        change: The change.
        base: What it is merged into: each field that is to change under the name that it is stored
            with, whatever name another writer gave it.
    """

    change: Any
    base: Any


def spelled(shape: Shape, change: Any, base: Any) -> Spelled:  # noqa: ANN401 - of the caller's, and as stored
    """A change of attributes, and the attributes before, with the names that are stored.

    Args:
        shape: Shape of the attributes.
        change: What is to change.
        base: The attributes before, as they are stored.

    Raises:
        InvalidInputError: A name is unknown, given twice, or that of a computed field.
    """
    walk = _Walk()
    found = Spelled(*walk.spelled(shape, change, base, "attributes"))
    if walk.problems:
        raise InvalidInputError(walk.problems)
    return found


class _Walk:
    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []

    def spelled(self, shape: Shape, change: Any, base: Any, path: str) -> tuple[Any, Any]:  # noqa: ANN401
        """The change, and what it is merged into, with the names that are stored."""
        shape = shape.real()
        if isinstance(change, BaseModel):
            change = change.model_dump(by_alias=True, round_trip=True)
        if isinstance(change, list | tuple):
            return self._list(shape, change, path), base
        if not isinstance(change, Mapping):
            return change, base
        before = base if isinstance(base, dict) else {}
        if isinstance(shape, Choice):
            option = chosen(shape, {n: v for n, v in change.items() if v is not REMOVE}, before)
            was = chosen(shape, before) if before else None
            if was is not None and option is not was:
                before = _without(was, option, before)
            return self.spelled(option, change, before, path) if option else (change, base)
        if isinstance(shape, Record):
            return self._record(shape, change, before, path)
        return self._map(shape, change, before, path)

    def _record(
        self, shape: Record, change: Mapping[Any, Any], base: dict[str, Any], path: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        wanted: dict[str, Any] = {}
        after = dict(base)
        for name, value in change.items():
            field = shape.names.get(name) if isinstance(name, str) else None  # a key may be anything
            place = f"{path}.{name}"
            if field is None:
                self._unknown(shape, name, value, base, place)
                wanted[name] = value
                continue
            if field.is_excluded:
                message = "is excluded from what is written, so that it would be lost; leave it out"
                self.problems.append(FieldProblem(place, message))
                continue
            if field.stored in wanted:
                self.problems.append(FieldProblem(place, f"is given twice: it is {field.stored!r}, too"))
                continue
            found = [after.pop(spelling) for spelling in field.spellings if spelling in after]
            wanted[field.stored], inner = self.spelled(field.shape, value, found[0] if found else None, place)
            if found:
                after[field.stored] = inner
        return wanted, after

    def _unknown(self, shape: Record, name: object, value: object, base: dict[str, Any], place: str) -> None:
        if name in shape.computed:
            self.problems.append(FieldProblem(place, "is computed of other fields; leave it out"))
        elif not shape.allows_extras and not (value is REMOVE and name in base):
            known = sorted(field.stored for field in shape.fields)
            more = ", …" if len(known) > _MOST_NAMES else ""
            message = f"is no field of {shape.title}; known are {', '.join(known[:_MOST_NAMES])}{more}"
            self.problems.append(FieldProblem(place, message))

    def _map(
        self, shape: Shape, change: Mapping[Any, Any], base: dict[str, Any], path: str
    ) -> tuple[dict[Any, Any], dict[str, Any]]:
        wanted: dict[Any, Any] = {}
        after: dict[Any, Any] = dict(base)
        typed_keys = shape.key if isinstance(shape, Map) and has_typed_keys(shape) else None
        # A key that is no text may stand there in another spelling than the one it is given in.
        there = {typed_key(typed_keys, name): name for name in base} if typed_keys else {}
        inner_shape = shape.value if isinstance(shape, Map) else shape
        for key, value in change.items():
            name = key
            if typed_keys:
                typed = typed_key(typed_keys, key)
                name = _key(typed)
                if (was := there.get(typed, name)) != name:
                    after[name] = after.pop(was)
            elif isinstance(shape, Map):
                name = _key(key)
            place = f"{path}.{key}"
            if name in wanted:
                self.problems.append(FieldProblem(place, f"is given twice: it is {name!r}, too"))
                continue
            wanted[name], inner = self.spelled(inner_shape, value, after.get(name), place)
            if name in after:
                after[name] = inner
        return wanted, after

    def _list(self, shape: Shape, change: list[Any] | tuple[Any, ...], path: str) -> list[Any]:
        """A list as it replaces the one before: with the names that are stored, too."""
        if isinstance(shape, Choice):
            options = (option.real() for option in shape.options)
            shape = next((option for option in options if isinstance(option, Items)), shape)
        found = []
        for index, value in enumerate(change):
            place = f"{path}.{index}"
            if value is REMOVE:
                message = "must not be REMOVE, which takes keys away; give the whole list without the item"
                self.problems.append(FieldProblem(place, message))
            inner = shape.of(index) if isinstance(shape, Items) else shape
            found.append(self.spelled(inner, value, None, place)[0])
        return found


def _without(was: Shape, option: Shape | None, base: dict[str, Any]) -> dict[str, Any]:
    """A value of one option of a union, without what only that option knows."""
    if not isinstance(was, Record) or not isinstance(option, Record):
        return base
    return {name: value for name, value in base.items() if name in option.names or name not in was.names}


def _key(key: object) -> object:
    try:
        return key_text(key)
    except ValueError:
        return key


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
