"""Reading what was before: the history of one module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from runtime.access import check_tenant
from runtime.generics import AttributesT
from runtime.keys import VER_SEPARATOR, add_sort_key_version, remove_sort_key_version
from runtime.storage.rows import version_of

if TYPE_CHECKING:
    from runtime.context import InvokeContext
    from runtime.models import DataModel
    from runtime.module import CommandModule
    from runtime.storage.codec import Item

__all__ = ["HistoryService"]


class HistoryService(Generic[AttributesT]):
    """The history table of a module. Made by `CommandModule`, as its ``history``.

    It holds each state that was replaced. The current state is in the data table only.
    """

    def __init__(self, module: CommandModule[AttributesT]) -> None:
        self._module = module
        self._table = module.tables.history
        self._resources = module.resources

    def get_item(
        self, key: tuple[str, str], version: int, *, invoke_context: InvokeContext | None = None
    ) -> DataModel[AttributesT] | None:
        """The state at ``version``, or None when it is current, unknown or expired.

        Raises:
            ForbiddenError: The key belongs to another tenant.
        """
        pk, sk = key
        check_tenant(pk, invoke_context, self._resources.settings)
        row = self._resources.dynamodb.get(
            self._table, pk, add_sort_key_version(sk, version), consistent=True
        )
        return self._module.rows.data(row) if row else None

    def list_versions(
        self, key: tuple[str, str], *, invoke_context: InvokeContext | None = None
    ) -> list[DataModel[AttributesT]]:
        """Every replaced state of one aggregate, oldest first.

        Raises:
            ForbiddenError: The key belongs to another tenant.
        """
        pk, sk = key
        check_tenant(pk, invoke_context, self._resources.settings)
        rows: list[Item] = []
        start: Item | None = None
        while True:
            page, start = self._resources.dynamodb.query(
                self._table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
                ExpressionAttributeValues={":pk": {"S": pk}, ":sk": {"S": sk + VER_SEPARATOR}},
                ConsistentRead=True,
                **({"ExclusiveStartKey": start} if start else {}),
            )
            # `A@` also begins the keys of an aggregate `A@x`: keep those of this one.
            rows += [row for row in page if remove_sort_key_version(row["sk"]["S"]) == sk]
            if start is None:
                break
        # Sort keys compare as text, where @10 comes before @9.
        return [self._module.rows.data(row) for row in sorted(rows, key=version_of)]
