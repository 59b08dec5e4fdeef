"""Reading the latest state: the read side of one module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, Literal

from runtime.access import check_tenant
from runtime.commands.sort_key import SortKeyCondition
from runtime.errors import FieldProblem, InvalidInputError
from runtime.generics import AttributesT
from runtime.models import DataListModel
from runtime.storage.dynamodb import wire_key

if TYPE_CHECKING:
    from runtime.context import InvokeContext
    from runtime.models import DataModel
    from runtime.module import CommandModule

__all__ = ["DataService"]

_MAX_LIMIT: Final = 1000


class DataService(Generic[AttributesT]):
    """The data table of a module. Made by `CommandModule`, as its ``data``."""

    def __init__(self, module: CommandModule[AttributesT]) -> None:
        self._module = module
        self._table = module.tables.data
        self._resources = module.resources

    def get_item(
        self,
        key: tuple[str, str],
        *,
        consistent: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> DataModel[AttributesT] | None:
        """The latest applied state of one aggregate, or None. Softly deleted ones included.

        Args:
            key: ``(pk, sk)``; the sort key without a version.
            consistent: Read strongly consistently, at twice the price.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            ForbiddenError: The key belongs to another tenant.
        """
        pk, sk = key
        check_tenant(pk, invoke_context, self._resources.settings)
        row = self._resources.dynamodb.get(self._table, pk, sk, consistent=consistent)
        return self._module.rows.data(row) if row else None

    def list_items_by_pk(
        self,
        pk: str,
        *,
        sk: SortKeyCondition | None = None,
        start_from_sk: str | None = None,
        limit: int = 10,
        order: Literal["asc", "desc"] = "asc",
        consistent: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> DataListModel[AttributesT]:
        """One page of a partition, in the order of the sort key. Softly deleted rows included.

        Args:
            pk: Partition key.
            sk: Which sort keys. Default: all of them.
            start_from_sk: ``last_sk`` of the page before.
            limit: Rows on a page, 1 to 1000.
            order: ``asc`` or ``desc``.
            consistent: Read strongly consistently, at twice the price.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: ``limit`` or ``order`` is out of range.
            ForbiddenError: The key belongs to another tenant.
        """
        check_tenant(pk, invoke_context, self._resources.settings)
        _check_page(limit, order)
        condition = sk or SortKeyCondition.any()
        request: dict[str, Any] = {
            **condition.key_condition(pk),
            "Limit": limit,
            "ScanIndexForward": order == "asc",
            "ConsistentRead": consistent,
        }
        if start_from_sk is not None:
            request["ExclusiveStartKey"] = wire_key(pk, start_from_sk)
        rows, last = self._resources.dynamodb.query(self._table, **request)
        return DataListModel(
            items=[self._module.rows.data(row) for row in rows], last_sk=last["sk"]["S"] if last else None
        )


def _check_page(limit: int, order: str) -> None:
    problems = []
    if not 1 <= limit <= _MAX_LIMIT:
        problems.append(FieldProblem("limit", f"must be 1 to {_MAX_LIMIT}, got {limit}"))
    if order not in {"asc", "desc"}:
        problems.append(FieldProblem("order", f"must be asc or desc, got {order!r}"))
    if problems:
        raise InvalidInputError(problems)
