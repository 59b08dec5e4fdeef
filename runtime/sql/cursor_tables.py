"""The tables of cursors in a SQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

from runtime.model.cursor import MAX_ERROR
from runtime.sql.types import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Row
    from sqlalchemy.types import TypeEngine

__all__ = ["CursorTables", "columns_in"]

_ERROR: Final = text(MAX_ERROR)
#: By the names that a cursor row has everywhere.
_COLUMNS: Final[Mapping[str, TypeEngine[Any]]] = {
    "version": BigInteger(),
    "resume": BigInteger(),
    "claim": text(255),
    "claimUntil": BigInteger(),
    "wanted": BigInteger(),
    "failedVersion": BigInteger(),
    "failedError": _ERROR,
    "failedSince": BigInteger(),
    "attempts": Integer(),
    "parkedVersion": BigInteger(),
    "parkedAt": String(40),
    "parkedError": _ERROR,
    "skipped": Text(),
}


class CursorTables:
    """The two tables: one row for each cursor, and one for each handler.

    Args:
        prefix: What their names begin with.
        metadata: What they belong to. Default: one of their own.
    """

    def __init__(self, prefix: str, metadata: MetaData | None = None) -> None:
        self.metadata = MetaData() if metadata is None else metadata
        self.cursors = Table(
            f"{prefix}event_cursors",
            self.metadata,
            # A digest of what follows: keys may be longer than any index takes.
            Column("id", String(64), primary_key=True),
            Column("handler", text(255), nullable=False),
            Column("generation", Integer, nullable=False),
            Column("pk", text(2048), nullable=False),
            *(Column(_snake_case(name), kind, key=name) for name, kind in _COLUMNS.items()),
        )
        self.handlers = Table(
            f"{prefix}event_handlers",
            self.metadata,
            Column("name", String(255), primary_key=True),
            Column("revision", String(64), nullable=False),
            Column("columns", Text, nullable=False),
        )


def columns_in(table: Table, row: Row[Any]) -> Mapping[str, Any]:
    """The columns of a row that have a value, by the names that a cursor row has everywhere."""
    return {column.key: value for column, value in zip(table.c, row, strict=True) if value is not None}


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
