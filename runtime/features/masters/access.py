"""Who may do what with masters.

Members of a tenant read. A role of masters writes the settings of the tenant, its groups and its users, and
rows of code tables; users write their own settings where the code lets them. What is common to all tenants,
retention, and the formats of numbers take a role that crosses tenants. Where nobody asks (a worker, a script)
everything is allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.errors import FieldProblem, ForbiddenError, InvalidInputError
from runtime.features.masters.keys import check_tenant_code, master_pk
from runtime.identity.access import check_every_tenant, check_tenant
from runtime.identity.claims import CLAIM_ROLES, CLAIM_TENANT, CLAIM_USER
from runtime.identity.context import ROLE_SYSTEM_ADMIN, InvokeContext, current_invoke_context
from runtime.identity.tenant import acting_tenant, crosses
from runtime.identity.user import user_id_of, user_in
from runtime.model.json_text import dumps
from runtime.model.keys import lower_case_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.settings import Settings

__all__ = ["MasterAccess"]

#: Who writes where nobody is known.
_SERVICE: Final = "cqrs"


class MasterAccess:
    """Who may read and write masters.

    Args:
        settings: Gives the settings of the feature's app.
        roles: Roles that may write what is a tenant's.
    """

    def __init__(self, settings: Callable[[], Settings], roles: tuple[str, ...]) -> None:
        self._settings = settings
        self._roles = frozenset({*roles, ROLE_SYSTEM_ADMIN})

    @property
    def common_tenant(self) -> str:
        """The tenant whose rows all others read."""
        return lower_case_tenant(self._settings().common_tenant_codes[0])

    def is_common(self, tenant_code: str) -> bool:
        """Whether what is of a tenant is common to all."""
        return tenant_code in {lower_case_tenant(code) for code in self._settings().common_tenant_codes}

    def tenant(self, tenant_code: str | None, invoke_context: InvokeContext | None, *, write: bool) -> str:
        """The tenant that is meant: the one that is given, else that of the request.

        Raises:
            InvalidInputError: It is no code, or there is neither.
            ForbiddenError: The request names a tenant that is not the caller's.
        """
        if tenant_code is not None:
            return check_tenant_code(tenant_code)
        context = invoke_context or current_invoke_context()
        if context is None:
            raise InvalidInputError(
                [FieldProblem("tenantCode", "is required where there is no request to tell the tenant")]
            )
        found = acting_tenant(context, self._settings(), write=write)
        if found is None:
            msg = "the request is of no tenant"
            raise ForbiddenError(msg)
        return check_tenant_code(found)

    def check_read(self, tenant_code: str, invoke_context: InvokeContext | None) -> None:
        """Refuse a caller who may not read what is of a tenant.

        Raises:
            ForbiddenError: They may not.
        """
        check_tenant(master_pk(tenant_code), invoke_context, self._settings(), write=False)

    def check_write(
        self,
        tenant_code: str,
        invoke_context: InvokeContext | None,
        *,
        owner: str | None = None,
    ) -> None:
        """Refuse a caller who may not write a tenant's settings, or rows of its code tables.

        Args:
            tenant_code: The tenant; a common one takes a role that crosses tenants.
            invoke_context: Who asks. Default: the HTTP request that is being handled.
            owner: Of a setting that users may write: the user whose it is.

        Raises:
            ForbiddenError: They may not.
        """
        context = invoke_context or current_invoke_context()
        if context is None:
            return
        settings = self._settings()
        check_tenant(master_pk(tenant_code), context, settings, write=True)
        if self.is_common(tenant_code) or crosses(context, tenant_code, settings):
            return  # the check of the tenant takes a role that crosses tenants where it is common
        if self._roles.intersection(user_in(tenant_code, context).tenant_roles):
            return
        if owner is not None and owner == user_id_of(context):
            return
        msg = f"this takes one of the roles {', '.join(sorted(self._roles))}"
        raise ForbiddenError(msg)

    def may_see(self, tenant_code: str, owner: str | None, invoke_context: InvokeContext | None) -> bool:
        """Whether a caller sees a user's own settings: those of themselves, or with a role of masters.

        Args:
            tenant_code: The tenant.
            owner: The user; None where it is about nobody in particular.
            invoke_context: Who asks.
        """
        context = invoke_context or current_invoke_context()
        if context is None or owner is None or owner == user_id_of(context):
            return True
        if crosses(context, tenant_code, self._settings()):
            return True
        return bool(self._roles.intersection(user_in(tenant_code, context).tenant_roles))

    def check_sees(self, tenant_code: str, owner: str | None, invoke_context: InvokeContext | None) -> None:
        """Refuse a caller who may not see a user's own settings.

        Raises:
            ForbiddenError: They may not.
        """
        if not self.may_see(tenant_code, owner, invoke_context):
            msg = "settings of other users are for those with a role of masters"
            raise ForbiddenError(msg)

    def writer(self, tenant_code: str, invoke_context: InvokeContext | None) -> InvokeContext:
        """Who writes what is of a tenant: whoever asks, or the service itself where nobody does."""
        return invoke_context or current_invoke_context() or self.operator(tenant_code)

    def operator(self, tenant_code: str) -> InvokeContext:
        """Who asks where it is the service itself, or its operators: someone with a role for all tenants.

        Whoever made the request that is being handled is noted as the one who wrote.
        """
        request = current_invoke_context()
        role = {"tenant": "", "role": self._settings().cross_tenant_roles[0]}
        claims = {
            CLAIM_USER: (user_id_of(request) if request else None) or _SERVICE,
            CLAIM_TENANT: tenant_code,
            CLAIM_ROLES: dumps([role]),
        }
        return InvokeContext(
            claims=claims,
            source_ip=request.source_ip if request else None,
            request_id=request.request_id if request else None,
        )

    def check_operate(self, invoke_context: InvokeContext | None) -> None:
        """Refuse a caller who may not say how long rows are kept, and how numbers look.

        Raises:
            ForbiddenError: They have no role that crosses all tenants.
        """
        check_every_tenant(invoke_context, self._settings())
