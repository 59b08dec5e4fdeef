"""Schemas: settings of a tenant that say what the rows of their code table are like.

A setting is a schema where its value has ``fields`` that have a ``physicalName``. Its rows are held to it
whenever they are written; it is held to its rows whenever it changes. Fields called ``code``,
``name`` and ``seq`` are about the columns of a row, all others about its attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.features.masters.schema_fields import COLUMNS, Missing, SchemaField, parsed_fields

__all__ = ["RowSchema"]

_FIELDS: Final = "fields"
#: The reference system writes the number of a row into its attributes, too.
_TOLERATED: Final = frozenset(COLUMNS)


@dataclass(frozen=True, slots=True)
class RowSchema:
    """What the rows of one code table are like.

    Attributes:
        fields: The fields, by their physical names.
    """

    fields: Mapping[str, SchemaField]

    @classmethod
    def stored(cls, value: object) -> RowSchema | None:
        """The schema that a stored value is; None where it is none. What makes no sense is left out."""
        given = _fields_in(value)
        if given is None:
            return None
        fields, _ = parsed_fields(given, is_stored=True)
        return cls({field.physical_name: field for field in fields})

    @classmethod
    def given(cls, fields: object) -> RowSchema:
        """The schema of fields that somebody gives.

        Raises:
            InvalidInputError: They make none; the message names each field and what is wrong.
        """
        found, problems = parsed_fields(fields)
        if problems:
            raise InvalidInputError(problems)
        return cls({field.physical_name: field for field in found})

    @classmethod
    def of_value(cls, value: object) -> RowSchema | None:
        """The schema that somebody gives as a setting's value; None where it is an ordinary setting.

        Raises:
            InvalidInputError: Its fields make no schema.
        """
        fields = _fields_in(value)
        return None if fields is None else cls.given(fields)

    def filled(self, attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        """Attributes with the defaults of what they do not have."""
        defaults = {
            name: field.default
            for name, field in self.fields.items()
            if field.default is not Missing.MISSING and name not in COLUMNS
        }
        return {**defaults, **(attributes or {})}

    def problems(
        self, attributes: Mapping[str, Any] | None, *, code: str, name: str | None, seq: int | None
    ) -> list[FieldProblem]:
        """What is wrong with a row, by field; defaults are not filled in here."""
        values: dict[str, Any] = dict(attributes or {})
        found = [
            FieldProblem(f"attributes.{key}", f"is no field of the schema: it has {', '.join(self.fields)}")
            for key in values
            if key not in self.fields and key not in _TOLERATED
        ]
        columns: dict[str, Any] = {"code": code, "name": name, "seq": seq}
        for key, field in self.fields.items():
            is_column = key in columns
            message = field.problem(columns[key] if is_column else values.get(key, Missing.MISSING))
            # The number of a row is given to it when it is written, where it has none.
            if message is not None and not (key == "seq" and seq is None):
                found.append(FieldProblem(key if is_column else f"attributes.{key}", message))
        return found


def _fields_in(value: object) -> Sequence[Any] | None:
    """The fields of a schema; None where a value is none."""
    fields = value.get(_FIELDS) if isinstance(value, Mapping) else None
    if not isinstance(fields, Sequence) or isinstance(fields, str | bytes):
        return None
    return fields if any(isinstance(each, Mapping) and "physicalName" in each for each in fields) else None
