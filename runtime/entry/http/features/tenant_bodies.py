"""What the routes of tenants take and give."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema  # noqa: TC002 - pydantic reads the annotations

from runtime.features.tenants.codes import SK, common_code, key_of
from runtime.features.tenants.tenant import Tenant, TenantState  # noqa: TC001 - as above
from runtime.model.keys import generate_id
from runtime.model.models import CqrsModel
from runtime.settings import Settings  # noqa: TC001 - as above

__all__ = [
    "ChangeTenant",
    "CreateCommonTenant",
    "CreateTenant",
    "CustomizeGroups",
    "SetState",
    "TenantGroup",
    "TenantItem",
    "TenantItems",
]


class _Body(CqrsModel):
    model_config = ConfigDict(extra="forbid")


class CreateCommonTenant(_Body):
    """The common tenant.

    Attributes:
        name: Name for people.
        attributes: The service's own fields.
    """

    name: str
    attributes: dict[str, Any] = Field(default_factory=dict, repr=False)


class CreateTenant(CreateCommonTenant):
    """A new tenant.

    Attributes:
        code: Letters a to z, digits and "-", at most 50.
    """

    code: str


class ChangeTenant(_Body):
    """What is to change about a tenant.

    Attributes:
        name: Name for people.
        attributes: Those that change, each as a whole. A null is stored as null; with the content type
            application/merge-patch+json (RFC 7396) it takes the attribute away.
    """

    # Null is no way to leave it out: the route refuses it.
    name: str | SkipJsonSchema[None] = None
    attributes: dict[str, Any] = Field(default_factory=dict, repr=False)


class TenantGroup(_Body):
    """A group of a role.

    Attributes:
        tenant_code: Code of the tenant.
        role: Name of the role.
        group_id: Id of the group; one of several levels has "#" between them.
    """

    tenant_code: str
    role: str
    group_id: str


class CustomizeGroups(_Body):
    """The order in which settings are looked up in the groups of a role.

    Attributes:
        tenant_code: Code of the tenant.
        role: Name of the role.
        setting_groups: Groups of the role, in order. Null: the automatic order.
    """

    tenant_code: str
    role: str
    setting_groups: list[str] | None


class SetState(_Body):
    """What a tenant may do from now on.

    Attributes:
        state: The state.
        reason: Why, for people. Required unless it is active.
    """

    state: Literal["active", "suspended", "closed"]
    reason: str | None = None


class TenantItem(CqrsModel):
    """A tenant, as its row has it.

    Attributes:
        code: MASTER, for every tenant; its own code is ``tenantCode``.
        state: What it may do.
    """

    pk: str
    sk: str
    id: str
    code: str
    name: str
    version: int
    tenant_code: str
    type: str
    is_deleted: bool
    state: TenantState
    attributes: dict[str, Any] = Field(repr=False)

    @classmethod
    def of(cls, tenant: Tenant, settings: Settings) -> TenantItem:
        """What is told of a tenant."""
        key = key_of(tenant.code)
        return cls(
            pk=key.pk,
            sk=key.sk,
            id=generate_id(*key),
            code=SK,
            name=tenant.name,
            version=tenant.version,
            tenant_code=tenant.code,
            type="common" if tenant.code == common_code(settings) else tenant.code,
            is_deleted=False,
            state=tenant.state,
            attributes=dict(tenant.attributes),
        )


class TenantItems(CqrsModel):
    """Some of the tenants, in no order.

    Attributes:
        items: The tenants. A page may have none, and not be the last one.
        resume_token: Pass it as ``resumeToken`` to get the next page. Absent on the last one.
    """

    items: list[TenantItem]
    resume_token: str | None = None
