"""Sessions of a role that reaches the rows and objects of one tenant: least privilege by tenant.

Where a deployment asks for them, the api function has no right to the tables and the attributes bucket.
It may assume a role that has, with a tag that names the tenant; the role's policy lets a session reach
what is that tenant's (``dynamodb:LeadingKeys``, names of objects). So a key of another tenant that slips
past the check of the library, or is made up by a route, is refused by AWS.

A session lasts an hour, as long as one can that is assumed from another role, and is remembered until
five minutes before: one call of STS for each tenant, hour and instance of the function.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.credentials import CredentialProvider, CredentialResolver, Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.session import get_session
from cachetools import LRUCache

from runtime import clock
from runtime.aws_errors import RETRY_AFTER_SECONDS, translated
from runtime.contract import DIGEST_TAG, TENANT_TAG, Env
from runtime.errors import ConfigurationError, ForbiddenError
from runtime.store.bucket import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["TenantSessions", "use_tenant"]

_SERVICE: Final = "STS"
_DURATION: Final = 3600  # seconds; no more where a role's session assumes a role
_EARLY: Final = 300  # seconds before a session ends: time for the next one to be got
_AGAIN: Final = 30  # seconds until STS is asked again, where it gave no new session and the old one lasts
_MOST_TENANTS: Final = 1000
_LONGEST_TAG: Final = 256
_TAG_CATEGORIES: Final = "LZN"  # letters, separators, numbers
_TAG_SIGNS: Final = frozenset("_.:/=+-@")
_SESSION_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)

_tenant: ContextVar[Callable[[], str | None] | None] = ContextVar("tenant_of_sessions", default=None)


@contextmanager
def use_tenant(tenant: Callable[[], str | None]) -> Iterator[None]:
    """Make calls in the block in sessions of a tenant.

    Args:
        tenant: Tells which one. Called when a session is needed; what it raises leaves the call.
    """
    token = _tenant.set(tenant)
    try:
        yield
    finally:
        _tenant.reset(token)


@dataclass(frozen=True, slots=True)
class _Session:
    credentials: ReadOnlyCredentials
    expires: float  # in seconds since 1970, like `renews`
    renews: float


@dataclass(frozen=True, slots=True)
class _Failure:
    """There is no session: what STS said, for all who ask before a caller would try again."""

    error: Exception
    renews: float


class TenantSessions:
    """The sessions of one role, by tenant. Threads may share it.

    Remembers those of the 1000 tenants that were asked for last.

    Args:
        role_arn: The role.
        sts: A boto3 client of STS, with the function's own credentials. All wait for its answer, so
            it should give up soon.
    """

    def __init__(self, role_arn: str, sts: Any) -> None:  # noqa: ANN401 - boto3 clients are made at run time
        self._role_arn = role_arn
        self._sts = sts
        self._known: LRUCache[str, _Session | _Failure] = LRUCache(_MOST_TENANTS)
        self._lock = Lock()

    def boto3_session(self) -> boto3.Session:
        """A session of boto3: each call of its clients is signed for the tenant that it is made for.

        One client, and its connections, serve all tenants.
        """
        core = get_session()
        # In the place of all other providers: without a tenant there are no credentials, not the function's.
        core.register_component("credential_provider", CredentialResolver([_Provider(self)]))
        return boto3.Session(botocore_session=core)

    def credentials(self) -> ReadOnlyCredentials:
        """Credentials for the tenant of `use_tenant`. Calls STS where no session is known, or it ends soon.

        Raises:
            ConfigurationError: There is no request, nor another `use_tenant`.
            ForbiddenError: The request names no tenant, or none that a session can have.
            StoreUnavailableError: STS is busy or out of reach, or was within the last two seconds, and
                there is no session that still lasts.
            StoreRefusedError: STS refuses the role, or did, likewise.
        """
        tenant = _checked_tenant()
        with self._lock:
            known = self._known.get(tenant)
            if known is None or known.renews <= clock.seconds():
                known = self._known[tenant] = self._renewed(tenant, known)
        if isinstance(known, _Failure):
            raise translated(known.error, _SERVICE) from known.error
        return known.credentials

    def _renewed(self, tenant: str, known: _Session | _Failure | None) -> _Session | _Failure:
        try:
            return self._new(tenant)
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            now = clock.seconds()  # an answer may take its time, or not come at all
            if isinstance(known, _Session) and known.expires > now:
                return replace(known, renews=min(now + _AGAIN, known.expires))
            return _Failure(error.with_traceback(None), now + RETRY_AFTER_SECONDS)

    def _new(self, tenant: str) -> _Session:
        digest = digest_of(tenant)
        answer = self._sts.assume_role(
            RoleArn=self._role_arn,
            RoleSessionName=tenant if _SESSION_NAME.fullmatch(tenant) else digest,
            DurationSeconds=_DURATION,
            Tags=[{"Key": TENANT_TAG, "Value": tenant}, {"Key": DIGEST_TAG, "Value": digest}],
        )
        made = answer["Credentials"]
        expires = made["Expiration"].timestamp()
        return _Session(
            ReadOnlyCredentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]),
            expires,
            expires - _EARLY,
        )


class _Provider(CredentialProvider):
    METHOD = "assume-role"

    def __init__(self, sessions: TenantSessions) -> None:
        super().__init__()
        self._sessions = sessions

    def load(self) -> Credentials:
        return _TenantCredentials(self._sessions)


class _TenantCredentials(Credentials):
    """What a client signs with: asked for anew with every attempt, in the thread that makes it."""

    def __init__(self, sessions: TenantSessions) -> None:
        super().__init__("", "", method=_Provider.METHOD)
        self._sessions = sessions

    def get_frozen_credentials(self) -> Any:  # noqa: ANN401 - as in the base class
        return self._sessions.credentials()


def _checked_tenant() -> str:
    ask = _tenant.get()
    if ask is None:
        msg = (
            f"{Env.TENANT_ROLE_ARN} is set, so rows are reached for the tenant of an HTTP request, and here "
            "is none; a thread of your own takes contextvars.copy_context().run, other work another function"
        )
        raise ConfigurationError(msg)
    tenant = ask()
    if not tenant:
        msg = "the request names no tenant, and rows are reached for one: the token needs a tenant"
        raise ForbiddenError(msg)
    if len(tenant) > _LONGEST_TAG or tenant != tenant.strip() or not all(map(_may_be_in_tag, tenant)):
        msg = (
            "the tenant's code cannot be that of a session: it takes letters, digits, spaces within and "
            f"_.:/=+-@ only, {_LONGEST_TAG} at most"
        )
        raise ForbiddenError(msg)
    return tenant


def _may_be_in_tag(character: str) -> bool:
    return character in _TAG_SIGNS or unicodedata.category(character)[0] in _TAG_CATEGORIES
