"""Whose aggregate a call is about, and whether its caller may go there."""

from __future__ import annotations

from typing import Final

from runtime.errors import FieldProblem, ForbiddenError, InvalidInputError
from runtime.event_store.address import Key
from runtime.event_store.aggregates.guards import current_decision
from runtime.event_store.metadata import current_event
from runtime.identity.access import check_tenant
from runtime.identity.context import current_invoke_context, current_settings
from runtime.identity.tenant import acting_tenant
from runtime.settings import Settings

__all__ = ["check_access", "key_of", "may_read", "tenant_of"]

#: Where nobody says which roles may cross tenants, none may.
_STRICT: Final = Settings(cross_tenant_roles=(), common_tenant_codes=())


def key_of(
    stream: str, aggregate_id: str, tenant: str | None, default_tenant: str | None, *, write: bool
) -> Key:
    """The key of an aggregate that a call names.

    Args:
        stream: Name of its stream.
        aggregate_id: Its id.
        tenant: Its tenant. None: that of the command that is being decided; else that of the event that is
            being handled; else the one that the current request acts in; else ``default_tenant``.
        default_tenant: The domain's own.
        write: Whether the call is to write.

    Raises:
        InvalidInputError: A part cannot be used, or no tenant is known.
        ForbiddenError: The caller may not act there.
    """
    tenant = _tenant_here(default_tenant, write=write) if tenant is None else tenant
    key = Key.checked(stream, aggregate_id, tenant)
    check_access(key, write=write)
    return key


def tenant_of(stream: str, tenant: str | None, default_tenant: str | None) -> str:
    """The tenant whose aggregates a call lists, as `key_of` finds it.

    Raises:
        InvalidInputError: It cannot be used, or none is known.
        ForbiddenError: The caller may not read there.
    """
    return key_of(stream, "*", tenant, default_tenant, write=False).tenant


def check_access(key: Key, *, write: bool) -> None:
    """Refuse a key that the caller of the current request may not reach; without a request, all may.

    Raises:
        ForbiddenError: It belongs to another tenant.
    """
    if current_invoke_context() is not None:
        check_tenant(key.pk, None, current_settings() or _STRICT, write=write)


def may_read(key: Key) -> bool:
    """Whether the caller of the current request may read there; without a request, all may."""
    try:
        check_access(key, write=False)
    except ForbiddenError:
        return False
    return True


def _tenant_here(default_tenant: str | None, *, write: bool) -> str:
    decision = current_decision()
    if decision is not None:
        return decision.key.tenant
    event = current_event()
    if event is not None:
        return event.tenant
    found = acting_tenant(write=write) if current_invoke_context() is not None else None
    found = found or default_tenant
    if not found:
        message = "is required: pass tenant=, or give the domain one, create_domain(default_tenant=)"
        raise InvalidInputError([FieldProblem("tenant", message)])
    return found
