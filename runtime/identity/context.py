"""Who is asking: the invoke context of a request, its user, tenant and roles."""

from __future__ import annotations

import json
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, ForbiddenError, InvalidInputError
from runtime.model.keys import lower_case_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runtime.settings import Settings

__all__ = [
    "CLAIM_GROUPS",
    "CLAIM_ROLES",
    "CLAIM_TENANT",
    "HEADER_IDEMPOTENCY_KEY",
    "HEADER_TENANT_CODE",
    "ROLE_SYSTEM_ADMIN",
    "InvokeContext",
    "UserContext",
    "current_invoke_context",
    "current_settings",
    "get_command_source",
    "get_user_context",
    "identity_claims",
    "require_invoke_context",
    "roles_in",
    "use_invoke_context",
]

CLAIM_TENANT: Final = "custom:tenant"
CLAIM_ROLES: Final = "custom:roles"
CLAIM_GROUPS: Final = "custom:groups"
_CLAIM_USE: Final = "token_use"
HEADER_TENANT_CODE: Final = "x-tenant-code"
HEADER_IDEMPOTENCY_KEY: Final = "idempotency-key"
ROLE_SYSTEM_ADMIN: Final = "system_admin"


@dataclass(frozen=True, slots=True)
class InvokeContext:
    """What the runtime knows about the request that it works for.

    Attributes:
        claims: Verified claims of the caller's token. Empty when nobody signed in.
        headers: Request headers, names in lower case.
        source_ip: Address that the request came from.
        request_id: Id that the client can correlate notifications with.
    """

    claims: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    source_ip: str | None = None
    request_id: str | None = None

    @property
    def publish_id(self) -> str | None:
        """Id that makes a repeated request one publish: the user's own ``Idempotency-Key``."""
        key = self.headers.get(HEADER_IDEMPOTENCY_KEY)
        return f"{self.claims.get('sub', '')}:{key}" if key else None

    @classmethod
    def from_http_event(cls, event: Mapping[str, Any]) -> InvokeContext:
        """Context of an API Gateway HTTP API (payload 2.0) request.

        The JWT authorizer has verified the claims; this only reads them.
        """
        request = event.get("requestContext", {})
        claims = request.get("authorizer", {}).get("jwt", {}).get("claims", {})
        return cls(
            claims=claims,
            headers={name.lower(): value for name, value in event.get("headers", {}).items()},
            source_ip=request.get("http", {}).get("sourceIp"),
            request_id=request.get("requestId"),
        )


@dataclass(frozen=True, slots=True)
class UserContext:
    """The user of a request.

    Attributes:
        user_id: Subject of the token, or None when nobody signed in.
        tenant_code: Tenant that the user acts in, in lower case, or None.
        tenant_role: The one role of the user in that tenant that comes first; empty when
            there is none. Checks go by ``tenant_roles``.
        tenant_roles: Every role of the user in that tenant, those for all tenants among them.
        tenant_group_ids: Groups of the user in that tenant, those for all tenants among them.
    """

    user_id: str | None
    tenant_code: str | None
    tenant_role: str
    tenant_roles: tuple[str, ...] = ()
    tenant_group_ids: tuple[str, ...] = ()


def get_user_context(invoke_context: InvokeContext) -> UserContext:
    """User, tenant, roles and groups of a request.

    The tenant is the claim ``custom:tenant``, else the header ``x-tenant-code`` (which
    then needs a role that may cross tenants; the services check that). Roles come from
    ``custom:roles``, a JSON list of ``{"tenant": "…", "role": "…"}``, groups from
    ``custom:groups``, one of ``{"tenant": "…", "groups": ["…"]}``. An empty tenant there
    means every tenant. Tenants are compared without regard to case, roles are not.

    Raises:
        ForbiddenError: The claim ``custom:roles`` is not such a list, or the token is no ID token.
    """
    claims = identity_claims(invoke_context)
    tenant = claims.get(CLAIM_TENANT) or invoke_context.headers.get(HEADER_TENANT_CODE)
    tenant_code = lower_case_tenant(str(tenant)) if tenant else None
    entries = _role_entries(claims.get(CLAIM_ROLES))
    return UserContext(
        user_id=claims.get("sub"),
        tenant_code=tenant_code,
        tenant_role=_first_role(tenant_code, entries),
        tenant_roles=_roles(tenant_code, entries),
        tenant_group_ids=_groups(tenant_code, claims.get(CLAIM_GROUPS)),
    )


