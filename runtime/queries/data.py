"""Reading the latest state: the read side of one module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from runtime.errors import FieldProblem, InvalidInputError, ItemNotFoundError, UnreadableRowError
from runtime.generics import AttributesT
from runtime.identity.checked_key import checked_key, checked_pk
from runtime.model.keys import VERSION_LATEST, get_sort_key_version, remove_sort_key_version
from runtime.model.models import CommandModel
from runtime.pipeline.apply import apply
from runtime.pipeline.finish import finish_applied
from runtime.queries.paging import Order, PageRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.identity.context import InvokeContext
    from runtime.model.models import DataListModel, DataModel, UnreadableRow
    from runtime.module_context import ModuleContext
    from runtime.store.sort_key import SortKeyCondition

__all__ = ["DataService"]


class DataService(Generic[AttributesT]):
    """The data table of a module. Made by `CommandModule`, as its ``data``."""

    def __init__(self, context: ModuleContext) -> None:
        self._context = context

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
            InvalidInputError: The key cannot be that of an aggregate.
            ForbiddenError: The key belongs to another tenant.
            UnreadableRowError: The model of today does not accept it.
        """
        detail = checked_key(key, invoke_context, self._context.settings)
        row = self._context.store.get(self._context.data_place(detail), consistent=consistent)
        return self._context.rows.data(row) if row else None

    def list_items_by_pk(
        self,
        pk: str,
        *,
        sk: SortKeyCondition | None = None,
        start_from_sk: str | None = None,
        limit: int = 10,
        order: Order = "asc",
        consistent: bool = False,
        max_bytes: int | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> DataListModel[AttributesT]:
        """One page of a partition, in the order of the sort key. Softly deleted rows included.

        One call, and one for each row with large attributes. A page ends by bytes as well as by
        number: go on for as long as there is a ``last_sk``.

        Args:
            pk: Partition key.
            sk: Which sort keys. Default: all of them.
            start_from_sk: ``last_sk`` of the page before.
            limit: Rows on a page, 1 to 1000.
            order: ``asc`` or ``desc``.
            consistent: Read strongly consistently, at twice the price.
            max_bytes: Bytes that the page may take in an answer. An item that alone takes more is
                not on it, but in ``too_large``. Default: 3.5 MB; such an item is a page of its own.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: An argument is out of range.
            ForbiddenError: The key belongs to another tenant.
        """
        checked_pk(pk, invoke_context, self._context.settings)
        request = PageRequest.checked(pk, sk, start_from_sk, limit, order)
        page = request.read(self._context.store, self._context.tables.data, consistent=consistent)
        return self._context.rows.page(page.rows, page.last_sk, max_bytes=max_bytes)

    def iterate_items_by_pk(
        self,
        pk: str,
        *,
        sk: SortKeyCondition | None = None,
        order: Order = "asc",
        consistent: bool = False,
        page_size: int = 100,
        invoke_context: InvokeContext | None = None,
    ) -> Iterator[DataModel[AttributesT]]:
        """Every row of a partition, in the order of the sort key. Softly deleted rows included.

        One call a page, made when its first row is asked for. The arguments are checked at
        once, and who asks is settled at once too.

        Args:
            pk: Partition key.
            sk: Which sort keys. Default: all of them.
            order: ``asc`` or ``desc``.
            consistent: Read strongly consistently, at twice the price.
            page_size: Rows to read in one call, 1 to 1000.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: An argument is out of range.
            ForbiddenError: The key belongs to another tenant.
            UnreadableRowError: After the last row: these rows were left out, since the model of
                today does not accept them.
        """
        checked_pk(pk, invoke_context, self._context.settings)
        request = PageRequest.checked(pk, sk, None, page_size, order, limit_name="page_size")
        return self._rows(request, consistent=consistent)

    def publish(
        self, command: CommandModel[AttributesT], *, invoke_context: InvokeContext | None = None
    ) -> DataModel[AttributesT]:
        """Apply a command that is stored, and every pending one before it.

        For handlers and repairs; the pipeline does this by itself. Nothing happens when the
        command is applied already. Data sync handlers are left to the pipeline.

        Args:
            command: The command, as the module's ``commands`` returned it.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Returns:
            The state after the command, or after a later one that is applied already.

        Raises:
            InvalidInputError: It is no command, or has no version.
            ItemNotFoundError: The command is not stored (any more), and not applied either.
            ForbiddenError: The key belongs to another tenant.
        """
        if not isinstance(command, CommandModel):
            message = f"must be a CommandModel, got {type(command).__name__}; publish the state first"
            raise InvalidInputError([FieldProblem("command", message)])
        natural = (command.pk, remove_sort_key_version(command.sk))
        key = checked_key(natural, invoke_context, self._context.settings, write=True)
        suffix = get_sort_key_version(command.sk)
        version = command.version if suffix == VERSION_LATEST else suffix
        if version < 1:
            raise InvalidInputError([FieldProblem("version", f"must be 1 or more, got {version}")])
        done = apply(self._context, key, version)
        finish_applied(self._context, done)
        if done.data is None or done.version < version:
            msg = "there is no such command"
            raise ItemNotFoundError(msg)
        return self._context.rows.data(done.data)

    def _rows(self, request: PageRequest, *, consistent: bool) -> Iterator[DataModel[AttributesT]]:
        unreadable: list[UnreadableRow] = []
        while True:
            page = request.read(self._context.store, self._context.tables.data, consistent=consistent)
            found = self._context.rows.readable(page.rows)
            unreadable += found.unreadable or ()
            yield from found.items
            if page.last_sk is None:
                break
            request = request.after(page.last_sk)
        if unreadable:
            first, *others = unreadable
            keys = [(other.pk, other.sk) for other in others]
            raise UnreadableRowError(self._context.name, first.pk, first.sk, first.problems, keys)
