"""The routes of a module that read."""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AwareDatetime

from runtime.commands.module_service import not_found
from runtime.entry.http.conditions import entity_tag, is_unmodified
from runtime.entry.http.json_format import dumps
from runtime.entry.http.module_bodies import History, SearchQuery, SearchResult
from runtime.entry.http.module_endpoint import OF_MANY, OF_READ, ModuleEndpoint, ModuleRoute
from runtime.entry.http.search_item import item_of, items_reader
from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.imports import FunctionReference
from runtime.model.item_list import field_of
from runtime.model.keys import MAX_VERSION
from runtime.model.models import DataListModel, DataModel
from runtime.store.answer_size import PAGE_BYTES, answer_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Search", "read_routes", "search_route"]

if TYPE_CHECKING:
    Search = Callable[[SearchQuery], Any] | str
    """Finds items: a callable, or where to import it from. Returns ``items`` and ``total``."""

Limit = Annotated[int, Query(ge=1, le=100)]
SortKey = Annotated[str | None, Query(min_length=1, max_length=1024)]
StartFromSk = Annotated[
    str | None,
    Query(alias="startFromSk", min_length=1, max_length=1024, description="lastSk of the page before"),
]
SkPrefix = Annotated[str | None, Query(alias="skPrefix", min_length=1, max_length=1024)]
Order = Annotated[str, Query(pattern="^(asc|desc)$", description="By sort key: asc or desc")]
AsOf = Annotated[AwareDatetime | None, Query(alias="asOf", description="The state at that time")]
IncludeDeleted = Annotated[bool, Query(alias="includeDeleted", description="Softly deleted items, too")]
StartFromVersion = Annotated[
    int,
    Query(alias="startFromVersion", ge=0, le=MAX_VERSION, description="lastVersion of the page before"),
]
Version = Annotated[int, Path(ge=1, le=MAX_VERSION)]
Keyword = Annotated[str | None, Query(max_length=256)]
Page = Annotated[int, Query(ge=1, le=10_000)]
PageSize = Annotated[int, Query(alias="pageSize", ge=1, le=100)]
OrderBys = Annotated[
    list[str] | None,
    Query(alias="orderBys", max_length=10, description="Names of fields; -name is descending"),
]


def read_routes(
    endpoint: ModuleEndpoint[Any],
    attributes: Any,  # noqa: ANN401 - a type
    roles: tuple[str, ...],
) -> list[ModuleRoute]:
    """The routes that read one item, its history, or a page of items."""

    def get(sk: str, as_of: AsOf = None) -> Response[DataModel[Any]]:
        if as_of is None:
            return _tagged(endpoint, endpoint.items.get(sk))
        key = endpoint.items.key(sk)
        return _existing(
            endpoint, endpoint.module.history.as_of(key, at=as_of, invoke_context=endpoint.caller())
        )

    def find(
        limit: Limit = 20,
        start_from_sk: StartFromSk = None,
        sk_prefix: SkPrefix = None,
        order: Order = "asc",
        include_deleted: IncludeDeleted = False,  # noqa: FBT002 - a query parameter
    ) -> DataListModel[Any]:
        with _named_as_sent():
            return endpoint.items.list(
                sk_prefix=sk_prefix,
                start_from_sk=start_from_sk,
                limit=limit,
                order="desc" if order == "desc" else "asc",
                include_deleted=include_deleted,
                max_bytes=PAGE_BYTES,
            )

    def history(sk: str, limit: Limit = 20, start_from_version: StartFromVersion = 0) -> History[Any]:
        key = endpoint.items.key(sk)
        page = endpoint.module.history.page(
            key, after=start_from_version, limit=limit, invoke_context=endpoint.caller()
        )
        return History(items=page.items, last_version=page.last_version, unreadable=page.unreadable)

    def version(sk: str, version: Version) -> Response[DataModel[Any]]:
        key = endpoint.items.key(sk)
        return _existing(
            endpoint, endpoint.module.history.as_of(key, version=version, invoke_context=endpoint.caller())
        )

    def page(model: Any) -> dict[int, tuple[str, Any]]:  # noqa: ANN401 - a type
        return {200: ("A page", model)}

    one = {200: ("The item", DataModel[attributes]), 304: ("Not modified", None)}
    return [
        ModuleRoute("list", "GET", "", find, page(DataListModel[attributes]), roles, headers=OF_MANY),
        ModuleRoute("version", "GET", "/<sk>/history/<version>", version, one, roles, headers=OF_READ),
        ModuleRoute(
            "history", "GET", "/<sk>/history", history, page(History[attributes]), roles, headers=OF_MANY
        ),
        ModuleRoute("get", "GET", "/<sk>", get, one, roles, headers=OF_READ),
    ]


@contextmanager
def _named_as_sent() -> Iterator[None]:
    """Name the parameters in errors as the client wrote them."""
    names = {"sk": "skPrefix", "start_from_sk": "startFromSk"}
    try:
        yield
    except InvalidInputError as error:
        problems = [
            FieldProblem(names.get(found.field, found.field), found.message) for found in error.problems
        ]
        raise InvalidInputError(problems) from error


def _existing(endpoint: ModuleEndpoint[Any], state: DataModel[Any] | None) -> Response[DataModel[Any]]:
    if state is None:
        raise not_found()
    return _tagged(endpoint, state)


def _tagged(endpoint: ModuleEndpoint[Any], state: DataModel[Any]) -> Response[DataModel[Any]]:
    headers = {"ETag": entity_tag(state.version)}
    if is_unmodified(endpoint.caller().headers, state.version):
        return Response(HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(HTTPStatus.OK, content_type="application/json", body=state, headers=headers)


def search_route(
    endpoint: ModuleEndpoint[Any],
    search: Search,
    item: Any,  # noqa: ANN401 - a type
    roles: tuple[str, ...],
) -> ModuleRoute:
    """The route that hands a search over to the module's own read model."""
    item = item_of(search) if item is Any else item
    read = items_reader(item)
    # One that is named is imported at the first search.
    reference = FunctionReference.of(search, "a search", ("query",))

    def find(
        keyword: Keyword = None, page: Page = 1, page_size: PageSize = 20, order_bys: OrderBys = None
    ) -> SearchResult[Any]:
        tenant = endpoint.items.tenant()
        query = SearchQuery(
            tenant_code=tenant,
            pk=endpoint.items.pk(),
            keyword=keyword or None,
            page=page,
            page_size=page_size,
            order_bys=tuple(name for text in order_bys or () for name in text.split(",") if name),
        )
        found = reference.function(query)
        items, total = field_of(found, "items"), field_of(found, "total")
        if items is None or callable(items):
            msg = (
                f"search must return an object or a mapping with items and total, got {type(found).__name__}"
            )
            raise ConfigurationError(msg)
        # Rows of a database are read into what the document promises.
        found_items = read(items)
        shown = list(_fitting(found_items))
        left_out = len(found_items) - len(shown)
        return SearchResult(
            items=shown, total=total, page=page, page_size=page_size, left_out=left_out or None
        )

    responses = {200: ("A page", SearchResult[item])}
    return ModuleRoute("search", "GET", "/search", find, responses, roles, headers=OF_MANY)


def _fitting(items: Iterable[Any]) -> Iterator[Any]:
    """The items that fit into an answer; a page by number cannot go on where its bytes end."""
    used = 0
    for item in items:
        used += answer_bytes(dumps(item))
        if used > PAGE_BYTES:
            return
        yield item
