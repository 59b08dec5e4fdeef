"""A tenant as callers see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from runtime.features.tenants.groups import RoleGroups, roles_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["REASON", "SETTING", "STATE", "Tenant", "TenantPage", "TenantState", "state_in"]

STATE: Final = "state"
REASON: Final = "stateReason"
SETTING: Final = "setting"
"""Names of what a tenant's attributes have beside what the service puts there."""


class TenantState(StrEnum):
    """What a tenant may do."""

    CREATING = "creating"
    """Registered; what ``on_create`` makes is not all there yet. Not served."""
    ACTIVE = "active"
    SUSPENDED = "suspended"
    """Not served."""
    CLOSED = "closed"
    """Not served, and not changed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A tenant.

    Attributes:
        code: Its code, in lower case.
        name: Name for people.
        state: What it may do. A state that this release does not know is ``SUSPENDED``.
        attributes: What is stored about it: the service's own fields, and ``setting``, ``state`` and
            ``stateReason`` beside them.
        state_reason: Why it is in this state, as whoever said so wrote it; None where nobody did.
        version: Version of its row.
    """

    code: str
    name: str
    state: TenantState
    attributes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    state_reason: str | None = None
    version: int = 0

    @classmethod
    def of(cls, code: str, *, name: str | None, attributes: Mapping[str, Any] | None, version: int) -> Tenant:
        """The tenant that a row tells of, whoever wrote it."""
        found = attributes or {}
        reason = found.get(REASON)
        return cls(
            code=code,
            name=name or "",
            state=state_in(found),
            attributes=MappingProxyType(dict(found)),
            state_reason=reason if isinstance(reason, str) else None,
            version=version,
        )

    @property
    def active(self) -> bool:
        """Whether it is served."""
        return self.state is TenantState.ACTIVE

    @property
    def roles(self) -> tuple[RoleGroups, ...]:
        """Its roles: the groups of each, and in which order settings are looked up in them."""
        return roles_of(self.attributes.get(SETTING))


@dataclass(frozen=True, slots=True)
class TenantPage:
    """Some of the tenants, in no order.

    Attributes:
        items: The tenants. A page may have none, and not be the last one.
        resume_token: Goes on after this page; None after the last one.
    """

    items: list[Tenant]
    resume_token: str | None


def state_in(attributes: Mapping[str, Any]) -> TenantState:
    """The state that attributes tell of: active where they tell of none, as rows of others do."""
    value = attributes.get(STATE)
    if value is None:
        return TenantState.ACTIVE
    try:
        return TenantState(value)
    except ValueError:  # of a later release: what it says of being served is not known here
        return TenantState.SUSPENDED
