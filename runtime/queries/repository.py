"""Reading with one's own writes in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from runtime.errors import FieldProblem, InvalidInputError
from runtime.generics import AttributesT
from runtime.identity.access import check_tenant
from runtime.identity.checked_key import checked_key, checked_pk
from runtime.identity.context import current_invoke_context
from runtime.identity.user import get_user_context, user_id_of
from runtime.imports import check_plain_function
from runtime.model.item_list import ItemList
from runtime.model.keys import KEY_SEPARATOR, DetailKey, get_tenant_code
from runtime.model.rows import data_row, is_deleted, version_of
from runtime.queries.paging import Order, PageRequest
from runtime.queries.pending import Merged, has_been_applied, is_to_come, merged_rows
from runtime.queries.pending_items import Merge, behind, ids_of, read_pending
from runtime.queries.sessions import SessionService
from runtime.queries.shards import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.identity.context import InvokeContext
    from runtime.model.models import CommandModel, DataListModel, DataModel
    from runtime.module_context import ModuleContext
    from runtime.queries.paging import PartitionPage
    from runtime.queries.sessions import Session
    from runtime.store.sort_key import SortKeyCondition
    from runtime.store.values import Row

__all__ = ["Repository"]

ItemT = TypeVar("ItemT")

#: Partitions that are read at the same time.
_AT_ONCE: Final = 16


class Repository(Generic[AttributesT]):
    """The data of a module as its users expect it. Made by `CommandModule`, as its ``repository``.

    What the caller published is in what they read, for as long as the pipeline works on it,
    and for ``RYW_SESSION_TTL_MINUTES`` at most. Others see what is applied. With
    read-your-writes off, or without a caller, nothing is merged.
    """

    def __init__(self, context: ModuleContext) -> None:
        self._context = context
        self._sessions = SessionService(context)

    def get_item(
        self, key: tuple[str, str], *, invoke_context: InvokeContext | None = None
    ) -> DataModel[AttributesT] | None:
        """The state of one aggregate, the caller's own pending write included.

        One consistent read; one more while a write of the caller's is still pending. A
        softly deleted aggregate is found, with ``is_deleted`` set.

        Args:
            key: ``(pk, sk)``; the sort key without a version.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: The key cannot be that of an aggregate.
            ForbiddenError: The key belongs to another tenant.
        """
        row = self._row(key, invoke_context or current_invoke_context())
        return self._context.rows.data(row) if row else None

    def exists(self, key: tuple[str, str], *, invoke_context: InvokeContext | None = None) -> bool:
        """Whether there is an aggregate that is not deleted, the caller's own pending write included.

        One consistent read; one more while a write of the caller's is still pending. Its
        attributes are not looked at.

        Args:
            key: ``(pk, sk)``; the sort key without a version.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: The key cannot be that of an aggregate.
            ForbiddenError: The key belongs to another tenant.
        """
        row = self._row(key, invoke_context or current_invoke_context())
        return row is not None and not is_deleted(row)

    def _row(self, key: tuple[str, str], context: InvokeContext | None) -> Row | None:
        detail = checked_key(key, context, self._context.settings)
        data, place = self._context.data_place(detail), self._sessions.place(context, detail)
        rows = self._context.store.batch_get([data, place] if place else [data])
        row = rows.get(data)
        session = self._sessions.session_of(rows.get(place), detail) if place else None
        if session and session.version > version_of(row):
            command = self._context.store.get(self._context.command_place(detail, session.version))
            if command is not None and session.is_about(command):
                if has_been_applied(self._context, command):
                    return self._context.store.get(data)  # meanwhile; or it has expired since
                row = data_row(command, row) if is_to_come(command, row) else row
        return row

    def list_items_by_pk(
        self,
        pk: str,
        *,
        sk: SortKeyCondition | None = None,
        start_from_sk: str | None = None,
        limit: int = 10,
        order: Order = "asc",
        latest_flg: bool = True,
        max_bytes: int | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> DataListModel[AttributesT]:
        """One page of a partition, the caller's own pending writes included.

        A pending update stands in the place of its row, a pending deletion takes it away.
        Pending creations come first, the newest before the others, on the first page only
        and where ``sk`` holds for them; so a page may have more or fewer rows than
        ``limit``. Rows that are applied as softly deleted are on the page. A page ends by bytes
        as well as by number; of many large creations, half a page is shown before they are applied.

        Two consistent queries at the same time, one more call while something is pending,
        and one for each row with large attributes.

        Args:
            pk: Partition key.
            sk: Which sort keys. Default: all of them.
            start_from_sk: ``last_sk`` of the page before.
            limit: Rows to read for a page, 1 to 1000.
            order: ``asc`` or ``desc``.
            latest_flg: False leaves pending writes out, as `DataService` does.
            max_bytes: See `DataService.list_items_by_pk`.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: An argument is out of range.
            ForbiddenError: The key belongs to another tenant.
        """
        context = invoke_context or current_invoke_context()
        checked_pk(pk, context, self._context.settings)
        request = PageRequest.checked(pk, sk, start_from_sk, limit, order)
        merged, last_sk = self._read(request, context if latest_flg else None)
        return self._context.rows.page(merged.rows, last_sk, first=merged.created, max_bytes=max_bytes)

    def list_items_by_pks(
        self,
        pks: Sequence[str],
        *,
        sk: SortKeyCondition | None = None,
        start_from_sk: str | None = None,
        limit: int = 10,
        order: Order = "asc",
        latest_flg: bool = True,
        max_bytes: int | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> DataListModel[AttributesT]:
        """One page of several partitions, by sort key over all of them: what shards are listed by.

        It reads as many rows of each partition as the page may have, at the same time: its price is that
        of `list_items_by_pk`, times the partitions. No two of them may have the same sort key.

        Args:
            pks: Partition keys, one at least.
            sk: Which sort keys. Default: all of them.
            start_from_sk: ``last_sk`` of the page before.
            limit: Rows of a page, 1 to 1000.
            order: ``asc`` or ``desc``.
            latest_flg: False leaves pending writes out, as `DataService` does.
            max_bytes: See `DataService.list_items_by_pk`.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: An argument is out of range.
            ForbiddenError: A key belongs to another tenant.
        """
        context = invoke_context or current_invoke_context()
        if isinstance(pks, str) or not pks:
            raise InvalidInputError(
                [FieldProblem("pks", f"must be partition keys, one at least, got {pks!r}")]
            )
        for pk in pks:
            checked_pk(pk, context, self._context.settings)
        requests = [PageRequest.checked(pk, sk, start_from_sk, limit, order) for pk in pks]
        reader = context if latest_flg else None
        if len(requests) == 1:
            merged, last_sk = self._read(requests[0], reader)
            return self._context.rows.page(merged.rows, last_sk, first=merged.created, max_bytes=max_bytes)
        with ThreadPoolExecutor(min(len(requests), _AT_ONCE)) as threads:
            work = [
                # In the context of the request: it says for which tenant rows are reached.
                threads.submit(copy_context().run, self._read, request, reader)
                for request in requests
            ]
            merged, last_sk = joined([done.result() for done in work], limit, order)
        return self._context.rows.page(merged.rows, last_sk, first=merged.created, max_bytes=max_bytes)

    def _read(self, request: PageRequest, context: InvokeContext | None) -> tuple[Merged, str | None]:
        """Rows of a page with what the caller has published, and the sort key to go on after."""
        tenant = get_tenant_code(request.pk)
        user_id = user_id_of(context) if context else None
        store, table = self._context.store, self._context.tables.data
        if not self._sessions.is_enabled or not tenant or not user_id:
            page = request.read(store, table, consistent=False)
            return Merged((), page.rows), page.last_sk
        with ThreadPoolExecutor(1) as thread:
            # As above.
            look_up = copy_context().run
            few = thread.submit(look_up, self._sessions.few_of_user, user_id, tenant, pk=request.pk)
            # Consistent: what the caller published synchronously has no session.
            page = request.read(store, table, consistent=True)
        sessions = few.result()
        if sessions is None:
            sessions = self._of_page(request, page, user_id, tenant)
        return merged_rows(self._context, request, page, sessions), page.last_sk

    def list_items(
        self,
        query: Callable[[], Any],
        *,
        transform_command: Callable[[CommandModel[AttributesT], ItemT | None], ItemT],
        matches_filter: Callable[[ItemT], bool] | None = None,
        get_version: Callable[[ItemT], int | None] | None = None,
        latest_flg: bool = True,
        first_page: bool = True,
        invoke_context: InvokeContext | None = None,
    ) -> ItemList[ItemT]:
        """A list from a store that data sync handlers feed, the caller's own pending writes included.

        A write is pending until its handlers are done, or the item in the store has its
        version. A pending update stands in the place of its item, and takes it away where
        it does not match any more; a pending deletion takes it away. Pending creations that
        match come first, the newest before the others. ``total`` follows.

        An update of an item that ``query`` did not return changes nothing: whether the item
        is on another page, or only matches now, cannot be told. Nor does a deletion of one.

        Two DynamoDB calls before the query, or one when the caller published nothing lately:
        what is done before the query is in its result. Of a caller who published more than 100
        versions lately, an update is found by the ``id`` of its item, unless that is one of the
        caller's own making; it takes three calls, and two where something is pending.

        Args:
            query: Returns an object or a mapping with ``items`` and ``total``. Items have an
                ``id``, as key or attribute: that of the command. ``total`` may be None.
            transform_command: Makes an item of a command, and of the store's own item where
                there is one, such as for what comes from a join.
            matches_filter: Whether an item is one that the query is about. Default: all are.
            get_version: Version of an item. Default: its key or attribute ``version``. Where
                that is None, too, the data row decides.
            latest_flg: False leaves pending writes out.
            first_page: False on later pages: new items count in ``total``, but are not shown
                once more.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: An argument is not callable.
            ForbiddenError: The caller claims a tenant that is not theirs.
            ConfigurationError: ``query`` returned something else, or one of the functions would only begin
                its work.
        """
        _check_callable(query=query, transform_command=transform_command)
        _check_callable(matches_filter=matches_filter or bool, get_version=get_version or int)
        context = invoke_context or current_invoke_context()
        caller = self._caller(context)
        if not latest_flg or not self._sessions.is_enabled:
            caller = None
        few = self._sessions.few_of_user(*caller) if caller else []
        is_many = few is None
        sessions = self._sessions.created_by_user(*caller) if caller and few is None else few
        pending = read_pending(self._context, sessions or ())
        listing = ItemList[ItemT].of(query(), with_ids=caller is not None)
        if caller and is_many:
            # After the query, so that what was finished meanwhile counts, too.
            own = self._sessions.of_ids(*caller, ids_of(listing))
            pending += read_pending(self._context, behind(listing, own, get_version), even_finished=True)
        if not pending:
            return listing
        matches = matches_filter or (lambda _item: True)
        return Merge(transform_command, matches, get_version, first_page).merged(listing, pending)

    def _of_page(self, request: PageRequest, page: PartitionPage, user_id: str, tenant: str) -> list[Session]:
        """The sessions that matter to a page, of a user who has many."""
        keys = sorted(DetailKey(row["pk"], row["sk"]) for row in page.rows)
        of_items = self._sessions.of_items(user_id, keys)
        if request.start_from_sk is not None:
            return of_items  # what is new is on the first page
        return [*self._sessions.created_by_user(user_id, tenant, pk=request.pk), *of_items]

    def _caller(self, context: InvokeContext | None) -> tuple[str, str] | None:
        """User and tenant of a request, or None without; a tenant that is not the user's own is refused."""
        user = get_user_context(context, self._context.settings) if context else None
        if context is None or user is None or not user.tenant_code:
            return None
        # There is no key to check here, so one of the tenant that is asked for.
        pk = f"{KEY_SEPARATOR}{user.tenant_code}"
        check_tenant(pk, context, self._context.settings, write=False)
        return (user.user_id, user.tenant_code) if user.user_id else None


def _check_callable(**arguments: object) -> None:
    problems = [
        FieldProblem(name, f"must be callable, got {type(argument).__name__}")
        for name, argument in arguments.items()
        if not callable(argument)
    ]
    if problems:
        raise InvalidInputError(problems)
    for name, argument in arguments.items():
        check_plain_function(cast("Callable[..., Any]", argument), name)
