"""The module: its name, its attributes, its handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime import CommandModule

if TYPE_CHECKING:
    from todo.attributes import TodoAttributes

__all__ = ["todo"]

# Both are named, not imported: only functions that read todos load pydantic, only the worker SQLAlchemy.
todo: CommandModule[TodoAttributes] = CommandModule(
    "todo", attributes="todo.attributes:TodoAttributes", data_sync_handlers=["todo.read_model:TodoReadModel"]
)
