"""Whether the requests of a tenant are served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.errors import ForbiddenError, InvalidInputError
from runtime.features.tenants.codes import checked_code, is_common, key_of
from runtime.features.tenants.tenant import TenantState, state_in
from runtime.identity.tenant import crosses
from runtime.model.rows import is_deleted
from runtime.store.cached import Cached

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.identity.context import InvokeContext
    from runtime.module_context import ModuleContext

__all__ = ["SECONDS", "Admission"]

SECONDS: Final = 60
"""How long a container remembers the state of a tenant."""

_WHY: Final = {
    None: "the tenant is not registered with this service",
    TenantState.CREATING: "the tenant is being set up; try again later",
    TenantState.SUSPENDED: "the tenant is suspended",
    TenantState.CLOSED: "the tenant is closed",
}


class Admission:
    """What is remembered of tenants' states.

    Args:
        context: Gives the module with the tenants' rows.
    """

    def __init__(self, context: Callable[[], ModuleContext]) -> None:
        self._context = context
        self._states: Cached[str, TenantState | None] = Cached(self._read, seconds=SECONDS)

    def check(self, tenant_code: str, invoke_context: InvokeContext) -> None:
        """Refuse a request of a tenant that is not served. At most one read a minute and tenant.

        Whoever crosses all tenants is let in: it is they who make tenants, and bring them back.

        Raises:
            ForbiddenError: The tenant is unknown, being set up, suspended or closed; the message says which.
            StoreUnavailableError: Its row is out of reach.
        """
        settings = self._context().settings
        if crosses(invoke_context, None, settings):
            return
        try:
            code = checked_code(tenant_code)
        except InvalidInputError:  # no such tenant can be registered
            raise ForbiddenError(_WHY[None]) from None
        state = self._states.get(code)
        # It needs no row for others to read what is common.
        is_at_home = code == invoke_context.identity.tenant_code
        if state is None and not is_at_home and is_common(code, settings):
            return
        if state is not TenantState.ACTIVE:
            raise ForbiddenError(_WHY[state])

    def forget(self) -> None:
        """Remember nothing any more."""
        self._states.forget()

    def _read(self, code: str, /, *, consistent: bool) -> TenantState | None:
        # Always consistent: what is remembered for a minute must not be old already.
        del consistent
        context = self._context()
        row = context.store.get(context.data_place(key_of(code)))
        if row is None or is_deleted(row):
            return None
        return state_in(context.rows.data(row).attributes or {})
