"""Rows as models, with their attributes in them wherever they are kept."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, cast

from pydantic import ValidationError

from runtime.generics import AttributesT
from runtime.model.models import CommandModel, DataModel
from runtime.store.codec import from_wire, to_wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["RowReader"]


class RowReader(Generic[AttributesT]):
    """Makes models of a module's rows. Large attributes cost one call each."""

    def __init__(self, module: CommandModule[AttributesT]) -> None:
        self._large_attributes = module.resources.large_attributes
        self._schema = module.schema
        self._attributes: Any = module.attributes or dict[str, Any]

    def command(self, row: Item) -> CommandModel[AttributesT]:
        """The command in a row of the command table."""
        return self._command_model.model_validate(self.values(row))

    def data(self, row: Item) -> DataModel[AttributesT]:
        """The state in a row of the data or history table."""
        return self._data_model.model_validate(self.values(row))

    def values(self, row: Item) -> dict[str, Any]:
        """The columns of any row as Python values, with its attributes in the current schema.

        Raises:
            NewerSchemaError: The row has a schema that this code does not know.
            UpcastError: An upcaster failed.
        """
        is_current = self._schema.is_current(row)
        values = from_wire(self._large_attributes.load(row))
        if not is_current and isinstance(attributes := values.get("attributes"), dict):
            values["attributes"] = self._schema.upcast(row, attributes)
        return values

    def forms(self, row: Item) -> Iterator[Item]:
        """The row with its attributes in it, in each form that says the same.

        As it is stored; of an older schema, as upcast and as the model writes that.
        """
        if self._schema.is_current(row):
            yield self._large_attributes.load(row)
            return
        values = self.values(row)
        yield to_wire({"attributes": values.get("attributes")})
        with suppress(ValidationError):  # what does not fit the model is not what it writes
            yield to_wire({"attributes": self._data_model.model_validate(values).attributes})

    @cached_property
    def _command_model(self) -> type[CommandModel[AttributesT]]:
        return cast("type[CommandModel[AttributesT]]", CommandModel.__class_getitem__(self._attributes))

    @cached_property
    def _data_model(self) -> type[DataModel[AttributesT]]:
        return cast("type[DataModel[AttributesT]]", DataModel.__class_getitem__(self._attributes))
