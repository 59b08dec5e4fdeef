"""What a todo is."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - pydantic reads the annotations
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from runtime import CqrsModel

__all__ = ["Priority", "TodoAttributes"]

#: One line of text: no control characters, which PostgreSQL would not take either.
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"),
]


class Priority(StrEnum):
    """How much it matters."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class TodoAttributes(CqrsModel):
    """The fields of a todo that are its own.

    Attributes:
        title: What to do, in one line of 1 to 200 characters.
        done: Whether it is done.
        due_date: The day by which it is to be done.
        priority: How much it matters.
    """

    title: Line
    done: bool = Field(default=False, strict=True)
    due_date: date | None = None
    priority: Priority = Priority.NORMAL
