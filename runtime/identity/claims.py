"""Who a token says the caller is: user, tenant, roles and groups, all of them read in one place.

What a claim must look like is decided here for all of Python. `constructs_lib.messaging.realtime_handler`
says the same in JavaScript, for subscriptions; one table of cases runs against both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeGuard

from runtime.contract import Claim
from runtime.errors import ForbiddenError
from runtime.model.keys import lower_case_tenant

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CLAIM_GROUPS", "CLAIM_ROLES", "CLAIM_TENANT", "CLAIM_USER", "Identity", "identity_of"]

CLAIM_USER: Final = Claim.USER
CLAIM_TENANT: Final = Claim.TENANT
CLAIM_ROLES: Final = Claim.ROLES
CLAIM_GROUPS: Final = Claim.GROUPS


@dataclass(frozen=True, slots=True)
class Identity:
    """What the claims of a caller's token say.

    Attributes:
        user_id: Subject of the token, or None when nobody signed in.
        tenant_code: Tenant of the token, in lower case, or None.
        roles: Tenant and name of each role; an empty tenant is every tenant.
        groups: The same for groups.
    """

    user_id: str | None
    tenant_code: str | None
    roles: tuple[tuple[str, str], ...]
    groups: tuple[tuple[str, str], ...]

    def roles_in(self, tenant_code: str | None) -> tuple[str, ...]:
        """Every role in a tenant, those for all tenants among them; None: only these."""
        return _names_in(self.roles, tenant_code)

    def groups_in(self, tenant_code: str | None) -> tuple[str, ...]:
        """Every group in a tenant, those for all tenants among them; None: only these."""
        return _names_in(self.groups, tenant_code)

    def first_role_in(self, tenant_code: str | None) -> str:
        """The role in a tenant that comes first, else the last one for all tenants; empty without one."""
        everywhere = ""
        for tenant, role in self.roles:
            if tenant and tenant == tenant_code:
                return role
            if not tenant:
                everywhere = role
        return everywhere


def identity_of(claims: Mapping[str, Any]) -> Identity:
    """Who the claims say the caller is.

    Roles are JSON text, a list of ``{"tenant": "…", "role": "…"}``, groups one of
    ``{"tenant": "…", "groups": ["…"]}``. An empty tenant there means every tenant.

    Raises:
        ForbiddenError: A claim is malformed, or the token is no ID token. An authorizer lets
            Cognito's access tokens pass as well; they say what an app may do for a user, and not
            which tenant and roles the user has. Malformed groups are none: they open nothing.
    """
    said = (
        claims.get(Claim.USE),
        claims.get(CLAIM_USER),
        claims.get(CLAIM_TENANT),
        claims.get(CLAIM_ROLES),
        claims.get(CLAIM_GROUPS),
    )
    try:
        return _remembered(*said)
    except TypeError:  # a claim is a list or an object
        return _identity(*said)


def _identity(use: object, user: object, tenant: object, roles: object, groups: object) -> Identity:
    if use == Claim.USE_ACCESS:
        msg = "this is an access token, which names neither tenant nor roles; send the ID token"
        raise ForbiddenError(msg)
    code = _text(tenant, CLAIM_TENANT)
    return Identity(
        user_id=_text(user, CLAIM_USER),
        tenant_code=lower_case_tenant(code) if code else None,
        roles=_roles(_text(roles, CLAIM_ROLES)),
        groups=_groups(groups),
    )


#: Each call of a request asks several times, and a user's requests come with the same texts.
_remembered: Final = lru_cache(_identity)


def _names_in(pairs: tuple[tuple[str, str], ...], tenant_code: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for tenant, name in pairs if name and tenant in {"", tenant_code}))


def _text(value: object, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    msg = f"the claim {name} must be text"
    raise ForbiddenError(msg)


def _roles(claim: str | None) -> tuple[tuple[str, str], ...]:
    if claim is None:
        return ()
    try:
        # As JavaScript reads it: no constants of Python's, and numbers of any length.
        entries = json.loads(claim, parse_int=float, parse_constant=_refuse)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list) or not all(_is_role(entry) for entry in entries):
        msg = f'the claim {CLAIM_ROLES} must be a JSON list of {{"tenant", "role"}} objects'
        raise ForbiddenError(msg)
    return tuple((_tenant_in(entry), entry.get("role") or "") for entry in entries)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _is_role(entry: object) -> bool:
    # Nothing is nested: how deep JSON may be is not the same everywhere.
    return (
        _names_a_tenant(entry)
        and isinstance(entry.get("role"), str | None)
        and not any(isinstance(value, dict | list) for value in entry.values())
    )


def _names_a_tenant(entry: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(entry, dict) and isinstance(entry.get("tenant"), str | None)


def _groups(claim: object) -> tuple[tuple[str, str], ...]:
    if not claim:
        return ()
    try:
        entries = json.loads(claim) if isinstance(claim, str) else None
    except (ValueError, RecursionError):
        entries = None
    return tuple(
        (_tenant_in(entry), group)
        for entry in (entries if isinstance(entries, list) else ())
        if _names_a_tenant(entry) and isinstance(groups := entry.get("groups"), list)
        for group in groups
        if isinstance(group, str)
    )


def _tenant_in(entry: Mapping[str, Any]) -> str:
    return lower_case_tenant(entry.get("tenant") or "")
