"""Keeps the SQL table in step with the todos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.postgresql import insert

from runtime import DataSyncHandler, remove_sort_key_version
from todo.database import TodoRow, engine

if TYPE_CHECKING:
    from runtime import CommandModel
    from todo.attributes import TodoAttributes

__all__ = ["TodoReadModel"]

#: Who made a todo, and when, is what its first version says.
_NEVER_CHANGED = {"id", "created_at", "created_by"}


class TodoReadModel(DataSyncHandler):
    """Writes each version of a todo to PostgreSQL, in one statement."""

    def up(self, command: CommandModel[TodoAttributes]) -> None:
        """Insert the row, or update one that is older. A version that was seen changes nothing."""
        row = insert(TodoRow).values(_columns(command))
        changed = {
            column.name: row.excluded[column.name]
            for column in TodoRow.__table__.columns
            if column.name not in _NEVER_CHANGED
        }
        upsert = row.on_conflict_do_update(
            index_elements=[TodoRow.id], set_=changed, where=TodoRow.version < row.excluded.version
        )
        with engine().begin() as connection:
            connection.execute(upsert)


def _columns(command: CommandModel[TodoAttributes]) -> dict[str, Any]:
    common = command.model_dump(include=set(TodoRow.__table__.columns.keys()) - {"sk", "is_deleted"})
    attributes = command.attributes.model_dump() if command.attributes else {}
    return {
        **common,
        **attributes,
        "sk": remove_sort_key_version(command.sk),
        "is_deleted": bool(command.is_deleted),
    }
