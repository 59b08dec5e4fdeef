"""The one tenant of a request, and where else its caller may go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.errors import ForbiddenError
from runtime.identity.context import HEADER_TENANT_CODE, current_settings, require_invoke_context
from runtime.model.keys import KEY_SEPARATOR, lower_case_tenant
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.identity.claims import Identity
    from runtime.identity.context import InvokeContext

__all__ = ["acting_tenant", "crosses", "may_act_in"]

#: Where nobody says which roles may cross tenants, none may.
_STRICT = Settings(cross_tenant_roles=(), common_tenant_codes=())


def acting_tenant(
    invoke_context: InvokeContext | None = None, settings: Settings | None = None, *, write: bool = True
) -> str | None:
    """The one tenant that a request is about, in lower case: that of the header, else the token's.

    `get_user_context` gives this tenant and the roles in it, `check_role` and `requires_role` look
    for roles in it, and `module_routes` make their keys of it.

    Args:
        invoke_context: Who asks. Default: the HTTP request that is being handled.
        settings: Which roles may cross tenants, and which tenants are common. Default: those of
            the app that handles the HTTP request; outside of one, no role may.
        write: Whether the request is to write: what is common is read by everybody.

    Returns:
        The tenant, or None where neither the token nor the header names one.

    Raises:
        ForbiddenError: The header ``x-tenant-code`` names a tenant that the caller may not act
            in, or a claim is malformed.
        InvalidInputError: There is no request.
    """
    context = require_invoke_context(invoke_context)
    identity = context.identity
    wanted = _tenant_of(context, identity)
    if wanted is None:
        return None
    if KEY_SEPARATOR in wanted:  # a key that is made of it would be another tenant's
        msg = f"a tenant must have no {KEY_SEPARATOR} in its code"
        raise ForbiddenError(msg)
    # Their own tenant is told, also where they may only read there: the check of the key is still to come.
    if wanted == identity.tenant_code or _may(
        wanted, context, settings or current_settings() or _STRICT, write=write
    ):
        return wanted
    msg = f"the header {HEADER_TENANT_CODE} names a tenant that is not yours; leave it out"
    raise ForbiddenError(msg)


def may_act_in(tenant: str | None, context: InvokeContext, settings: Settings, *, write: bool) -> bool:
    """Whether the caller may read or write what belongs to a tenant; None: to nobody.

    Raises:
        ForbiddenError: A claim is malformed.
    """
    if not tenant:
        # A key without a tenant is nobody's: only who may go everywhere gets there.
        return crosses(context, None, settings)
    return _may(tenant, context, settings, write=write)


def crosses(context: InvokeContext, tenant: str | None, settings: Settings) -> bool:
    """Whether the caller has a role that crosses tenants in this one; None: in all of them."""
    # To the letter, as for the caller's own tenant: whose key `#ACME` is, no token can say.
    roles = context.identity.roles_in(tenant)
    return not set(settings.cross_tenant_roles).isdisjoint(roles)


def _may(tenant: str, context: InvokeContext, settings: Settings, *, write: bool) -> bool:
    identity = context.identity
    # A tenant from the header alone is the caller's own claim: it needs a role, or to be common. And
    # who acts in another tenant is no ordinary user of their own one meanwhile: a role that they
    # have only there would open what is here.
    is_at_home = tenant == identity.tenant_code == _tenant_of(context, identity)
    if is_at_home and not write:
        return True
    is_common = tenant in map(lower_case_tenant, settings.common_tenant_codes)
    if is_at_home and not is_common:
        return True
    if is_common and not write and identity.user_id:
        return True
    return crosses(context, tenant, settings)


def _tenant_of(context: InvokeContext, identity: Identity) -> str | None:
    named = context.headers.get(HEADER_TENANT_CODE)
    return (lower_case_tenant(named) if named else None) or identity.tenant_code
