"""What a row is in an HTTP answer, as a JSON schema: its columns."""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING, Any, Final

from pydantic import AwareDatetime, TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic.errors import PydanticSchemaGenerationError
from sqlalchemy import JSON, Enum, inspect

from runtime.sql.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from sqlalchemy import Column
    from sqlalchemy.types import TypeEngine

__all__ = ["row_schema"]

_TEXT: Final = {"type": "string"}


def row_schema(
    row: type[Any], handler: GetJsonSchemaHandler, *, without: Collection[str] = ()
) -> JsonSchemaValue:
    """The schema of a declarative model's rows. A column that may be null is not in every row.

    Args:
        row: The model.
        handler: Knows the schemas of the columns' types.
        without: Names of columns that no answer has.
    """
    found = {
        attribute.key: attribute.columns[0]
        for attribute in inspect(row).column_attrs
        if attribute.key not in without
    }
    return {
        "title": row.__name__,
        "type": "object",
        "properties": {
            to_camel(name): _column_schema(column.type, handler) for name, column in found.items()
        },
        "required": [to_camel(name) for name, column in found.items() if not _may_be_null(column)],
    }


def _may_be_null(column: Column[Any]) -> bool:
    return bool(column.nullable) or isinstance(column.type, JSON)  # which has a null of its own


def _column_schema(kind: TypeEngine[Any], handler: GetJsonSchemaHandler) -> JsonSchemaValue:
    if isinstance(kind, Enum) and kind.enum_class is None:
        return {**_TEXT, "enum": list(kind.enums)}
    try:
        python = AwareDatetime if isinstance(kind, UtcDateTime) else kind.python_type
        if isinstance(kind, JSON):
            python = Any
        elif issubclass(python, datetime | time):
            python = str  # whether it has a time zone depends on the database
        return handler(TypeAdapter(python).core_schema)
    except (NotImplementedError, PydanticSchemaGenerationError):
        return {}  # a type that nobody knows more of
