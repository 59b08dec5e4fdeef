"""Partial updates: the fields that a caller wants to change, as a whole next state.

A field that is not given stays, None sets null, `REMOVE` takes a key away. Dictionaries
are merged key by key; everything else, lists among it, replaces what was there, whatever
type that had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from runtime.commands.change import REMOVE, Removal, merged, spelled
from runtime.commands.command_row import Draft, columns_of
from runtime.errors import BadRequestError, FieldProblem, InvalidInputError
from runtime.model.attributes_type import attributes_type
from runtime.model.keys import MAX_VERSION, VERSION_FIRST, VERSION_LATEST, DetailKey, check_natural_key
from runtime.model.models import CommandInputModel
from runtime.model.validation import field_problems, validated_input
from runtime.store.codec import opened, sealed

if TYPE_CHECKING:
    from runtime.commands.base import Base
    from runtime.module_context import ModuleContext
    from runtime.store.row_reader import Written
    from runtime.store.values import Row

__all__ = ["REMOVE", "PartialUpdate", "Removal", "merged"]

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
        context: Module of the aggregate.
        command: What the caller passed.
        sync: Whether version 0 is refused, as the reference system's synchronous call does.

    Raises:
        InvalidInputError: A part of the key or the version is missing or wrong, or a field
            is unknown.
    """

    def __init__(self, context: ModuleContext, command: Mapping[str, Any], *, sync: bool) -> None:
        self._context = context
        self._type = attributes_type(context.attributes)
        self._missing = _NOTHING_THERE_SYNC if sync else _NOTHING_THERE
        fields = _spelled_out(command)
        place = _place(fields)
        self.key = DetailKey(place.pk, place.sk)
        check_natural_key(*self.key)
        if sync and place.version == VERSION_FIRST:
            raise BadRequestError(self._missing)
        self.version = VERSION_LATEST if place.version == VERSION_FIRST else place.version
        self._attributes = _change_of(fields.pop("attributes", {}))
        self._fields = {name: value for name, value in fields.items() if name not in _Place.model_fields}

    def draft(self, base: Base) -> Draft:
        """The caller's part of the row: the state at ``base``, with the change in it.

        Raises:
            BadRequestError: There is no state to change.
            InvalidInputError: The state after the change is not valid.
        """
        return replace(self._drafted(base), says_ttl="ttl" in self._fields)

    def _drafted(self, base: Base) -> Draft:
        if base.row is None:
            raise BadRequestError(self._missing)
        state = {n: opened(base.row[n]) for n in _STATE if base.row.get(n) is not None} | self._fields
        command = {**state, **self.key._asdict(), "version": base.version}
        checked = validated_input(CommandInputModel[Any], command)
        if self._attributes == {}:
            return self._untouched(checked, base)
        if self._attributes is None:
            written = self._context.rows.written(None)
        else:
            written = self._changed(self._context.rows.values(base.row).get("attributes"))
        attributes = {} if written.column is None else {"attributes": written.column}
        self._context.large_attributes.check_text(written.column, self.key)
        return Draft(columns_of(checked) | attributes, written.attributes)

    def _untouched(self, checked: CommandInputModel[Any], base: Base) -> Draft:
        """A draft with the attributes as they are.

        A state that is to live on has to be valid by the rules of today. A deletion keeps what is
        there to the letter, whatever the model has become since.
        """
        context, row, columns = self._context, base.row or {}, columns_of(checked)
        if "attributes" not in row:
            return Draft(columns, context.rows.any_attributes(row))
        if not checked.is_deleted:
            values = context.rows.values(row)["attributes"]
            typed = values if self._type.is_free else context.rows.checked(values)
            return Draft(columns | {"attributes": self._kept(row, values)}, typed)
        stamp = context.schema.stamp(context.schema.of(row), base.version + 1)
        return Draft(columns | {"attributes": row["attributes"]} | stamp, context.rows.any_attributes(row))

    def _kept(self, row: Row, values: Any) -> Any:  # noqa: ANN401 - any stored value
        if self._context.schema.is_current(row):
            return row["attributes"]
        return sealed(values, path="attributes")

    def _changed(self, before: Any) -> Written:  # noqa: ANN401 - any stored value
        wanted, base = spelled(self._type.shape, self._attributes, before)
        rows, after = self._context.rows, merged(base, wanted)
        if self._type.is_free:
            return rows.written(after)
        typed = rows.checked(after)
        # What the caller changed is stored as the model writes it; what it did not touch
        # stays to the letter, fields that this version of the model does not know included.
        return rows.written(typed, merged(after, _same_keys(rows.stored(typed), wanted)))


def _change_of(attributes: Any) -> Any:  # noqa: ANN401 - checked here
    """What is to change in the attributes; None where they are to go away."""
    if attributes is None or attributes is REMOVE:
        return None
    if isinstance(attributes, BaseModel):
        return attributes.model_dump(by_alias=True, exclude_unset=True, round_trip=True)
    if not isinstance(attributes, Mapping):
        message = f"must be an object, null or left out, got {type(attributes).__name__}"
        raise InvalidInputError([FieldProblem("attributes", message)])
    return dict(attributes)


def _spelled_out(command: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a command under the names that they are stored with."""
    names = CommandInputModel.model_fields
    found: dict[str, Any] = {}
    for name, value in command.items():
        stored = (names[name].alias or name) if name in names else name
        if stored in found:
            raise InvalidInputError([FieldProblem(name, f"is given twice: it is {stored!r}, too")])
        found[stored] = value
    return found


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
