"""Formats of numbers: rows that sequences read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.features.masters.keys import MASTER, format_key
from runtime.features.masters.numbering import RowNumbers, Table
from runtime.features.masters.row_writer import RowWrite, RowWriter, command_of, living, state_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from runtime.commands.options import PublishOptions
    from runtime.features.masters.access import MasterAccess
    from runtime.features.masters.data_rows import UpsertResult
    from runtime.identity.context import InvokeContext
    from runtime.model.models import CommandModel, DataModel
    from runtime.module import CommandModule

__all__ = ["MasterFormats"]

_TABLE: Final = "MASTER_DATA"
_LAST_MONTH: Final = 12


class MasterFormats:
    """How numbers are printed in a tenant, in place of the formats in the code. Made by `MasterData`.

    Args:
        module: The module of masters.
        access: Who may do what.
    """

    def __init__(self, module: CommandModule[Any], access: MasterAccess) -> None:
        self._module = module
        self._access = access
        self._writer = RowWriter(module, access)

    def upsert(
        self,
        type_code: str,
        attributes: Mapping[str, Any],
        *,
        name: str | None = None,
        tenant_code: str | None = None,
        **options: Unpack[PublishOptions],
    ) -> UpsertResult:
        """Say how the numbers of a type are printed in a tenant; it takes a role for all tenants.

        Args:
            type_code: Type of the numbers.
            attributes: ``format``, and perhaps ``startMonth`` (1 to 12) and ``registerDate``.
            name: Default: the type.
            tenant_code: Default: the tenant of the request.
            **options: See `PublishOptions`.

        Raises:
            InvalidInputError: A field is wrong.
            ForbiddenError: The caller has no role for all tenants.
        """
        tenant = self._tenant(tenant_code, options.get("invoke_context"))
        key = format_key(tenant, type_code)
        _check_format(attributes)

        def change(latest: CommandModel[Any] | None, _numbers: RowNumbers) -> dict[str, Any]:
            asked.is_new = latest is None or latest.is_deleted is True
            said = {"code": type_code, "name": name or type_code, "type": MASTER, "seq": None}
            return {**said, "attributes": dict(attributes)}

        asked = RowWrite(Table(tenant, _TABLE), key, change)
        result = self._writer.write([asked], options, checks=False)[0]
        if result.error is not None:
            raise result.error
        return result

    def delete(
        self, type_code: str, *, tenant_code: str | None = None, **options: Unpack[PublishOptions]
    ) -> CommandModel[Any]:
        """Go back to the format in the code.

        Raises:
            ItemNotFoundError: There is none.
            ForbiddenError: The caller has no role for all tenants.
        """
        tenant = self._tenant(tenant_code, options.get("invoke_context"))
        asked = RowWrite(
            Table(tenant, _TABLE),
            format_key(tenant, type_code),
            lambda latest, _numbers: {**state_of(living(latest)), "is_deleted": True},
        )
        return command_of(self._writer.write([asked], options, checks=False)[0])

    def get(
        self, type_code: str, *, tenant_code: str | None = None, invoke_context: InvokeContext | None = None
    ) -> DataModel[Any] | None:
        """The format of a type in a tenant; None where it is that of the code.

        Raises:
            ForbiddenError: The caller may not read the tenant's rows.
        """
        tenant = self._access.tenant(tenant_code, invoke_context, write=False)
        self._access.check_read(tenant, invoke_context)
        row = self._module.data.get_item(format_key(tenant, type_code), invoke_context=invoke_context)
        return None if row is None or row.is_deleted else row

    def _tenant(self, tenant_code: str | None, invoke_context: InvokeContext | None) -> str:
        self._access.check_operate(invoke_context)
        return self._access.tenant(tenant_code, invoke_context, write=True)


def _check_format(attributes: Mapping[str, Any]) -> None:
    problems = [
        FieldProblem(f"attributes.{name}", "is unknown; a format has format, startMonth and registerDate")
        for name in attributes
        if name not in {"format", "startMonth", "registerDate"}
    ]
    text, month, start = (attributes.get(name) for name in ("format", "startMonth", "registerDate"))
    if not isinstance(text, str) or not text.strip():
        problems.append(FieldProblem("attributes.format", "is required: a text such as INV-%%no#:0>6%%"))
    is_month = isinstance(month, int) and not isinstance(month, bool) and 1 <= month <= _LAST_MONTH
    if month is not None and not is_month:
        problems.append(
            FieldProblem("attributes.startMonth", f"must be 1 to {_LAST_MONTH}, got {month!r:.60}")
        )
    if start is not None and not isinstance(start, str):
        problems.append(FieldProblem("attributes.registerDate", "must be a date as text"))
    if problems:
        raise InvalidInputError(problems)
