"""Column types that mean the same on PostgreSQL, MySQL and SQLite."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import DateTime, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

__all__ = ["MYSQL", "UtcDateTime", "exact_text", "text"]

#: What SQLAlchemy calls MySQL and its sibling.
MYSQL: Final = ("mysql", "mariadb")


def exact_text(length: int) -> TypeEngine[str]:
    """Text of a key, which compares letter by letter.

    Args:
        length: Most characters on MySQL, where an index has 3072 bytes of 4 for each
            character. PostgreSQL needs no limit, and SQLite keeps none.
    """
    # By default MySQL takes `a1` and `A1` for one key. DynamoDB does not.
    return _unlimited_elsewhere(length, mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"))


def text(length: int) -> TypeEngine[str]:
    """Text for people, of ``length`` characters at most on MySQL."""
    return _unlimited_elsewhere(length, mysql.VARCHAR(length, charset="utf8mb4"))


def _unlimited_elsewhere(length: int, on_mysql: mysql.VARCHAR) -> TypeEngine[str]:
    # A handler that fails on a long name would park every later version of the aggregate.
    return String(length).with_variant(Text(), "postgresql", "sqlite").with_variant(on_mysql, *MYSQL)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, to the microsecond, with its time zone.

    MySQL and SQLite keep neither by default: there it is stored in UTC, and is UTC again
    when it is read.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """The type in Python."""
        return datetime

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of a dialect."""
        wanted = mysql.DATETIME(fsp=6) if dialect.name in MYSQL else DateTime(timezone=True)
        return dialect.type_descriptor(wanted)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment as the database takes it.

        Raises:
            ValueError: It has no time zone, so it is no moment.
        """
        if value is None:
            return None
        if value.utcoffset() is None:
            msg = f"a moment must have a time zone, such as datetime(2026, 1, 2, tzinfo=UTC), got {value!r}"
            raise ValueError(msg)
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The moment, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
