"""Whether a request is served at all: asked of the app's features before its route is called."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeAlias

from runtime.identity.context import require_invoke_context
from runtime.identity.tenant import acting_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from runtime.features.feature import Feature
    from runtime.identity.context import InvokeContext
    from runtime.settings import Settings

    Admission: TypeAlias = Callable[[], None]

__all__ = ["admission"]


def admission(features: Iterable[Feature], settings: Settings) -> Admission | None:
    """What to call before each route; None where no feature wants to be asked.

    It raises what a feature does, and `ForbiddenError` where the request names a tenant of others.
    """
    asked = [feature for feature in features if feature.guards_requests]
    if not asked:
        return None

    def admit() -> None:
        caller = require_invoke_context()
        for tenant in _tenants_of(caller, settings):
            with _session_of(tenant, settings):
                for feature in asked:
                    feature.admit(tenant, caller)

    return admit


def _tenants_of(caller: InvokeContext, settings: Settings) -> list[str]:
    """The tenant of the token, and the one that the request is about."""
    if not caller.claims:  # nobody signed in: what a header says is no tenant of the request
        return []
    own, acting = caller.identity.tenant_code, acting_tenant(caller, settings, write=False)
    return list(dict.fromkeys(tenant for tenant in (own, acting) if tenant))


def _session_of(tenant: str, settings: Settings) -> AbstractContextManager[None]:
    """Where rows are reached in a tenant's sessions: one of the tenant that is asked about."""
    if settings.tenant_role_arn is None:
        return nullcontext()
    from runtime.clients.tenant_sessions import use_tenant  # noqa: PLC0415 - few deployments

    return use_tenant(lambda: tenant)
