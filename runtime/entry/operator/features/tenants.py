"""What operators ask of the registry of tenants. There is no user behind it: it is the service itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runtime.errors import FieldProblem, InvalidInputError, ItemNotFoundError
from runtime.model.json_text import dumps

if TYPE_CHECKING:
    from runtime.features.operation import OperationArguments
    from runtime.features.tenants.tenant import Tenant
    from runtime.features.tenants.tenant_module import TenantModule

__all__ = ["create_tenant", "list_tenants", "set_tenant_state", "show_tenant"]


def list_tenants(tenants: TenantModule, arguments: OperationArguments) -> dict[str, Any]:
    """A page of the tenants, without their attributes. One call."""
    page = tenants.list_tenants(
        state=arguments.optional_text("state"),
        limit=arguments.limit(),
        resume_from=arguments.optional_text("resumeToken"),
    )
    return {"tenants": [_summary(tenant) for tenant in page.items], "resumeToken": page.resume_token}


def show_tenant(tenants: TenantModule, arguments: OperationArguments) -> dict[str, Any]:
    """One tenant, with all that is stored about it. One call.

    Raises:
        ItemNotFoundError: There is none.
    """
    found = tenants.get_tenant(arguments.text("tenant"))
    if found is None:
        msg = "there is no such tenant"
        raise ItemNotFoundError(msg)
    return _whole(found)


def create_tenant(tenants: TenantModule, arguments: OperationArguments) -> dict[str, Any]:
    """Register a tenant; see `TenantModule.create_tenant`."""
    attributes = arguments.json("attributes")
    if attributes is not None and not isinstance(attributes, dict):
        raise InvalidInputError([FieldProblem("attributes", "must be an object")])
    return _whole(
        tenants.create_tenant(arguments.text("tenant"), arguments.text("name"), attributes=attributes)
    )


def set_tenant_state(tenants: TenantModule, arguments: OperationArguments) -> dict[str, Any]:
    """Suspend, close or activate a tenant; see `TenantModule.set_state`."""
    return _whole(
        tenants.set_state(
            arguments.text("tenant"), arguments.text("state"), reason=arguments.optional_text("reason")
        )
    )


def _summary(tenant: Tenant) -> dict[str, Any]:
    return {
        "code": tenant.code,
        "name": tenant.name,
        "state": tenant.state.value,
        "reason": tenant.state_reason,
        "version": tenant.version,
    }


def _whole(tenant: Tenant) -> dict[str, Any]:
    return {**_summary(tenant), "attributes": json.loads(dumps(dict(tenant.attributes)))}
