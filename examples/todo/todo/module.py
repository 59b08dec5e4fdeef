"""The module: its name, its attributes, its handlers."""

from __future__ import annotations

from runtime import CommandModule
from todo.attributes import TodoAttributes

__all__ = ["todo"]

# The handler is named, not imported: only the function that runs it loads SQLAlchemy.
todo = CommandModule("todo", attributes=TodoAttributes, data_sync_handlers=["todo.read_model:TodoReadModel"])
