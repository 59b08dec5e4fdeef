"""Conditions and order from names and values that a client may have sent."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pydantic.alias_generators import to_camel
from sqlalchemy import JSON, ColumnElement, LargeBinary, String, false, or_

from runtime.errors import FieldProblem
from runtime.sql.columns import INTERNAL
from runtime.sql.types import FittedText
from runtime.sql.values import columns_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.sql.columns import CqrsColumns

__all__ = ["Fields", "text_problem"]

_MAX_TEXT: Final = 1000
_MAX_WORDS: Final = 10
_MAX_INTEGER: Final = 2**63 - 1


class Fields:
    """The columns of a model that can be compared, by either spelling of their names.

    Its methods add what is wrong to ``problems``, and build what is right. No name and no
    value becomes part of a statement's text.

    Args:
        model: The model.
        problems: What is wrong so far; added to.
    """

    def __init__(self, model: type[CqrsColumns], problems: list[FieldProblem]) -> None:
        columns = columns_of(model).items()
        comparable = [name for name, c in columns if name not in INTERNAL and _is_comparable(c.type)]
        self._problems = problems
        self._known = ", ".join(sorted(to_camel(name) for name in comparable))
        self._columns: dict[str, ColumnElement[Any]] = {
            spelling: getattr(model, name) for name in comparable for spelling in (name, to_camel(name))
        }

    def order(self, order_bys: Sequence[str], *, most: int) -> list[ColumnElement[Any]]:
        """Columns to sort by; a ``-`` in front of a name turns it round."""
        if isinstance(order_bys, str) or len(order_bys) > most:
            self._wrong("orderBys", f"must be a list of at most {most} columns")
            return []
        found = [(entry, self._column("orderBys", entry.removeprefix("-"))) for entry in order_bys]
        return [
            column.desc() if entry.startswith("-") else column.asc()
            for entry, column in found
            if column is not None
        ]

    def equal(self, filters: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        """Columns that have a value, or one of several."""
        conditions = []
        for name, wanted in filters.items():
            column = self._column(name, name)
            if column is None:
                continue
            several = isinstance(wanted, Collection) and not isinstance(wanted, str | bytes)
            values = list(wanted) if several else [wanted]
            for message in filter(None, (_problem(column.type, value) for value in values)):
                self._wrong(name, message)
            present = [value for value in values if value is not None]
            is_null = column.is_(None) if None in values else false()
            conditions.append(or_(column.in_(present), is_null) if several else column == wanted)
        return conditions

    def containing(self, words: Sequence[str], names: Sequence[str]) -> list[ColumnElement[bool]]:
        """Each word in at least one of the columns."""
        if len(words) > _MAX_WORDS:
            self._wrong("keyword", f"must be at most {_MAX_WORDS} words, got {len(words)}")
            return []
        columns = []
        for name in names:
            column = self._column("keywordColumns", name)
            if column is not None and not _is_text(column.type):
                self._wrong("keywordColumns", f"must be columns of text, got {name}")
            elif column is not None:
                columns.append(column)
        return [
            or_(false(), *(column.icontains(word, autoescape=True) for column in columns)) for word in words
        ]

    def _column(self, field: str, name: str) -> ColumnElement[Any] | None:
        if name not in self._columns:
            self._wrong(field, f"there is no column {name[:100]!r}; known are {self._known}")
        return self._columns.get(name)

    def _wrong(self, field: str, message: str) -> None:
        self._problems.append(FieldProblem(field, message))


def text_problem(value: str) -> str | None:
    """Why a database would not take a text; None when it would."""
    if len(value) > _MAX_TEXT:
        return f"must be at most {_MAX_TEXT} characters, got {len(value)}"
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        return "must be valid Unicode text without the character NUL"
    return None


def _is_comparable(kind: Any) -> bool:  # noqa: ANN401 - a type of SQLAlchemy
    return not isinstance(kind, JSON | LargeBinary) and _python_type(kind) not in {list, dict, bytes}


def _is_text(kind: Any) -> bool:  # noqa: ANN401 - a type of SQLAlchemy
    return isinstance(kind, String | FittedText)


def _python_type(kind: Any) -> type:  # noqa: ANN401 - a type of SQLAlchemy
    try:
        found: type = kind.python_type
    except NotImplementedError:  # a type of the user's own
        return object
    return found


def _problem(kind: Any, value: object) -> str | None:  # noqa: ANN401 - a type of SQLAlchemy
    """Why a column of a type cannot be compared with a value: a database would fail on it."""
    if isinstance(value, str) and (message := text_problem(value)):
        return message
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        return f"must be at most {_MAX_INTEGER}"
    wanted = _python_type(kind)
    fits: tuple[type, ...] = (wanted,)
    if wanted in {float, Decimal}:
        fits = (int, float, Decimal)
    elif _is_text(kind):  # an Enum's names, too
        fits = (wanted, str)
    is_flag = isinstance(value, bool) and wanted not in {bool, object}
    if value is None or (isinstance(value, fits) and not is_flag):
        return None
    return f"must be of the type {wanted.__name__}, got {type(value).__name__}"
