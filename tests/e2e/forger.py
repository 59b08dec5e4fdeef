"""Tokens that nobody has issued; some of them signed with the user pool's own key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
from typing import TYPE_CHECKING, Any

from constructs_lib.local.venv import ensure_venv
from tests.support.emulator import FOLDER

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

__all__ = ["Forger", "claims_in", "encoded", "header_in"]

# In the emulator's own environment, which has the library that it signs with.
_SIGN = """
import sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
key = serialization.load_pem_private_key(open(sys.argv[1], "rb").read(), None)
signed = key.sign(sys.argv[2].encode(), padding.PKCS1v15(), hashes.SHA256())
form = serialization.PublicFormat.SubjectPublicKeyInfo
print(signed.hex(), key.public_key().public_bytes(serialization.Encoding.PEM, form).hex())
"""


def encoded(part: dict[str, Any] | bytes) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def header_in(token: str) -> dict[str, Any]:
    return _decoded(token.split(".", maxsplit=1)[0])


def claims_in(token: str) -> dict[str, Any]:
    return _decoded(token.split(".")[1])


def _decoded(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return found


class Forger:
    """Makes tokens like ``token``, an id token of the pool."""

    def __init__(self, emulator: Emulator, pool: str, token: str) -> None:
        self._key = emulator.run_folder / "state" / "cognito-pool-keys" / f"{pool}-id.pem"
        self._token = token

    def signed(self, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token with these claims, truly signed by the pool's key."""
        text = self._text(header or {}, claims)
        return f"{text}.{encoded(bytes.fromhex(self._run(text)[0]))}"

    def unsigned(self, algorithm: str, signature: str = "", **claims: Any) -> str:
        """A token that says to be signed by ``algorithm``, with any signature."""
        return f"{self._text({'alg': algorithm}, claims)}.{signature}"

    def with_public_key_as_secret(self, **claims: Any) -> str:
        """A token signed with HMAC; its secret is the public key, which everybody knows."""
        text = self._text({"alg": "HS256"}, claims)
        secret = bytes.fromhex(self._run(text)[1])
        return f"{text}.{encoded(hmac.digest(secret, text.encode(), hashlib.sha256))}"

    def tampered(self, **claims: Any) -> str:
        """A token with other claims, and the signature of the true one."""
        return f"{self._text({}, claims)}.{self._token.split('.')[2]}"

    def _text(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        made = claims_in(self._token) | claims
        kept = {name: value for name, value in made.items() if value is not None}
        return f"{encoded(header_in(self._token) | header)}.{encoded(kept)}"

    def _run(self, text: str) -> list[str]:
        command = [str(ensure_venv(FOLDER)), "-c", _SIGN, str(self._key), text]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603 - our own code
