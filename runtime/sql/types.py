"""Column types that mean the same on PostgreSQL, MySQL and SQLite."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import DateTime, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Dialect
    from sqlalchemy.sql.operators import OperatorType
    from sqlalchemy.types import TypeEngine

__all__ = ["MYSQL", "FittedText", "UtcDateTime", "cleaned", "exact_text", "text"]

#: What SQLAlchemy calls MySQL and its sibling.
MYSQL: Final = ("mysql", "mariadb")

_UNTAKEN: Final = re.compile("[\0\ud800-\udfff]")
_ELLIPSIS: Final = "…"
_DIGEST: Final = 32
_OF_WHOLE_TEXTS: Final = (None, operators.eq, operators.ne, operators.in_op, operators.not_in_op)


def exact_text(length: int, most_bytes: int | None = None) -> FittedText:
    """Text of a key, which compares letter by letter. See `FittedText`."""
    return FittedText(length, most_bytes, exact=True)


def text(length: int, most_bytes: int | None = None) -> FittedText:
    """Text for people. See `FittedText`."""
    return FittedText(length, most_bytes)


class FittedText(TypeDecorator[str]):
    """Text of any length, in a form that the database takes.

    A handler that failed on a long name would park every later version of the aggregate, and
    what is a name to DynamoDB may be too long for a column of MySQL, or for an index of
    PostgreSQL. So what does not fit is cut, with ``…`` at its end. Of a key a digest of the
    whole follows, so that two keys stay two. A NUL, and half of a surrogate pair, is written
    as ``\ufffd``. What is compared with the column gets the same form, so a whole text finds its row.

    Args:
        length: Most characters on MySQL, where an index has 3072 bytes of 4 for each
            character.
        most_bytes: Most bytes on PostgreSQL, where an entry of an index has 2704. Default:
            no limit, for a column that is in no index. SQLite needs none.
        exact: Whether two texts that differ must stay different.
    """

    impl = Text
    cache_ok = True

    def __init__(self, length: int, most_bytes: int | None = None, *, exact: bool = False) -> None:
        super().__init__()
        self.length = length
        self.most_bytes = most_bytes
        self.exact = exact

    @property
    def python_type(self) -> type[str]:
        """The type in Python."""
        return str

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of a dialect."""
        if dialect.name in MYSQL:
            # By default MySQL takes `a1` and `A1` for one key. DynamoDB does not.
            order = {"collation": "utf8mb4_bin"} if self.exact else {}
            return dialect.type_descriptor(mysql.VARCHAR(self.length, charset="utf8mb4", **order))
        if dialect.name in {"postgresql", "sqlite"}:
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(String(self.length))

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:  # noqa: ANN401
        """The whole text is fitted; a part of one, as in LIKE, stays as it is."""
        return self if op in _OF_WHOLE_TEXTS and isinstance(value, str) else Text()

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The text as the database takes it."""
        if value is None:
            return None
        if dialect.name in MYSQL:
            return self._fitted(value, lambda part: part[: self.length])
        if dialect.name == "postgresql" and self.most_bytes is not None:
            return self._fitted(value, partial(_first_bytes, most=self.most_bytes))
        return self._fitted(value, str)

    def _fitted(self, value: str, cut: Callable[[str], str]) -> str:
        whole = cleaned(value)
        if cut(whole) == whole and (whole == value or not self.exact):
            return whole
        end = _ELLIPSIS
        if self.exact:
            end += hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()[:_DIGEST]
        # As much of the text as leaves room for the end.
        beginning = cut(whole)
        while cut(beginning + end) != beginning + end:
            beginning = beginning[:-1]
        return beginning + end


def cleaned(value: str) -> str:
    """A text without what databases do not take: NUL, and halves of surrogate pairs."""
    return _UNTAKEN.sub("\ufffd", value)


def _first_bytes(value: str, most: int) -> str:
    encoded = value.encode()
    return value if len(encoded) <= most else encoded[:most].decode(errors="ignore")


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
