"""What can be done with todos, apart from HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from todo.module import todo

if TYPE_CHECKING:
    from runtime import CommandModel
    from todo.attributes import TodoAttributes

__all__ = ["Mode", "create", "todos", "update"]

Mode = Literal["async", "sync"]
"""Whether a command is only accepted, or applied before the call returns."""

#: The todos of the caller's tenant, by code.
todos = todo.service(type="TODO", name="TodoService")


def create(
    attributes: TodoAttributes, *, code: str | None, mode: Mode
) -> CommandModel[TodoAttributes] | None:
    """Publish a new todo, under ``code`` or a new one that sorts by time.

    Raises:
        VersionConflictError: There is, or was, a todo with this code.
    """
    return todos.create(attributes, sk=code, name=attributes.title, sync=mode == "sync")


def update(
    code: str, version: int, attributes: TodoAttributes, *, mode: Mode
) -> CommandModel[TodoAttributes] | None:
    """Publish the next version of a todo; None when nothing would change.

    A todo that was deleted is back after it.

    Raises:
        ItemNotFoundError: There is no such todo.
        InvalidVersionError: It has no such version.
        VersionConflictError: It has a later version.
    """
    return todos.replace(code, attributes, version=version, name=attributes.title, sync=mode == "sync")
