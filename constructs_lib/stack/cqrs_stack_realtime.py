"""The realtime API of a `CqrsStack`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.messaging.realtime_api import DEFAULT_CROSS_TENANT_ROLES, RealtimeApi
from runtime.contract import Env

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs import Construct

    from constructs_lib.api.identity import Identity

__all__ = ["realtime_api"]


def realtime_api(
    scope: Construct,
    given: RealtimeApi | bool,  # noqa: FBT001 - a prop
    *,
    identity: Identity,
    environment: Mapping[str, str] | None,
) -> RealtimeApi | None:
    """Give the API that pushes to users: the one given, a new one for the service's users, or none.

    Which roles cross tenants is what the functions are told in ``environment``.
    """
    if isinstance(given, RealtimeApi):
        return given
    if not given:
        return None
    names = (environment or {}).get(Env.CROSS_TENANT_ROLES, "").split(",")
    roles = [name.strip() for name in names if name.strip()]
    return RealtimeApi(
        scope, "Realtime", identity=identity, cross_tenant_roles=roles or DEFAULT_CROSS_TENANT_ROLES
    )
