"""Keeps the SQL table in step with the todos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime import DataSyncHandler
from runtime.sql import delete, upsert
from todo.database import TodoRow, engine

if TYPE_CHECKING:
    from runtime import CommandModel
    from todo.attributes import TodoAttributes

__all__ = ["TodoReadModel"]


class TodoReadModel(DataSyncHandler):
    """Writes each version of a todo to PostgreSQL, in one statement."""

    def up(self, command: CommandModel[TodoAttributes]) -> None:
        """Insert the row, or update one that is older. A version that was seen changes nothing."""
        attributes = command.attributes.model_dump() if command.attributes else {}
        with engine().begin() as connection:
            upsert(connection, TodoRow, command, **attributes)

    def down(self, command: CommandModel[TodoAttributes]) -> None:
        """Take the row of a todo that is deleted for good away."""
        with engine().begin() as connection:
            delete(connection, TodoRow, command)
