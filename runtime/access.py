"""The tenant check: no call reaches a key outside of the caller's tenant.

The check is on the key, in every service, and on whenever a request is being handled.
Code that works for nobody in particular (a worker, a script) has no context and is
trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.context import current_invoke_context, get_user_context
from runtime.errors import ForbiddenError
from runtime.keys import get_tenant_code

if TYPE_CHECKING:
    from runtime.context import InvokeContext
    from runtime.settings import Settings

__all__ = ["check_tenant"]


def check_tenant(pk: str, invoke_context: InvokeContext | None, settings: Settings) -> None:
    """Refuse ``pk`` when the caller may not act in its tenant.

    Args:
        pk: Partition key that the caller wants to read or write.
        invoke_context: Context of the request. None means the current request's; when
            there is no request either, everything is allowed.
        settings: Tells which roles may cross tenants.

    Raises:
        ForbiddenError: The key belongs to another tenant, or to none.
    """
    context = invoke_context or current_invoke_context()
    if context is None:
        return
    user = get_user_context(context)
    if user.tenant_role in settings.cross_tenant_roles:
        return
    # A tenant from the header alone is the caller's own claim: it needs such a role.
    own_tenant = user.tenant_code if context.claims.get("custom:tenant") else None
    if own_tenant is None or get_tenant_code(pk) != own_tenant:
        # The message repeats nothing of the key: it may be somebody else's.
        msg = "the key does not belong to your tenant"
        raise ForbiddenError(msg)
