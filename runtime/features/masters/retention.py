"""How long rows are kept, stored by commands of the masters: ``TTL#{physical table name}``.

`runtime.store.retention` goes on reading the rows. Those that it put there itself, before there were masters,
have no version: the first command takes such a row over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from runtime.errors import FieldProblem, InvalidInputError
from runtime.features.masters.keys import check_tenant_code, retention_key
from runtime.features.masters.write import MasterWriter, Row
from runtime.store.retention import DEFAULT_TENANT_CODE, check_days, stored_days

if TYPE_CHECKING:
    from runtime.features.masters.parts import MasterParts
    from runtime.identity.context import InvokeContext

__all__ = ["Kind", "MasterRetention"]

Kind = Literal["command", "data", "history"]


class MasterRetention:
    """How long rows are kept, by tenant, module and kind of table. The ``retention`` of a `MasterModule`.

    Args:
        master: The feature.
    """

    def __init__(self, master: MasterParts) -> None:
        self._master = master
        self._writer = MasterWriter(master.module, master.access, lambda: None)

    def set_days(
        self,
        module: str,
        kind: Kind,
        days: int | None,
        *,
        tenant_code: str = DEFAULT_TENANT_CODE,
        invoke_context: InvokeContext | None = None,
    ) -> None:
        """Say how many days rows of a module are kept for a tenant.

        Functions that remember the old number follow within five minutes. Rows that exist keep the time to
        live that they were written with.

        Args:
            module: Name of the module.
            kind: Which of its tables: ``command``, ``data`` or ``history``.
            days: 1 to 36,500; None for ever.
            tenant_code: The tenant. Default: that of keys that name none.
            invoke_context: Who asks: takes a role that crosses all tenants. Default: the HTTP request that is
                being handled.

        Raises:
            InvalidInputError: An argument is out of range.
            ForbiddenError: The caller has no such role.
            ModuleMismatchError: There is no such module.
        """
        self._master.access.check_operate(invoke_context)
        check_days(days)
        if kind not in get_args(Kind):
            message = f"must be one of {', '.join(get_args(Kind))}, got {kind!r}"
            raise InvalidInputError([FieldProblem("kind", message)])
        table = getattr(self._master.resources.settings.tables_of(module), kind)
        self._write(check_tenant_code(tenant_code), table, days, invoke_context)

    def days(self, module: str, kind: Kind, *, tenant_code: str = DEFAULT_TENANT_CODE) -> int | None:
        """How many days rows of a module are kept for a tenant; None for ever. Read now.

        Raises:
            ModuleMismatchError: There is no such module.
        """
        table = getattr(self._master.resources.settings.tables_of(module), kind)
        context = self._master.module.context
        # Not by way of the module: a row of before there were masters has no version.
        return stored_days(context.store.get(context.data_place(retention_key(tenant_code, table))))

    def write(self, tenant_code: str, table: str, days: int | None) -> None:
        """Store a number of days for the service's own code, such as ``order.ttl``: it answers for who may.

        Args:
            tenant_code: The tenant.
            table: Physical name of the table.
            days: The days; None for ever.
        """
        self._write(tenant_code, table, days, self._master.access.operator(tenant_code))

    def _write(
        self, tenant_code: str, table: str, days: int | None, invoke_context: InvokeContext | None
    ) -> None:
        key = retention_key(tenant_code, table)
        # Not deleted but emptied: whoever reads the rows, in any language, looks for the days alone.
        attributes: dict[str, Any] = {} if days is None else {"days": days}
        self._writer.take_over(key)
        self._writer.put(Row(key, key.sk, table, attributes), invoke_context)