def roles_in(invoke_context: InvokeContext, tenant_code: str | None) -> tuple[str, ...]:
    """Every role of the caller in a tenant, those for all tenants among them.

    Args:
        invoke_context: Who asks.
        tenant_code: The tenant. None: only the roles for all tenants.

    Raises:
        ForbiddenError: The claim ``custom:roles`` is malformed.
    """
    return _roles(tenant_code, _role_entries(identity_claims(invoke_context).get(CLAIM_ROLES)))


def identity_claims(invoke_context: InvokeContext) -> Mapping[str, Any]:
    """The claims that say who the caller is: those of an ID token.

    An authorizer lets Cognito's access tokens pass as well. They say what an app may do for
    a user, and not which tenant and roles the user has.

    Raises:
        ForbiddenError: The claims are those of an access token.
    """
    if invoke_context.claims.get(_CLAIM_USE) == "access":
        msg = "this is an access token, which names neither tenant nor roles; send the ID token"
        raise ForbiddenError(msg)
    return invoke_context.claims


def _first_role(tenant_code: str | None, entries: list[dict[str, Any]]) -> str:
    role = ""
    for entry in entries:
        tenant = _tenant_of(entry)
        if tenant and tenant == tenant_code:
            return entry.get("role") or ""
        if not tenant:
            role = entry.get("role") or ""
    return role


def _roles(tenant_code: str | None, entries: list[dict[str, Any]]) -> tuple[str, ...]:
    mine = (entry.get("role") for entry in entries if _tenant_of(entry) in {"", tenant_code})
    return tuple(dict.fromkeys(role for role in mine if role))


def _role_entries(claim: str | None) -> list[dict[str, Any]]:
    if not claim:
        return []
    try:
        entries = json.loads(claim)
    except (TypeError, ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list) or not all(_is_role(entry) for entry in entries):
        msg = 'the claim custom:roles must be a JSON list of {"tenant", "role"} objects'
        raise ForbiddenError(msg)
    return entries


def _is_role(entry: object) -> bool:
    return isinstance(entry, dict) and all(
        isinstance(entry.get(name), str | None) for name in ("tenant", "role")
    )


def _groups(tenant_code: str | None, claim: str | None) -> tuple[str, ...]:
    """Groups of a tenant. Whatever is malformed names no group: it opens nothing."""
    try:
        entries = json.loads(claim or "[]")
    except (TypeError, ValueError, RecursionError):
        return ()
    found: dict[str, None] = {}
    for entry in entries if isinstance(entries, list) else ():
        groups = entry.get("groups") if isinstance(entry, dict) and _is_role(entry) else None
        if isinstance(groups, list) and _tenant_of(entry) in {"", tenant_code}:
            found |= dict.fromkeys(group for group in groups if isinstance(group, str) and group)
    return tuple(found)


def _tenant_of(entry: Mapping[str, Any]) -> str:
    return lower_case_tenant(entry.get("tenant") or "")


def get_command_source(module: str, controller: str, method: str) -> str:
    """Text that says which code published a command.

    >>> get_command_source("todo", "TodoRoutes", "create")
    '[todo]:TodoRoutes.create'
    """
    return f"[{module}]:{controller}.{method}"


_current: ContextVar[InvokeContext | None] = ContextVar("invoke_context", default=None)
_settings: ContextVar[Settings | None] = ContextVar("settings", default=None)


def current_invoke_context() -> InvokeContext | None:
    """Context of the HTTP request that is being handled, or None outside of one."""
    return _current.get()


def current_settings() -> Settings | None:
    """Settings of the app that handles the current HTTP request, or None outside of one."""
    return _settings.get()


@contextmanager
def use_invoke_context(invoke_context: InvokeContext, settings: Settings | None = None) -> Iterator[None]:
    """Make ``invoke_context`` the current one for the duration of a ``with`` block.

    Args:
        invoke_context: Who asks.
        settings: Settings of the app that is asked. Default: those of the block around this one.
    """
    token = _current.set(invoke_context)
    settings_token = _settings.set(settings or _settings.get())
    try:
        yield
    finally:
        _settings.reset(settings_token)
        _current.reset(token)


def require_invoke_context(invoke_context: InvokeContext | None = None) -> InvokeContext:
    """``invoke_context``, or the current one.

    Raises:
        InvalidInputError: Neither is there.
    """
    found = invoke_context or _current.get()
    if found is None:
        problem = FieldProblem("invoke_context", "is required: pass the InvokeContext of the request")
        raise InvalidInputError([problem])
    return found
