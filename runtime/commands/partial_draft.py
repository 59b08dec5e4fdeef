"""A partial update as a whole next state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from runtime.commands.command_row import draft_of
from runtime.commands.partial_update import REMOVE, merged, spelled_out
from runtime.errors import BadRequestError, FieldProblem, InvalidInputError
from runtime.model.keys import MAX_VERSION, VERSION_FIRST, VERSION_LATEST, DetailKey, check_natural_key
from runtime.model.models import CommandInputModel
from runtime.model.validation import field_problems, validated_input
from runtime.store.codec import to_wire_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.commands.decision import Base
    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["PartialUpdate"]

_NOTHING_THERE: Final = "Invalid input key: item not found"
_NOTHING_THERE_SYNC: Final = "Invalid input: item not found or version mismatch"

#: Columns of the previous row that are state; everything else is about its own life.
_STATE: Final = ("id", "code", "name", "type", "isDeleted", "seq")


class _Place(BaseModel):
    pk: str
    sk: str
    version: int = Field(ge=VERSION_LATEST, le=MAX_VERSION, strict=True)


class PartialUpdate:
    """The fields that a caller wants to change, checked as far as they can be without the state.

    Args:
        module: Module of the aggregate.
        command: What the caller passed.
        sync: Whether version 0 is refused, as the reference system's synchronous call does.

    Raises:
        InvalidInputError: A part of the key or the version is missing or wrong, or a field
            is unknown.
    """

    def __init__(self, module: CommandModule[Any], command: Mapping[str, Any], *, sync: bool) -> None:
        self._module = module
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

    def draft(self, base: Base) -> Item:
        """The caller's part of the row: the state at ``base``, with the change in it.

        Raises:
            BadRequestError: There is no state to change.
            InvalidInputError: The state after the change is not valid.
        """
        if base.row is None:
            raise BadRequestError(self._missing)
        row = self._module.rows.values(base.row)
        state = {name: row[name] for name in _STATE if row.get(name) is not None} | self._fields
        attributes = merged(row.get("attributes"), self._attributes)
        command = {**state, **self.key._asdict(), "version": base.version, "attributes": attributes}
        checked = validated_input(self._module.input_model, command)
        draft = draft_of(checked.model_copy(update={"attributes": None}))
        if attributes is not None:
            # What the caller changed is stored as the model writes it; what it did not touch
            # stays to the letter, fields that this version of the model does not know included.
            typed = checked.attributes
            if isinstance(typed, BaseModel):
                attributes = merged(attributes, _same_keys(typed.model_dump(by_alias=True), self._attributes))
            draft["attributes"] = to_wire_value(attributes, path="attributes")
        return draft

    def _spelled_out(self, attributes: Any) -> Any:  # noqa: ANN401 - checked here
        if attributes is None or attributes is REMOVE:
            return None
        if isinstance(attributes, BaseModel):
            return attributes.model_dump(by_alias=True, exclude_unset=True)
        if not isinstance(attributes, dict):
            message = f"must be an object, null or left out, got {type(attributes).__name__}"
            raise InvalidInputError([FieldProblem("attributes", message)])
        model = self._module.attributes
        return spelled_out(model, attributes) if model and issubclass(model, BaseModel) else attributes


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
