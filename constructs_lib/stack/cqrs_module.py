"""What a stack has to know about one module of the service."""

from __future__ import annotations

from dataclasses import dataclass

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import refuse_props_of_brought
from constructs_lib.props.strict_props import strict_dataclass
from constructs_lib.tables.cqrs_table import CqrsTable
from constructs_lib.tables.module_tables import check_kind
from constructs_lib.tables.naming import check_module_name
from constructs_lib.tables.processing import Processing
from constructs_lib.tables.table_options import TableOptions

__all__ = ["CqrsModule"]


@strict_dataclass
@dataclass(frozen=True, slots=True)
class CqrsModule:
    """One kind of aggregate, as the runtime's ``CommandModule`` of the same name defines it.

    Example:
        >>> CqrsModule("order", data_sync=True)

    Attributes:
        name: The name given to ``CommandModule``.
        processing: Who applies its commands: a workflow, or the stream function itself.
            Defaults to a workflow.
        data_sync: Whether the module has data sync handlers. Defaults to False.
        table: Existing tables to use, or what the new ones have beside the usual, such as copies in
            other Regions. Defaults to new ones, made by the stack, with nothing of that.

    Raises:
        InvalidPropsError: The name is not one that ``CommandModule`` takes, or a property
            configures tables that were brought along.

    """

    name: str
    processing: Processing = Processing.WORKFLOW
    data_sync: bool = False
    table: CqrsTable | TableOptions | None = None

    def __post_init__(self) -> None:
        """Refuse names and combinations that cannot be deployed."""
        check_module_name("name", self.name)
        if self.table is not None and not isinstance(self.table, TableOptions):
            check_kind("table", self.table, CqrsTable, "EventModule")
            inline = self.processing if self.processing is not Processing.WORKFLOW else None
            refuse_props_of_brought("table", processing=inline, data_sync=self.data_sync)
            if self.table.module_name != self.name:
                msg = (
                    f"table must belong to the module {self.name!r}, got the tables of "
                    f"{self.table.module_name!r}; give that CqrsTable module_name={self.name!r}"
                )
                raise InvalidPropsError(msg)
