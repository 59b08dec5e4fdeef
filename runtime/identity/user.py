"""The user of a request: who they are, and the roles that they have in its tenant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.identity.tenant import acting_tenant

if TYPE_CHECKING:
    from runtime.identity.context import InvokeContext
    from runtime.settings import Settings

__all__ = ["UserContext", "get_user_context", "user_id_of", "user_in"]


@dataclass(frozen=True, slots=True)
class UserContext:
    """The user of a request.

    Attributes:
        user_id: Subject of the token, or None when nobody signed in.
        tenant_code: Tenant that the user acts in, in lower case, or None.
        tenant_role: The one role of the user in that tenant that comes first; empty when
            there is none. Checks go by ``tenant_roles``.
        tenant_roles: Every role of the user in that tenant, those for all tenants among them.
        tenant_group_ids: Groups of the user in that tenant, those for all tenants among them. None
            in another tenant than the user's own: there they are guests.
    """

    user_id: str | None
    tenant_code: str | None
    tenant_role: str
    tenant_roles: tuple[str, ...] = ()
    tenant_group_ids: tuple[str, ...] = ()


def get_user_context(invoke_context: InvokeContext, settings: Settings | None = None) -> UserContext:
    """User, tenant, roles and groups of a request.

    The tenant is that of `acting_tenant`: what the header ``x-tenant-code`` names, where the user
    may act there, else the tenant of the token. Roles and groups are those in that tenant, and
    those for all tenants. Tenants are compared without regard to case, roles are not.

    Args:
        invoke_context: Who asks.
        settings: Which roles may cross tenants. Default: those of the app that handles the HTTP
            request; outside of one, no role may.

    Raises:
        ForbiddenError: A claim is malformed, the token is no ID token, or the header names a
            tenant that the user may not act in.
    """
    return user_in(acting_tenant(invoke_context, settings, write=False), invoke_context)


def user_in(tenant_code: str | None, invoke_context: InvokeContext) -> UserContext:
    """The user of a request, with the roles and groups that they have in a tenant.

    Raises:
        ForbiddenError: A claim is malformed, or the token is no ID token.
    """
    identity = invoke_context.identity
    return UserContext(
        user_id=identity.user_id,
        tenant_code=tenant_code,
        tenant_role=identity.first_role_in(tenant_code),
        tenant_roles=identity.roles_in(tenant_code),
        tenant_group_ids=identity.groups_in(tenant_code) if tenant_code == identity.tenant_code else (),
    )


def user_id_of(invoke_context: InvokeContext) -> str | None:
    """Who asks, whatever the tenant; None when nobody signed in.

    Raises:
        ForbiddenError: A claim is malformed, or the token is no ID token.
    """
    return invoke_context.identity.user_id
