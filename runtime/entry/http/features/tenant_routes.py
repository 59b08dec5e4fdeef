"""HTTP for the registry of tenants, in one line."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from runtime.commands.partial import REMOVE
from runtime.entry.http.event_endpoint import named_as_sent
from runtime.entry.http.features.guarded_route import guarded_route
from runtime.entry.http.features.tenant_bodies import (
    ChangeTenant,
    CreateCommonTenant,
    CreateTenant,
    CustomizeGroups,
    SetState,
    TenantGroup,
    TenantItem,
    TenantItems,
)
from runtime.entry.http.module_endpoint import KEY_REUSED, OF_MANY, OF_WRITE, ModuleRoute
from runtime.entry.http.route_table import MadeRouter, add_route, prefix_problems
from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError, ItemNotFoundError
from runtime.features.tenants.codes import SK, TYPE, checked_code
from runtime.features.tenants.tenant import TenantState
from runtime.identity.context import require_invoke_context
from runtime.model.keys import KEY_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.event_handler.api_gateway import Router

    from runtime.features.tenants.tenant import Tenant
    from runtime.features.tenants.tenant_module import TenantModule

__all__ = ["tenant_routes"]

_MERGE_PATCH = "application/merge-patch+json"

Limit = Annotated[int, Query(ge=1, le=100)]
ResumeToken = Annotated[
    str | None,
    Query(alias="resumeToken", min_length=1, max_length=4096, description="resumeToken of the page before"),
]
State = Annotated[TenantState | None, Query(description="Only tenants in this state")]


def tenant_routes(tenants: TenantModule, prefix: str = "/api/tenant") -> Router:
    """Routes of the registry of tenants; seven of them as MBC CQRS Serverless has them.

    =========  ===================================  =====================================================
    get        GET ``{prefix}/{pk}/{sk}``           ``TENANT#acme`` and ``MASTER``, escaped
    list       GET ``{prefix}``                     a page of the tenants
    common     POST ``{prefix}/common``             register the common tenant
    create     POST ``{prefix}``                    register a tenant
    update     PATCH ``{prefix}/{pk}/{sk}``         its name, and attributes
    delete     DELETE ``{prefix}/{pk}/{sk}``        delete it softly
    group      POST ``{prefix}/group``              add a group to a role
    order      PATCH ``{prefix}/group``             the order of a role's groups
    state      POST ``{prefix}/{code}/state``       suspend, close or activate it
    =========  ===================================  =====================================================

    Who may is what `TenantModule` says: everybody reads their own tenant, its administrators change its name
    and attributes, and all the rest takes a role across all tenants.

    Example:
        >>> app = CqrsApp(modules=[order], features=[tenants], routes=[tenant_routes(tenants)])

    Args:
        tenants: The registry.
        prefix: First part of the paths.

    Raises:
        ConfigurationError: ``prefix`` can be none.
    """
    if problems := prefix_problems(prefix, "/api/tenant"):
        raise ConfigurationError("; ".join(problems))
    router = MadeRouter(f"tenant_routes at {prefix}", prefix)
    for route in [*_of_one(tenants), *_of_groups(tenants), *_of_all(tenants)]:
        add_route(
            router, route, guarded_route(route, tenants.name), owner=tenants.name, summary=route.summary
        )
    return router


def _of_one(tenants: TenantModule) -> list[ModuleRoute]:
    """The routes about one tenant that is there."""

    def get(pk: str, sk: str) -> TenantItem:
        found = tenants.get_tenant(_code_of(pk, sk))
        if found is None:
            raise _not_found()
        return _item(tenants, found)

    def update(pk: str, sk: str, body: ChangeTenant) -> TenantItem:
        if "name" in body.model_fields_set and body.name is None:
            raise InvalidInputError([FieldProblem("name", "must be a text; leave it out to keep it")])
        attributes = body.attributes
        if _content_type() == _MERGE_PATCH:
            attributes = {name: REMOVE if value is None else value for name, value in attributes.items()}
        code = _code_of(pk, sk)
        return _item(tenants, tenants.update_tenant(code, name=body.name, attributes=attributes))

    def delete(pk: str, sk: str) -> Response[None]:
        tenants.delete_tenant(_code_of(pk, sk))
        return Response(HTTPStatus.NO_CONTENT)

    def state(code: str, body: SetState) -> TenantItem:
        return _item(tenants, tenants.set_state(code, body.state, reason=body.reason))

    one, key = {200: ("The tenant", TenantItem)}, "/<pk>/<sk>"
    return [
        _route("get", "GET", key, get, one, "The tenant"),
        _route("update", "PATCH", key, update, one, "Change its name, or some of its attributes"),
        _route("delete", "DELETE", key, delete, {204: ("Deleted", None)}, "Delete the tenant softly"),
        _route("state", "POST", "/<code>/state", state, one, "Suspend, close or activate the tenant"),
    ]


def _of_groups(tenants: TenantModule) -> list[ModuleRoute]:
    """The routes about the groups of a role."""

    def group(body: TenantGroup) -> Response[TenantItem]:
        with named_as_sent({"code": "tenantCode", "group_id": "groupId"}):
            found = tenants.add_tenant_group(body.tenant_code, body.role, body.group_id)
        return _created(tenants, found)

    def order(body: CustomizeGroups) -> TenantItem:
        with named_as_sent({"code": "tenantCode", "setting_groups": "settingGroups"}):
            found = tenants.customize_setting_groups(body.tenant_code, body.role, body.setting_groups)
        return _item(tenants, found)

    added, changed = {201: ("The tenant", TenantItem)}, {200: ("The tenant", TenantItem)}
    return [
        _route("group", "POST", "/group", group, added, "Add a group to a role"),
        _route("order", "PATCH", "/group", order, changed, "Say in which order a role's groups are asked"),
    ]


def _of_all(tenants: TenantModule) -> list[ModuleRoute]:
    """The routes that find tenants, and make them."""

    def find(limit: Limit = 20, resume_token: ResumeToken = None, state: State = None) -> TenantItems:
        with named_as_sent({"resume_from": "resumeToken"}):
            page = tenants.list_tenants(limit=limit, resume_from=resume_token, state=state)
        items = [_item(tenants, tenant) for tenant in page.items]
        return TenantItems(items=items, resume_token=page.resume_token)

    def create(body: CreateTenant) -> Response[TenantItem]:
        return _created(tenants, tenants.create_tenant(body.code, body.name, attributes=body.attributes))

    def common(body: CreateCommonTenant) -> Response[TenantItem]:
        return _created(tenants, tenants.create_common_tenant(body.name, attributes=body.attributes))

    new = {201: ("The tenant", TenantItem)}
    return [
        _route("list", "GET", "", find, {200: ("A page", TenantItems)}, "A page of the tenants, in no order"),
        _route("create", "POST", "", create, new, "Register a tenant"),
        _route("common", "POST", "/common", common, new, "Register the common tenant"),
    ]


def _route(  # noqa: PLR0917 - the parts of a route
    name: str,
    method: str,
    path: str,
    function: Callable[..., Any],
    responses: dict[int, tuple[str, Any]],
    summary: str,
) -> ModuleRoute:
    is_write, problems = method != "GET", {403: "Not allowed"}
    if "<" in path or "group" in path:
        problems[404] = "There is no such tenant"
    if is_write:
        problems[422] = KEY_REUSED
    headers = OF_WRITE if is_write else OF_MANY
    return ModuleRoute(
        name, method, path, function, responses, summary=summary, problems=problems, headers=headers
    )


def _code_of(pk: str, sk: str) -> str:
    """The tenant that a key is of.

    Raises:
        ItemNotFoundError: It is none of a tenant's.
        InvalidInputError: There can be no such code.
    """
    kind, _, code = pk.partition(KEY_SEPARATOR)
    if kind != TYPE or sk != SK:
        raise _not_found()
    return checked_code(code, "pk")


def _content_type() -> str:
    sent = require_invoke_context().headers.get("content-type", "")
    return sent.partition(";")[0].strip().lower()


def _item(tenants: TenantModule, tenant: Tenant) -> TenantItem:
    return TenantItem.of(tenant, tenants.resources.settings)


def _created(tenants: TenantModule, tenant: Tenant) -> Response[TenantItem]:
    return Response(HTTPStatus.CREATED, content_type="application/json", body=_item(tenants, tenant))


def _not_found() -> ItemNotFoundError:
    return ItemNotFoundError("there is no such tenant")
