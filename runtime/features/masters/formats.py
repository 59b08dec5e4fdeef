"""How numbers of sequences look, stored by commands of the masters: ``MASTER_DATA#{type code}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, InvalidInputError, ItemNotFoundError
from runtime.features.masters.keys import format_key
from runtime.features.masters.write import MasterWriter

if TYPE_CHECKING:
    from datetime import date

    from runtime.features.masters.master_module import MasterModule
    from runtime.identity.context import InvokeContext

__all__ = ["MasterFormats"]

_MAX_FORMAT: Final = 1000
_MONTHS: Final = range(1, 13)


class MasterFormats:
    """Formats of numbers by tenant, which sequences read. The ``formats`` of a `MasterModule`.

    Args:
        master: The feature.
    """

    def __init__(self, master: MasterModule) -> None:
        self._master = master
        self._writer = MasterWriter(master.module, lambda: None)

    def set_format(
        self,
        type_code: str,
        format: str,  # noqa: A002 - the name of the attribute
        *,
        start_month: int | None = None,
        register_date: date | None = None,
        tenant_code: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> None:
        """Say how numbers of a type look for a tenant.

        Args:
            type_code: Type of the numbers, such as ``invoice``.
            format: The format, such as ``%%fiscal_year%%-%%no#:0>5%%``.
            start_month: Month that the fiscal year begins in, 1 to 12.
            register_date: Day that years are counted from.
            tenant_code: The tenant. Default: that of the request.
            invoke_context: Who asks: takes a role that crosses all tenants. Default: the HTTP request that is
                being handled.

        Raises:
            InvalidInputError: An argument is out of range.
            ForbiddenError: The caller has no such role.
        """
        self._master.access.check_operate(invoke_context)
        if not isinstance(format, str) or not 1 <= len(format) <= _MAX_FORMAT:
            message = f"must be a text of 1 to {_MAX_FORMAT} characters"
            raise InvalidInputError([FieldProblem("format", message)])
        if start_month is not None and (isinstance(start_month, bool) or start_month not in _MONTHS):
            raise InvalidInputError([FieldProblem("startMonth", f"must be 1 to 12, got {start_month!r}")])
        attributes: dict[str, Any] = {"format": format}
        if start_month is not None:
            attributes["startMonth"] = start_month
        if register_date is not None:
            attributes["registerDate"] = register_date.isoformat()
        tenant = self._master.access.tenant(tenant_code, invoke_context, write=True)
        key = format_key(tenant, type_code)
        self._writer.take_over(key)
        self._writer.put(key, type_code, None, attributes, invoke_context)

    def get_format(
        self, type_code: str, *, tenant_code: str | None = None, invoke_context: InvokeContext | None = None
    ) -> dict[str, Any]:
        """``format``, and perhaps ``startMonth`` and ``registerDate``, as they are stored for a tenant.

        Raises:
            ItemNotFoundError: There is none.
            ForbiddenError: The caller may not read what is the tenant's.
        """
        tenant = self._master.access.tenant(tenant_code, invoke_context, write=False)
        key = format_key(tenant, type_code)
        row = self._master.module.data.get_item(key, consistent=True, invoke_context=invoke_context)
        if row is None or row.is_deleted:
            msg = f"there is no format of {type_code!r}"
            raise ItemNotFoundError(msg)
        return dict(row.attributes or {})
