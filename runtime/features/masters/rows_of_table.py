"""All rows of one code table, in their order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.conditions import Key

from runtime.errors import TooManyRowsError
from runtime.model.rows import is_deleted
from runtime.store.codec import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.model.models import DataModel
    from runtime.module_context import ModuleContext
    from runtime.store.values import Row

__all__ = ["MAX_ROWS", "TableRows"]

MAX_ROWS: Final = 10_000
"""Rows of one code table that are listed, those that were deleted among them."""


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows of a code table by number and code; those without a number come last.

    Their attributes are read when it is their turn, as far as they are kept elsewhere.
    """

    _context: ModuleContext
    _rows: tuple[Row, ...]

    @classmethod
    def read(cls, context: ModuleContext, pk: str, prefix: str, *, consistent: bool) -> TableRows:
        """The rows whose sort keys begin with a prefix. One call for each MB.

        Raises:
            TooManyRowsError: There are more than can be listed.
        """
        rows: list[Row] = []
        start: Row | None = None
        key = Key("pk").eq(pk) & Key("sk").begins_with(prefix)
        while True:
            page = context.store.query(context.tables.data, key, start=start, consistent=consistent)
            rows += page.rows
            if len(rows) > MAX_ROWS:
                msg = (
                    f"{prefix.rstrip('#')} has more than {MAX_ROWS} rows, which is what can be listed; "
                    "sort them under several codes, or give them a module of their own"
                )
                raise TooManyRowsError(msg)
            start = page.next
            if start is None:
                return cls(context, tuple(sorted(rows, key=_order)))

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self._rows)

    @property
    def codes(self) -> list[str]:
        """Their codes."""
        return [_code(row) for row in self._rows]

    def only(self, *, name: str = "", code: str = "", include_deleted: bool = False) -> TableRows:
        """Those that have these in their name and code, whatever the case."""
        found = (
            row
            for row in self._rows
            if (include_deleted or not is_deleted(row))
            and name.casefold() in str(opened(row.get("name")) or "").casefold()
            and code.casefold() in _code(row).casefold()
        )
        return replace(self, _rows=tuple(found))

    def page(self, start: int, limit: int) -> list[DataModel[Any]]:
        """Some of them.

        Args:
            start: How many come before.
            limit: How many at most.
        """
        return [*replace(self, _rows=self._rows[start : start + limit])]

    def __iter__(self) -> Iterator[DataModel[Any]]:
        return (self._context.rows.data(row) for row in self._rows)


def _code(row: Row) -> str:
    return str(opened(row.get("code")) or row["sk"].partition("#")[2])


def _order(row: Row) -> tuple[bool, Any, str]:
    seq = opened(row.get("seq"))
    is_number = isinstance(seq, int | Decimal)  # another writer may have stored anything
    return not is_number, seq if is_number else 0, _code(row)
