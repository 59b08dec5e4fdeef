"""Schema versions: attributes of an old row, brought up to the model of today.

Schema 1 is a module's first model. Each upcaster takes attributes from one schema to the
next, so a module with two of them is at schema 3. A row says which schema its attributes
have in the column ``schemaVersion`` = ``{schema}@{version of the aggregate}``. The second
number ties the column to the write it came with: a service that knows nothing of it, but
copies the columns of the row before, makes a row whose column says nothing any more. Such
a row, and one without the column, counts as schema 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import ConfigurationError, NewerSchemaError, UpcastError
from runtime.imports import FunctionReference
from runtime.model.keys import VER_SEPARATOR
from runtime.model.rows import SCHEMA_COLUMN

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Schema", "Upcaster", "UpcasterSource"]

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Attributes of one schema, under the names they are stored with, to those of the next."""

UpcasterSource = Upcaster | str
"""An upcaster, or where to import it from: ``"package.module:name"``."""

_FIRST: Final = 1
_WHAT: Final = "an upcaster"

_Row = dict[str, Any]


class Schema:
    """The schema versions of one module.

    Args:
        module: Logical name of the module.
        upcasters: From schema 1 to 2, from 2 to 3, and so on.
        read_ahead: How many schemas beyond its own the module's model can read as they are.

    Raises:
        ConfigurationError: An upcaster cannot be one, or ``read_ahead`` is negative.
    """

    def __init__(self, module: str, upcasters: Iterable[UpcasterSource], read_ahead: int = 0) -> None:
        self._module = module
        self._sources = tuple(FunctionReference.of(source, _WHAT, ("attributes",)) for source in upcasters)
        if isinstance(read_ahead, bool) or not isinstance(read_ahead, int) or read_ahead < 0:
            msg = f"read_ahead must be a number of schemas, 0 or more, got {read_ahead!r}"
            raise ConfigurationError(msg)
        self.current = _FIRST + len(self._sources)
        self._readable = self.current + read_ahead

    def of(self, row: _Row) -> int:
        """Schema of a row's attributes."""
        column = row.get(SCHEMA_COLUMN)
        if not isinstance(column, str):
            return _FIRST
        schema, _, version = column.partition(VER_SEPARATOR)
        is_tied = schema.isdecimal() and version == str(row.get("version"))
        return int(schema) if is_tied else _FIRST

    def is_current(self, row: _Row) -> bool:
        """Whether a row's attributes can be taken as they are.

        Raises:
            NewerSchemaError: They are of a schema that this code does not know.
        """
        if SCHEMA_COLUMN not in row:
            return self.current == _FIRST
        schema = self.of(row)
        if schema > self._readable:
            raise self._newer(row, schema)
        return schema >= self.current

    def check_base(self, row: _Row) -> None:
        """Refuse to build on attributes of a schema that this code does not know.

        Raises:
            NewerSchemaError: Whatever this code wrote could lack what the newer schema has.
        """
        schema = self.of(row)
        if schema > self.current:
            raise self._newer(row, schema)

    def upcast(self, row: _Row, attributes: dict[str, Any]) -> dict[str, Any]:
        """Attributes of ``row``, which are of an older schema, in the current one.

        Args:
            row: Where they are from.
            attributes: Its attributes as Python values; theirs to change.

        Raises:
            UpcastError: An upcaster failed. Nothing of the attributes is in the message.
        """
        for schema in range(self.of(row), self.current):
            upcaster = self._upcasters[schema - _FIRST]
            try:
                attributes = upcaster(attributes)
            except Exception as error:  # noqa: BLE001 - whatever the user's code raises
                # Not chained: what the user's code says may quote the attributes.
                raise self._failed(row, schema, f"raised {_where(error)}") from None
            if not isinstance(attributes, dict):
                got = f"must return the attributes as a dict, got {type(attributes).__name__}"
                raise self._failed(row, schema, got)
        return attributes

    def stamp(self, schema: int, version: int) -> dict[str, str]:
        """The column of a row with this version of the aggregate; none in a module of one schema."""
        if self.current == _FIRST:
            return {}
        return {SCHEMA_COLUMN: f"{schema}{VER_SEPARATOR}{version}"}

    @cached_property
    def _upcasters(self) -> tuple[Upcaster, ...]:
        return tuple(source.function for source in self._sources)

    def _newer(self, row: _Row, schema: int) -> NewerSchemaError:
        return NewerSchemaError(self._module, row["pk"], row["sk"], schema, self.current)

    def _failed(self, row: _Row, schema: int, problem: str) -> UpcastError:
        return UpcastError(self._module, row["pk"], row["sk"], schema, problem)


def _where(error: Exception) -> str:
    """What was raised and in which line, without what it says."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace else None
    place = f" in {code.co_name}, line {trace.tb_lineno} of {code.co_filename}" if code and trace else ""
    return f"{type(error).__name__}{place}"
