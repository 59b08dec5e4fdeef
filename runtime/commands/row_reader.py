"""Rows as models, with their attributes in them wherever they are kept."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, cast

from runtime.generics import AttributesT
from runtime.models import CommandModel, DataModel
from runtime.storage.codec import from_wire

if TYPE_CHECKING:
    from runtime.module import CommandModule
    from runtime.storage.codec import Item

__all__ = ["RowReader"]


class RowReader(Generic[AttributesT]):
    """Makes models of a module's rows. Large attributes cost one call each."""

    def __init__(self, module: CommandModule[AttributesT]) -> None:
        self._large_attributes = module.resources.large_attributes
        self._attributes: Any = module.attributes or dict[str, Any]

    def command(self, row: Item) -> CommandModel[AttributesT]:
        """The command in a row of the command table."""
        return self._command_model.model_validate(from_wire(self._large_attributes.load(row)))

    def data(self, row: Item) -> DataModel[AttributesT]:
        """The state in a row of the data or history table."""
        return self._data_model.model_validate(from_wire(self._large_attributes.load(row)))

    @cached_property
    def _command_model(self) -> type[CommandModel[AttributesT]]:
        return cast("type[CommandModel[AttributesT]]", CommandModel.__class_getitem__(self._attributes))

    @cached_property
    def _data_model(self) -> type[DataModel[AttributesT]]:
        return cast("type[DataModel[AttributesT]]", DataModel.__class_getitem__(self._attributes))
