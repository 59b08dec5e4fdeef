"""Signing a client's calls, with less to do than botocore's own class has.

A signature is made by that class, of the same parts in the same way; but the key that those of one day are
made with is kept, and so are the headers while they are signed, which botocore gathers twice in the form of
a message of e-mail; and the body is read where it is, without preparing the whole request for it.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from botocore.auth import AUTH_TYPE_MAPS, SIGNED_HEADERS_BLACKLIST, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SparingSigV4Auth", "sign_sparingly"]

_THEIRS: Final = "v4"
_OURS: Final = "v4-cqrs"
_UNSIGNED: Final = frozenset(SIGNED_HEADERS_BLACKLIST)
#: Keys are of one session each, and a function may have one for each of its tenants.
_MOST_KEYS: Final = 256
_MOST_ENDPOINTS: Final = 64


def sign_sparingly(client: Any) -> None:  # noqa: ANN401 - boto3 clients are made at run time
    """Let `SparingSigV4Auth` sign the calls of a client that botocore's `SigV4Auth` would sign.

    Args:
        client: A boto3 client.
    """
    AUTH_TYPE_MAPS[_OURS] = SparingSigV4Auth
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"choose-signer.{service}", _choose, unique_id="cqrs-sign-sparingly")


class SparingSigV4Auth(SigV4Auth):
    """Signature version 4, see botocore's class."""

    _gathered: _Headers | None = None

    def add_auth(self, request: AWSRequest) -> None:
        """Sign a request."""
        self._gathered = None
        super().add_auth(request)

    def headers_to_sign(self, request: AWSRequest) -> Any:  # noqa: ANN401 - botocore's headers, or what does as well
        """The headers that are signed, by their names in lower case."""
        if self._gathered is None:
            found = _Headers()
            for name, value in request.headers.items():
                if (lower := name.lower()) not in _UNSIGNED:
                    found.setdefault(lower, []).append(value)
            if "host" not in found:
                found["host"] = [_host_of(request.url)]
            self._gathered = found
        return self._gathered

    def payload(self, request: AWSRequest) -> str:
        """The digest of the body."""
        is_plain = request.context.get("payload_signing_enabled", True) and "checksum" not in request.context
        if is_plain and request.data and isinstance(request.data, bytes):
            return hashlib.sha256(request.data).hexdigest()
        return str(super().payload(request))

    def signature(self, string_to_sign: str, request: AWSRequest) -> str:
        """The signature of a text."""
        key = signing_key(self.credentials.secret_key, self.credential_scope(request))
        return hmac.new(key, string_to_sign.encode(), hashlib.sha256).hexdigest()


class _Headers(dict[str, list[str]]):
    """The values of headers by their names."""

    def get_all(self, name: str) -> Iterable[str]:
        """The values of one."""
        return self[name]


def _choose(signature_version: Any, **_: Any) -> str | None:  # noqa: ANN401 - botocore's events
    return _OURS if signature_version == _THEIRS else None


@lru_cache(_MOST_ENDPOINTS)
def _host_of(url: str) -> str:
    nobody = ReadOnlyCredentials("", "", None)
    headers = SigV4Auth(nobody, "", "").headers_to_sign(AWSRequest(method="POST", url=url))
    return str(headers["host"])


@lru_cache(_MOST_KEYS)
def signing_key(secret: str, scope: str) -> bytes:
    """The key for the signatures of a scope: a day, a region and a service."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
