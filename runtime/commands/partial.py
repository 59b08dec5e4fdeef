"""Partial updates: the fields that a caller wants to change, as a whole next state.

A field that is not given stays, None sets null, `REMOVE` takes a key away. Dictionaries
are merged key by key; everything else, lists among it, replaces what was there, whatever
type that had.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from runtime.commands.command_row import draft_of
from runtime.errors import BadRequestError, FieldProblem, InvalidInputError
from runtime.model.keys import MAX_VERSION, VERSION_FIRST, VERSION_LATEST, DetailKey, check_natural_key
from runtime.model.models import CommandInputModel
from runtime.model.validation import field_problems, input_model_of, validated_input
from runtime.store.codec import sealed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.commands.base import Base
    from runtime.module_context import ModuleContext
    from runtime.store.values import Row

__all__ = ["REMOVE", "PartialUpdate", "Removal", "merged", "spelled_out"]

_NOTHING_THERE: Final = "Invalid input key: item not found"
_NOTHING_THERE_SYNC: Final = "Invalid input: item not found or version mismatch"

#: Columns of the previous row that are state; everything else is about its own life.
_STATE: Final = ("id", "code", "name", "type", "isDeleted", "seq")


class Removal(Enum):
    """The kind of `REMOVE`."""

    REMOVE = "remove"

    def __repr__(self) -> str:
        return self.name


REMOVE: Final = Removal.REMOVE
"""Value of a key in a partial update that is to go away."""


class _Place(BaseModel):
    pk: str
    sk: str
    version: int = Field(ge=VERSION_LATEST, le=MAX_VERSION, strict=True)


class PartialUpdate:
    """The fields that a caller wants to change, checked as far as they can be without the state.

    Args:
        context: Module of the aggregate.
        command: What the caller passed.
        sync: Whether version 0 is refused, as the reference system's synchronous call does.

    Raises:
        InvalidInputError: A part of the key or the version is missing or wrong, or a field
            is unknown.
    """

    def __init__(self, context: ModuleContext, command: Mapping[str, Any], *, sync: bool) -> None:
        self._context = context
        self._missing = _NOTHING_THERE_SYNC if sync else _NOTHING_THERE
        fields = spelled_out(CommandInputModel, command)
        place = _place(fields)
        self.key = DetailKey(place.pk, place.sk)
        check_natural_key(*self.key)
        if sync and place.version == VERSION_FIRST:
            raise BadRequestError(self._missing)
        self.version = VERSION_LATEST if place.version == VERSION_FIRST else place.version
        self._attributes = self._spelled_out(fields.pop("attributes", {}))
        self._fields = {name: value for name, value in fields.items() if name not in _Place.model_fields}

    def draft(self, base: Base) -> Row:
        """The caller's part of the row: the state at ``base``, with the change in it.

        Raises:
            BadRequestError: There is no state to change.
            InvalidInputError: The state after the change is not valid.
        """
        if base.row is None:
            raise BadRequestError(self._missing)
        row = self._context.rows.values(base.row)
        state = {name: row[name] for name in _STATE if row.get(name) is not None} | self._fields
        attributes = merged(row.get("attributes"), self._attributes)
        command = {**state, **self.key._asdict(), "version": base.version, "attributes": attributes}
        checked = validated_input(input_model_of(self._context.attributes), command)
        draft = draft_of(checked.model_copy(update={"attributes": None}))
        if attributes is not None:
            # What the caller changed is stored as the model writes it; what it did not touch
            # stays to the letter, fields that this version of the model does not know included.
            typed = checked.attributes
            if isinstance(typed, BaseModel):
                attributes = merged(attributes, _same_keys(typed.model_dump(by_alias=True), self._attributes))
            draft["attributes"] = sealed(attributes, path="attributes")
            self._context.large_attributes.check_text(draft["attributes"], self.key)
        return draft

    def _spelled_out(self, attributes: Any) -> Any:  # noqa: ANN401 - checked here
        if attributes is None or attributes is REMOVE:
            return None
        if isinstance(attributes, BaseModel):
            return attributes.model_dump(by_alias=True, exclude_unset=True)
        if not isinstance(attributes, dict):
            message = f"must be an object, null or left out, got {type(attributes).__name__}"
            raise InvalidInputError([FieldProblem("attributes", message)])
        model = self._context.attributes
        is_model = isinstance(model, type) and issubclass(model, BaseModel)
        return spelled_out(model, attributes) if is_model else attributes


def _place(fields: dict[str, Any]) -> _Place:
    known = {field.alias or name for name, field in CommandInputModel.model_fields.items()}
    problems = [
        FieldProblem(name, f"is no field of a command; known are {', '.join(sorted(known))}")
        for name in fields
        if name not in known
    ]
    try:
        place = TypeAdapter(_Place).validate_python(fields)
    except ValidationError as error:
        problems += field_problems(error)
    if problems:
        raise InvalidInputError(problems)
    return place


def _same_keys(values: dict[str, Any], shape: Any) -> dict[str, Any]:  # noqa: ANN401
    """The part of ``values`` that ``shape`` has keys for."""
    if not isinstance(shape, dict):
        return values
    found = {}
    for name, inner in shape.items():
        if name in values and inner is not REMOVE:
            value = values[name]
            both = isinstance(value, dict) and isinstance(inner, dict)
            found[name] = _same_keys(value, inner) if both else value
    return found


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
