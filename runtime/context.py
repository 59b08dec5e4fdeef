"""Who is asking: the invoke context of a request, its user, tenant and roles."""

from __future__ import annotations

import json
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, ForbiddenError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "HEADER_IDEMPOTENCY_KEY",
    "HEADER_TENANT_CODE",
    "ROLE_SYSTEM_ADMIN",
    "InvokeContext",
    "UserContext",
    "current_invoke_context",
    "get_command_source",
    "get_user_context",
    "require_invoke_context",
    "use_invoke_context",
]

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
        tenant_role: Role of the user in that tenant; empty when there is none.
    """

    user_id: str | None
    tenant_code: str | None
    tenant_role: str


def get_user_context(invoke_context: InvokeContext) -> UserContext:
    """User, tenant and role of a request.

    The tenant is the claim ``custom:tenant``, else the header ``x-tenant-code`` (which
    then needs a role that may cross tenants; the services check that). Roles come from
    ``custom:roles``, a JSON list of ``{"tenant": "…", "role": "…"}`` where an empty
    tenant means every tenant.

    Raises:
        ForbiddenError: The claim ``custom:roles`` is not such a list.
    """
    claims = invoke_context.claims
    tenant = claims.get("custom:tenant") or invoke_context.headers.get(HEADER_TENANT_CODE)
    tenant_code = str(tenant).lower() if tenant else None
    return UserContext(
        user_id=claims.get("sub"),
        tenant_code=tenant_code,
        tenant_role=_role_in(tenant_code, claims.get("custom:roles")),
    )


def _role_in(tenant_code: str | None, claim: str | None) -> str:
    role = ""
    for entry in _role_entries(claim):
        tenant = str(entry.get("tenant") or "").lower()
        if tenant and tenant == tenant_code:
            return str(entry.get("role") or "")
        if not tenant:
            role = str(entry.get("role") or "")
    return role


def _role_entries(claim: str | None) -> list[dict[str, Any]]:
    if not claim:
        return []
    try:
        entries = json.loads(claim)
    except ValueError:
        entries = None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        msg = 'the claim custom:roles must be a JSON list of {"tenant", "role"} objects'
        raise ForbiddenError(msg)
    return entries


def get_command_source(module: str, controller: str, method: str) -> str:
    """Text that says which code published a command.

    >>> get_command_source("todo", "TodoRoutes", "create")
    '[todo]:TodoRoutes.create'
    """
    return f"[{module}]:{controller}.{method}"


_current: ContextVar[InvokeContext | None] = ContextVar("invoke_context", default=None)


def current_invoke_context() -> InvokeContext | None:
    """Context of the HTTP request that is being handled, or None outside of one."""
    return _current.get()


@contextmanager
def use_invoke_context(invoke_context: InvokeContext) -> Iterator[None]:
    """Make ``invoke_context`` the current one for the duration of a ``with`` block."""
    token = _current.set(invoke_context)
    try:
        yield
    finally:
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
