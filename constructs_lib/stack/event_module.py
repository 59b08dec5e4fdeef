"""What a stack has to know about one module of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import refuse_props_of_brought
from constructs_lib.props.strict_props import strict_dataclass
from constructs_lib.tables.event_store_table import EventStoreTable
from constructs_lib.tables.module_tables import check_kind
from constructs_lib.tables.naming import check_module_name
from constructs_lib.tables.table_options import TableOptions

__all__ = ["EventModule"]

#: What the tables of a module of commands may have, and an events table may not: see ADR 0029.
_OF_COMMANDS: Final = ("replicas", "replica_key_arns")


@strict_dataclass
@dataclass(frozen=True, slots=True)
class EventModule:
    """Events of one kind or several, as the runtime's ``EventModule`` of the same name defines them.

    Example:
        >>> EventModule("blog", handlers=True)

    Attributes:
        name: The name given to ``EventModule`` of the runtime, and to its ``DynamoProvider``.
        handlers: Whether the module has event handlers, which the function ``projector`` runs. Defaults to
            False.
        pull_index: Whether processes outside of Lambda follow the events. Each append costs one write unit
            more. Defaults to False.
        aggregates_index: Whether the aggregates of a tenant can be listed. Each new aggregate costs one write
            unit more. Defaults to False.
        table: Existing tables to use, or what the new ones have beside the usual. Defaults to new ones, made
            by the stack, with nothing of that.

    Raises:
        InvalidPropsError: The name is not one that the runtime takes, a property configures tables that were
            brought along, or an option is one that an events table cannot have.

    """

    name: str
    handlers: bool = False
    pull_index: bool = False
    aggregates_index: bool = False
    table: EventStoreTable | TableOptions | None = None

    def __post_init__(self) -> None:
        """Refuse names and combinations that cannot be deployed."""
        check_module_name("name", self.name)
        if isinstance(self.table, TableOptions):
            given = self.table.given()
            if useless := [name for name in _OF_COMMANDS if name in given]:
                msg = (
                    f"table of the EventModule {self.name!r} must not have {', '.join(useless)}: events are "
                    "appended in one Region, on the condition that nobody else has, which a copy does not "
                    "know; leave it out, and keep a read model there"
                )
                raise InvalidPropsError(msg)
        elif self.table is not None:
            check_kind("table", self.table, EventStoreTable, "CqrsModule")
            refuse_props_of_brought(
                "table",
                handlers=self.handlers,
                pull_index=self.pull_index,
                aggregates_index=self.aggregates_index,
            )
            if self.table.module_name != self.name:
                msg = (
                    f"table must belong to the module {self.name!r}, got the tables of "
                    f"{self.table.module_name!r}; give that EventStoreTable module_name={self.name!r}"
                )
                raise InvalidPropsError(msg)

    @property
    def has_handlers(self) -> bool:
        """Whether a function of the stack runs handlers of this module."""
        if self.table is None or isinstance(self.table, TableOptions):
            return self.handlers
        return self.table.has_handlers
