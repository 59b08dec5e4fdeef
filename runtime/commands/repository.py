"""Reading with one's own writes in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from runtime.access import check_tenant
from runtime.context import current_invoke_context
from runtime.generics import AttributesT
from runtime.keys import DetailKey, add_sort_key_version
from runtime.storage.dynamodb import Read
from runtime.storage.rows import data_row, version_of
from runtime.storage.session import is_live

if TYPE_CHECKING:
    from runtime.context import InvokeContext
    from runtime.models import DataModel
    from runtime.module import CommandModule

__all__ = ["Repository"]


class Repository(Generic[AttributesT]):
    """The data of a module as its user expects it. Made by `CommandModule`."""

    def __init__(self, module: CommandModule[AttributesT]) -> None:
        self._module = module
        self._tables = module.tables
        self._resources = module.resources

    def get_item(
        self, key: tuple[str, str], *, invoke_context: InvokeContext | None = None
    ) -> DataModel[AttributesT] | None:
        """The state of one aggregate, the caller's own pending write included.

        One consistent read; one more while a write of the caller's is still pending.

        Args:
            key: ``(pk, sk)``; the sort key without a version.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            ForbiddenError: The key belongs to another tenant.
        """
        context = invoke_context or current_invoke_context()
        check_tenant(key[0], context, self._resources.settings)
        detail = DetailKey(*key)
        data = Read(self._tables.data, *detail)
        session = self._module.sessions.read(context, detail)
        rows = self._resources.dynamodb.batch_get([data, session] if session else [data])
        row = rows.get(data)
        if session and session in rows and is_live(rows[session]):
            own = version_of(rows[session])
            if own > version_of(row):
                sk = add_sort_key_version(detail.sk, own)
                command = self._resources.dynamodb.get(self._tables.command, detail.pk, sk, consistent=True)
                row = data_row(command, row) if command else row
        return self._module.rows.data(row) if row else None
