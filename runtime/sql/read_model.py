"""A data sync handler that keeps one SQL table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from runtime.model.handlers import DataSyncHandler
from runtime.sql.engine import engine_from_environment
from runtime.sql.values import row_problems
from runtime.sql.writes import delete, upsert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Engine

    from runtime.errors import FieldProblem
    from runtime.model.models import CommandModel
    from runtime.sql.columns import CqrsColumns

    RowModel = type[CqrsColumns]

__all__ = ["SqlReadModel"]


class SqlReadModel(DataSyncHandler):
    """Brings a table in step with a module: say which, and what goes into its own columns.

    Example:
        >>> class OrderReadModel(SqlReadModel):
        ...     row = OrderRow
        ...
        ...     def values(self, command):
        ...         return command.attributes.model_dump()

    A module that says ``ask_handlers=True`` refuses, by field and before anything is written,
    what the table's columns would not take.

    Attributes:
        row: Declarative model of the table.
        same_version: Whether a row of the same version is written again, so that a re-sync
            fills a column that was added since. Default: yes.
    """

    type = "sql"
    row: ClassVar[RowModel]
    same_version: ClassVar[bool] = True

    def values(self, command: CommandModel[Any]) -> Mapping[str, Any]:  # noqa: ARG002 - for those that have some
        """Values of the table's own columns, by their names in Python. Default: none."""
        return {}

    def engine(self) -> Engine:
        """Where the table is. Default: `engine_from_environment`."""
        return engine_from_environment()

    def up(self, command: CommandModel[Any]) -> None:
        """Write the row."""
        with self.engine().begin() as connection:
            upsert(connection, self.row, command, same_version=self.same_version, **self.values(command))

    def down(self, command: CommandModel[Any]) -> None:
        """Take the row away."""
        with self.engine().begin() as connection:
            delete(connection, self.row, command)

    def problems(self, command: CommandModel[Any]) -> Sequence[FieldProblem]:
        """What of a command the table's own columns would not take."""
        return row_problems(self.row, command, **self.values(command))
