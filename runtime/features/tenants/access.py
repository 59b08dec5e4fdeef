"""Who may do what with tenants."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from runtime.errors import FieldProblem, ForbiddenError, InvalidInputError
from runtime.features.tenants.tenant import REASON, SETTING, STATE
from runtime.identity.access import check_every_tenant
from runtime.identity.claims import CLAIM_ROLES, CLAIM_TENANT
from runtime.identity.context import InvokeContext, current_invoke_context
from runtime.identity.tenant import crosses

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from runtime.settings import Settings

__all__ = ["Access", "check_attributes"]

#: What only the calls that are made for it change.
_BY_CALLS: Final = {
    SETTING: "is changed by the calls for groups; leave it out",
    STATE: "is changed by the call for the state; leave it out",
    REASON: "is changed by the call for the state; leave it out",
}
#: What a tenant's own administrator must not change: what the service sells.
_NOT_THEIRS: Final = ("plan", "limits")


class Access:
    """Checks of one call.

    Args:
        invoke_context: Who asks. Default: the HTTP request that is being handled; outside of one it is the
            service itself, which may do anything.
        settings: Which roles cross tenants.
    """

    def __init__(self, invoke_context: InvokeContext | None, settings: Settings) -> None:
        self._context = invoke_context or current_invoke_context()
        self._settings = settings

    def check_everywhere(self) -> None:
        """Refuse who has no role that crosses all tenants.

        Raises:
            ForbiddenError: They have none.
        """
        check_every_tenant(self._context, self._settings)

    def check_list(self) -> None:
        """Refuse who may not list the tenants.

        Raises:
            ForbiddenError: They have no role that crosses all tenants; or it is a request whose rows are
                reached in a session of one tenant.
        """
        self.check_everywhere()
        if self._settings.tenant_role_arn is not None and current_invoke_context() is not None:
            msg = (
                "the tenants are not listed here: with tenant_sessions a request reaches the rows of one "
                "tenant; list them with cqrs tenant list"
            )
            raise ForbiddenError(msg)

    def check_update(self, code: str, attributes: Mapping[str, Any], admin_roles: Collection[str]) -> None:
        """Refuse who may not change a tenant, or not all of what they want to.

        Raises:
            ForbiddenError: They are neither an administrator of the tenant nor of all.
            InvalidInputError: A field is for those who cross all tenants; the message names it.
        """
        context = self._context
        if context is None or crosses(context, None, self._settings):
            return
        roles = {*admin_roles, *self._settings.cross_tenant_roles}
        if roles.isdisjoint(context.identity.roles_in(code)):
            msg = f"this takes one of: {', '.join(sorted(roles))}"
            raise ForbiddenError(msg)
        message = "takes a role that crosses all tenants; leave it out"
        if problems := [
            FieldProblem(f"attributes.{name}", message) for name in _NOT_THEIRS if name in attributes
        ]:
            raise InvalidInputError(problems)

    def writer(self, code: str) -> InvokeContext:
        """Who a write to a tenant's rows is done as."""
        if self._context is not None:
            return self._context
        roles = [{"tenant": "", "role": role} for role in self._settings.cross_tenant_roles]
        return InvokeContext(claims={CLAIM_TENANT: code, CLAIM_ROLES: json.dumps(roles)})

    @property
    def reader(self) -> InvokeContext | None:
        """Who a read is done as; None for the service itself."""
        return self._context


def check_attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """The attributes that a caller gives, none of which has a call of its own.

    Raises:
        InvalidInputError: One has, or they are no object.
    """
    if attributes is None:
        return {}
    try:
        found = dict(attributes)
    except (TypeError, ValueError):
        message = f"must be an object, got {type(attributes).__name__}"
        raise InvalidInputError([FieldProblem("attributes", message)]) from None
    if problems := [
        FieldProblem(f"attributes.{name}", message) for name, message in _BY_CALLS.items() if name in found
    ]:
        raise InvalidInputError(problems)
    return found
