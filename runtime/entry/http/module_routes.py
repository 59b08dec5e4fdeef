"""HTTP for a module, in one line."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from runtime.entry.http.module_bulk import bulk_route, resync_route
from runtime.entry.http.module_commands import check_commands, command_routes
from runtime.entry.http.module_endpoint import ModuleEndpoint
from runtime.entry.http.module_reads import read_routes, search_route
from runtime.entry.http.module_writes import write_routes
from runtime.entry.http.route_table import MadeRouter, add_route, prefix_problems
from runtime.errors import ConfigurationError
from runtime.identity.context import ROLE_SYSTEM_ADMIN
from runtime.identity.guard import guarded
from runtime.imports import check_function, check_import_path
from runtime.log import log_context

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from aws_lambda_powertools.event_handler.api_gateway import Router

    from runtime.entry.http.module_commands import ItemCommand
    from runtime.entry.http.module_endpoint import ModuleRoute
    from runtime.entry.http.module_reads import Search
    from runtime.module import CommandModule

__all__ = ["module_routes"]

_NAMES: Final = (
    "publish",
    "replace",
    "patch",
    "delete",
    "bulk",
    "list",
    "get",
    "history",
    "version",
    "search",
    "resync",
)
_MIN_TTL: Final = timedelta(hours=1)
_WITH_TTL: Final = ("publish", "replace", "bulk")
_SUMMARIES: Final = {
    "publish": "Create or update an item",
    "replace": "Create or replace the item with this sort key",
    "patch": "Change some fields of an item",
    "delete": "Delete an item softly",
    "bulk": "Publish many commands, each on its own",
    "list": "A page of items, in the order of their sort keys",
    "get": "One item, with what the caller has just published",
    "history": "The states that were replaced",
    "version": "An item as of a version",
    "search": "Search the items",
    "resync": "Show the stored items to the data sync handlers again",
}


def module_routes(
    module: CommandModule[Any],
    *,
    prefix: str,
    type: str,  # noqa: A002 - the name of the field of a command
    shards: int = 1,
    search: Search | None = None,
    search_item: Any = Any,  # noqa: ANN401 - a type
    commands: Mapping[str, ItemCommand[Any, Any]] = MappingProxyType({}),
    only: Collection[str] | None = None,
    without: Collection[str] = (),
    read_roles: Collection[str] = (),
    write_roles: Collection[str] = (),
    resync_roles: Collection[str] = (ROLE_SYSTEM_ADMIN,),
    bulk_limit: int = 100,
    ttl: bool | Collection[str] = False,
    min_ttl: timedelta = _MIN_TTL,
) -> Router:
    """Routes to publish, read, search and re-sync the items of a module.

    ==========  ======================================  ====================================
    publish     POST ``{prefix}``                       create or update
    replace     PUT ``{prefix}/{sk}``                   create or replace
    patch       PATCH ``{prefix}/{sk}``                 change some fields
    delete      DELETE ``{prefix}/{sk}``                delete softly
    bulk        POST ``{prefix}/bulk``                  publish many, each on its own
    list        GET ``{prefix}``                        a page
    get         GET ``{prefix}/{sk}``                   one, own writes included
    history     GET ``{prefix}/{sk}/history``           the states before
    version     GET ``{prefix}/{sk}/history/{version}`` the state as of a version
    search      GET ``{prefix}/search``                 where ``search`` is given
    resync      PUT ``{prefix}/resync``                 feed the data sync handlers again
    *a command* POST ``{prefix}/{sk}/{name}``           what ``commands`` says
    ==========  ======================================  ====================================

    The partition key is ``{type}#{tenant}`` with the caller's own tenant; a caller whose role
    crosses tenants may name another one in the header ``x-tenant-code``. Making the routes
    touches neither the network nor the environment.

    Example:
        >>> app = CqrsApp(modules=[order], routes=[module_routes(order, prefix="/orders", type="ORDER")])

    Args:
        module: The module.
        prefix: First part of the paths, such as ``/orders``.
        type: Kind of the items, such as ``ORDER``.
        shards: How many partition keys the items of one tenant are spread over; see
            `CommandModule.service`. Default: one.
        search: Called with a `SearchQuery`; returns an object or a mapping with ``items`` and
            ``total``. Or where to import it from, at the first search: ``"package.module:name"``.
        search_item: What one item of a search is, such as a pydantic model: for the OpenAPI
            document, and what the items that ``search`` returns are read into, rows of a
            database as well. Default: what ``search`` says that it returns, ``ItemList[Found]``;
            where it does not, or is named by where to import it from: anything, as it is.
        commands: What else can be done with an item, by the last part of its path:
            ``{"pay": ItemCommand(pay, body=Payment)}``.
        only: Names of the routes to make, apart from commands. Default: all.
        without: Names of routes to leave out.
        read_roles: Roles of which a caller needs one to read. Default: everybody in the tenant.
        write_roles: Roles of which a caller needs one to publish. Default: everybody in the tenant.
        resync_roles: Roles of which a caller needs one to re-sync. As the rows are those of all
            tenants, it must also be one that crosses them all.
        bulk_limit: Commands in one bulk request, at most.
        ttl: Whether ``publish``, ``replace`` and ``bulk`` take a ``ttl``; or which of them do. An item
            whose time is over is deleted for good, by whoever may write it and though they may not
            delete. Default: none.
        min_ttl: How far ahead it has to be. Default: an hour.

    Raises:
        ConfigurationError: A name of a route is unknown, an argument cannot work, or the module has rules
            that these routes know nothing of.
    """
    if module.routes_by is not None:
        msg = (
            f"module_routes must not be given the module {module.table_name!r}, whose rules they do not "
            f"keep; give {module.routes_by}(...) to the app"
        )
        raise ConfigurationError(msg)
    _check(prefix, type, bulk_limit, only, without, search, check_commands(commands, _NAMES))
    items = module.service(type=type, shards=shards)
    endpoint = ModuleEndpoint(module=module, items=items, prefix=prefix, ttl=_with_ttl(ttl), min_ttl=min_ttl)
    attributes = module.attributes or dict[str, Any]
    read, write, resync = tuple(read_roles), tuple(write_roles), tuple(resync_roles)
    routes = [
        bulk_route(endpoint, attributes, write, bulk_limit),
        resync_route(endpoint, resync),
        *write_routes(endpoint, attributes, write),
        *read_routes(endpoint, attributes, read),
    ]
    if search is not None:
        routes.append(search_route(endpoint, search, search_item, read))
    routes += command_routes(endpoint, commands, write)
    wanted = set(_NAMES if only is None else only) - set(without) | set(commands)
    router = MadeRouter(f"module_routes of {module.table_name!r} at {prefix}", prefix)
    for route in routes:
        if route.name in wanted:
            add_route(
                router,
                route,
                _guarded(endpoint, route),
                owner=module.table_name,
                summary=route.summary or _SUMMARIES[route.name],
            )
    return router


def _with_ttl(ttl: bool | Collection[str]) -> frozenset[str]:  # noqa: FBT001 - as the caller wrote it
    """Names of the routes that take a ``ttl``."""
    if isinstance(ttl, bool):
        return frozenset(_WITH_TTL if ttl else ())
    if isinstance(ttl, str) or not set(ttl) <= set(_WITH_TTL):
        msg = f"ttl must be a flag, or names among {', '.join(_WITH_TTL)}, got {ttl!r}"
        raise ConfigurationError(msg)
    return frozenset(ttl)


def _guarded(endpoint: ModuleEndpoint[Any], route: ModuleRoute) -> Callable[..., Any]:
    """The route's function, after the check of the roles, with the module on its log lines."""

    @contextmanager
    def guard() -> Iterator[None]:
        with log_context(module=endpoint.module.table_name):
            endpoint.check_roles(route.roles)
            endpoint.check_conditions(route)
            yield

    return guarded(route.function, guard)


def _check(  # noqa: PLR0917 - the arguments of `module_routes`
    prefix: str,
    kind: str,
    bulk_limit: int,
    only: Collection[str] | None,
    without: Collection[str],
    search: Search | None,
    problems: list[str],
) -> None:
    problems += prefix_problems(prefix, "/orders")
    if not kind or kind.endswith("#"):
        problems.append(f"type must be the kind of the items, such as 'ORDER', got {kind!r}")
    if bulk_limit < 1:
        problems.append(f"bulk_limit must be 1 or more, got {bulk_limit}")
    if search is not None:
        try:
            if isinstance(search, str):
                check_import_path(search, "search")
            else:
                check_function(search, "search", ("query",))
        except ConfigurationError as error:
            problems.append(str(error))
    for argument, names in (("only", only or ()), ("without", without)):
        if isinstance(names, str) or (unknown := sorted(set(names) - set(_NAMES))):
            got = repr(names) if isinstance(names, str) else unknown
            problems.append(f"{argument} must be names among {', '.join(_NAMES)}, got {got}")
    if problems:
        raise ConfigurationError("; ".join(problems))
