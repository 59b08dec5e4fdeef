"""Who may do what: the tenant check on every key, and the roles that a route asks for.

The tenant check is in every service, and on whenever a request is being handled. Code that
works for nobody in particular (a worker, a script) has no context and is trusted.

A tenant's keys are for its own users. Two things widen that:

- A role of ``CROSS_TENANT_ROLES`` (default ``system_admin``), held in the tenant that the
  key belongs to or for all tenants: the user may read and write there.
- A tenant of ``COMMON_TENANT_CODES`` (default ``common``): everybody who signed in may read
  there. To write there takes a role as above, for the tenant's own users too.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from runtime.errors import ConfigurationError, ForbiddenError
from runtime.identity.context import (
    HEADER_TENANT_CODE,
    ROLE_SYSTEM_ADMIN,
    current_invoke_context,
    require_invoke_context,
)
from runtime.identity.guard import guarded
from runtime.identity.tenant import acting_tenant, crosses, may_act_in
from runtime.identity.user import get_user_context
from runtime.imports import check_plain_function
from runtime.model.keys import get_tenant_code, lower_case_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from runtime.identity.context import InvokeContext
    from runtime.settings import Settings

__all__ = [
    "acting_tenant",
    "check_every_tenant",
    "check_role",
    "check_tenant",
    "requires_role",
]

RouteT = TypeVar("RouteT", bound="Callable[..., Any]")


def check_tenant(
    pk: str, invoke_context: InvokeContext | None, settings: Settings, *, write: bool = True
) -> None:
    """Refuse ``pk`` when the caller may not act in its tenant.

    Args:
        pk: Partition key that the caller wants to read or write.
        invoke_context: Context of the request. None means the current request's; when
            there is no request either, everything is allowed.
        settings: Tells which roles may cross tenants, and which tenants are common.
        write: Whether the caller wants to write. Defaults to True, the stricter rule.

    Raises:
        ForbiddenError: The key belongs to another tenant, or to none; or to another one than the
            request's, where the deployment reaches rows in sessions of that.
    """
    context = invoke_context or current_invoke_context()
    if context is None:
        return
    tenant = get_tenant_code(pk)
    # The messages repeat nothing of the key: it may be somebody else's.
    if not may_act_in(tenant, context, settings, write=write):
        msg = "the key does not belong to your tenant"
        raise ForbiddenError(msg)
    if settings.tenant_role_arn is not None and not _is_reached(tenant, settings, write=write):
        msg = f"the key is of another tenant than the request: name its tenant in {HEADER_TENANT_CODE}"
        raise ForbiddenError(msg)


def _is_reached(tenant: str | None, settings: Settings, *, write: bool) -> bool:
    """Whether the session of the request's tenant reaches the rows of a tenant.

    Says before the call what AWS would say to it: that of a caller who may go there.
    """
    request = current_invoke_context()
    if request is None or not tenant:
        return request is None
    is_common = tenant in {lower_case_tenant(code) for code in settings.common_tenant_codes}
    return (is_common and not write) or tenant == acting_tenant(request, settings, write=False)


def check_every_tenant(invoke_context: InvokeContext | None, settings: Settings) -> None:
    """Refuse an operation on the rows of all tenants at once, unless a role for all of them allows it.

    Raises:
        ForbiddenError: The caller has no role that crosses all tenants.
    """
    context = invoke_context or current_invoke_context()
    if context is not None and not crosses(context, None, settings):
        msg = "this is about every tenant; it takes a role that crosses all tenants"
        raise ForbiddenError(msg)


def check_role(
    *roles: str,
    groups: Iterable[str] = (),
    invoke_context: InvokeContext | None = None,
    settings: Settings | None = None,
) -> None:
    """Refuse a caller who has none of the roles in the tenant that the request is about.

    A role that the caller has in another tenant does not count; one for all tenants does. The
    role ``system_admin`` always does.

    Args:
        *roles: Names of roles, as in the claim ``custom:roles``.
        groups: Groups of the claim ``custom:groups`` that may, too.
        invoke_context: Who asks. Default: the HTTP request that is being handled.
        settings: Which roles may cross tenants. Default: those of the app that handles the
            HTTP request; outside of one, no role may.

    Raises:
        ForbiddenError: The caller has none of them, or names a tenant of others.
        InvalidInputError: There is no request.
    """
    # Roles and groups are those in the tenant of the request, and no others.
    user = get_user_context(require_invoke_context(invoke_context), settings)
    if {*roles, ROLE_SYSTEM_ADMIN}.intersection(user.tenant_roles):
        return
    if set(groups).intersection(user.tenant_group_ids):
        return
    wanted = ", ".join([*roles, *(f"group {group}" for group in groups)])
    msg = f"this takes one of: {wanted}"
    raise ForbiddenError(msg)


def requires_role(*roles: str, groups: Iterable[str] = ()) -> Callable[[RouteT], RouteT]:
    """Decorator of a route: only for callers with one of the roles; see `check_role`.

    Example:
        >>> @router.put("/orders/close")
        ... @requires_role("admin", "accountant")
        ... def close() -> None: ...

    Raises:
        ConfigurationError: No role and no group is given, the decorator has no brackets, or the route is
            ``async``.
    """
    allowed = tuple(groups)
    if not (roles or allowed) or not all(isinstance(role, str) and role for role in (*roles, *allowed)):
        msg = f'requires_role takes names of roles, such as requires_role("admin"), got {roles!r}'
        raise ConfigurationError(msg)

    @contextmanager
    def guard() -> Iterator[None]:
        check_role(*roles, groups=allowed)
        yield

    def decorate(route: RouteT) -> RouteT:
        check_plain_function(route, "a route", yields=True)
        return guarded(route, guard)

    return decorate
