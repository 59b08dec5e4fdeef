"""Holding schemas to the rows that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from runtime.errors import RefusedRow, SchemaInUseError
from runtime.features.masters.schemas import RowSchema

if TYPE_CHECKING:
    from runtime.features.masters.rows_of_table import TableRows
    from runtime.identity.context import InvokeContext

__all__ = ["SchemaChecks"]


class _Data(Protocol):
    """Reads rows: `MasterData`."""

    def rows(
        self,
        setting_code: str,
        *,
        tenant_code: str | None = None,
        consistent: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> TableRows: ...


class SchemaChecks:
    """Which rows a schema would refuse. Made by `MasterData`.

    Args:
        data: The rows.
    """

    def __init__(self, data: _Data) -> None:
        self._data = data

    def refused(
        self,
        setting_code: str,
        fields: Sequence[Mapping[str, Any]],
        *,
        tenant_code: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> list[RefusedRow]:
        """The rows that a schema would refuse, as they are stored: of those, defaults are taken as filled in.

        Raises:
            InvalidInputError: The fields make no schema; the message names each.
            TooManyRowsError: The table has more than 10 000 rows.
            ForbiddenError: The caller may not read the tenant's rows.
        """
        schema = RowSchema.given(fields)
        found: list[RefusedRow] = []
        for row in self._data.rows(
            setting_code, tenant_code=tenant_code, consistent=True, invoke_context=invoke_context
        ):
            attributes = row.attributes if isinstance(row.attributes, Mapping) else None
            problems = schema.problems(
                schema.filled(attributes), code=row.code or "", name=row.name, seq=row.seq
            )
            if problems:
                found.append(RefusedRow(row.code or row.sk, tuple(problems)))
        return found

    def check_change(
        self,
        setting_code: str,
        value: object,
        *,
        tenant_code: str | None = None,
        force: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> None:
        """Refuse a tenant's setting as a schema that its rows do not fit. An ordinary one may be anything.

        Args:
            setting_code: Code of the setting.
            value: What its value is to be.
            tenant_code: Default: the tenant of the request.
            force: Let it be a schema that rows do not fit; only its fields are checked.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: Its fields make no schema.
            SchemaInUseError: There are rows that it would refuse.
        """
        schema = RowSchema.of_value(value)
        if schema is None or force or not isinstance(value, Mapping):
            return
        refused = self.refused(
            setting_code, value["fields"], tenant_code=tenant_code, invoke_context=invoke_context
        )
        if refused:
            raise SchemaInUseError(setting_code, refused, what="do not fit the schema")

    def check_deletion(
        self,
        setting_code: str,
        *,
        tenant_code: str | None = None,
        force: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> None:
        """Refuse the deletion of a tenant's setting that has rows.

        Raises:
            SchemaInUseError: It has, and ``force`` is not given: then the rows stay, without a schema.
        """
        if force:
            return
        rows = self._data.rows(
            setting_code, tenant_code=tenant_code, consistent=True, invoke_context=invoke_context
        )
        if rows.total:
            found = [RefusedRow(code, ()) for code in rows.codes]
            raise SchemaInUseError(setting_code, found, what="are still there")
