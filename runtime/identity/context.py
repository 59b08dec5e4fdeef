"""Who is asking: the invoke context of a request."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.identity.claims import CLAIM_GROUPS, CLAIM_ROLES, CLAIM_TENANT, CLAIM_USER, identity_of
from runtime.identity.publish_ids import PublishIds, is_of
from runtime.identity.sent import Sent
from runtime.model.keys import get_tenant_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from runtime.identity.claims import Identity
    from runtime.settings import Settings

__all__ = [
    "HEADER_IDEMPOTENCY_KEY",
    "HEADER_TENANT_CODE",
    "ROLE_SYSTEM_ADMIN",
    "InvokeContext",
    "current_invoke_context",
    "current_settings",
    "get_command_source",
    "require_invoke_context",
    "use_invoke_context",
]

HEADER_TENANT_CODE: Final = "x-tenant-code"
HEADER_IDEMPOTENCY_KEY: Final = "idempotency-key"
ROLE_SYSTEM_ADMIN: Final = "system_admin"

_MAX_IDEMPOTENCY_KEY: Final = 128
#: A user's id that is longer is part of publish ids as a digest: they have at most 255 characters.
_MAX_USER: Final = 100
#: Fields of a model that say who wrote what it was made of.
_OF_A_ROW: Final = frozenset({"pk", "updated_by", "created_by", "updated_ip", "created_ip", "request_id"})


@dataclass(frozen=True, slots=True)
class InvokeContext:
    """What the runtime knows about the request that it works for.

    Attributes:
        claims: Verified claims of the caller's token. Empty when nobody signed in.
        headers: Request headers, names in lower case.
        source_ip: Address that the request came from.
        request_id: Id that the client can correlate notifications with.
        sent: The request as it was sent. None where the context is made of no HTTP request.
        publish_ids: The publish ids that the request has used.
    """

    claims: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    source_ip: str | None = None
    request_id: str | None = None
    sent: Sent | None = field(default=None, repr=False, compare=False)
    publish_ids: PublishIds = field(default_factory=PublishIds, init=False, repr=False, compare=False)
    #: Each call of a request asks several times who the caller is.
    _known: list[Identity] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def identity(self) -> Identity:
        """Who the claims say the caller is; see `identity_of`. They are read once.

        Raises:
            ForbiddenError: A claim is malformed, or the token is no ID token.
        """
        if not self._known:
            self._known.append(identity_of(self.claims))
        return self._known[0]

    @property
    def publish_id(self) -> str | None:
        """Id that makes a repeated request one publish: the user's own ``Idempotency-Key``.

        Raises:
            InvalidInputError: The header is too long, or not printable.
        """
        key = self.headers.get(HEADER_IDEMPOTENCY_KEY, "")
        if len(key) > _MAX_IDEMPOTENCY_KEY or not key.isprintable():
            message = f"must have at most {_MAX_IDEMPOTENCY_KEY} printable characters"
            raise InvalidInputError([FieldProblem(HEADER_IDEMPOTENCY_KEY, message)])
        return self._own_publish_id

    @property
    def _own_publish_id(self) -> str | None:
        key, user = self.headers.get(HEADER_IDEMPOTENCY_KEY), str(self.claims.get("sub", ""))
        if not key:
            return None
        if len(user) > _MAX_USER:
            user = hashlib.sha256(user.encode()).hexdigest()
        return f"{user}:{key}"

    def is_own(self, publish_id: str) -> bool:
        """Whether an id was made of the request's ``Idempotency-Key``."""
        return is_of(publish_id, self._own_publish_id)

    @classmethod
    def from_http_event(cls, event: Mapping[str, Any], settings: Settings | None = None) -> InvokeContext:
        """Context of an API Gateway HTTP API (payload 2.0) request.

        The API's authorizer has verified the claims; this only reads them. Those of a JWT
        authorizer are taken, or what a Lambda authorizer has put into its context.

        Args:
            event: The request.
            settings: What the issuer calls the claims that the library reads; in ``claims`` they
                have the names that Cognito gives them. Default: these names.
        """
        request = _object(event, "requestContext")
        authorizer = _object(request, "authorizer")
        verified = _object(_object(authorizer, "jwt"), "claims") or _object(authorizer, "lambda")
        headers = {
            str(name).lower(): str(value)
            for name, value in _object(event, "headers").items()
            if value is not None
        }
        return cls(
            claims=verified if settings is None else _renamed(verified, settings),
            headers=headers,
            source_ip=_object(request, "http").get("sourceIp"),
            request_id=request.get("requestId"),
            sent=Sent(event, headers),
        )

    @classmethod
    def of_row(cls, row: Mapping[str, Any] | BaseModel) -> InvokeContext:
        """Context of work in the background: whoever wrote a row, in the tenant that it belongs to.

        What is done with it is checked as in a request of theirs, and noted as theirs. They have no roles
        and no groups in it: those are for as long as a token lasts.

        Example:
            >>> me = InvokeContext.of_row(command)  # in a data sync handler
            >>> orders.commands.publish_async(follow_up, invoke_context=me)

        Args:
            row: A row of the store, or a command or an item that was made of one.
        """
        said = row if isinstance(row, Mapping) else row.model_dump(by_alias=True, include=set(_OF_A_ROW))
        claims = {
            CLAIM_USER: _first(said, "updatedBy", "createdBy"),
            CLAIM_TENANT: get_tenant_code(said["pk"]),
        }
        return cls(
            claims={name: value for name, value in claims.items() if value},
            source_ip=_first(said, "updatedIp", "createdIp"),
            request_id=_first(said, "requestId"),
        )


def _first(row: Mapping[str, Any], *names: str) -> str | None:
    """The first of some columns that has text in it."""
    texts = (row.get(name) for name in names)
    return next((text for text in texts if isinstance(text, str) and text), None)


def _object(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of an event; empty where it is missing or null."""
    found = event.get(name)
    return found if isinstance(found, dict) else {}


def _renamed(claims: Mapping[str, Any], settings: Settings) -> Mapping[str, Any]:
    names = {
        CLAIM_USER: settings.user_claim,
        CLAIM_TENANT: settings.tenant_claim,
        CLAIM_ROLES: settings.roles_claim,
        CLAIM_GROUPS: settings.groups_claim,
    }
    if all(ours == theirs for ours, theirs in names.items()):
        return claims
    # A claim that has one of our names by chance says nothing: perhaps users may choose it.
    others = {name: value for name, value in claims.items() if name not in names}
    return others | {ours: claims[theirs] for ours, theirs in names.items() if theirs in claims}


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
