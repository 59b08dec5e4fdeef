"""Headers that tell browsers to make as little of an answer as they can."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

__all__ = ["add_security_headers", "policy_of_page"]

#: What scanners, and OWASP's cheat sheet on REST, expect of an API's answers.
_HEADERS: Final = {
    # Of one user's data, there is to be no copy on the way or on a shared machine.
    "Cache-Control": "no-store",
    # Nothing in an answer runs, loads or is shown inside of another page.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def add_security_headers(answer: MutableMapping[str, Any]) -> None:
    """Add the headers to an answer of the function; one that its route has set stays as it is."""
    headers: Mapping[str, Any] = answer.get("headers") or {}
    there = {name.lower() for name in headers}
    answer["headers"] = {
        **headers,
        **{name: value for name, value in _HEADERS.items() if name.lower() not in there},
    }


def policy_of_page(page: str) -> str:
    """The ``Content-Security-Policy`` of a page with its scripts and styles in it.

    The scripts that it was made with may run, by their hashes, and no other. It talks to where it
    comes from, and to nobody else.
    """
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in _SCRIPT.findall(page))
    return "; ".join([
        "default-src 'none'",
        f"script-src {hashes}",
        "style-src 'unsafe-inline'",  # Swagger UI has attributes of that name
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ])  # fmt: skip


def _hash(script: str) -> str:
    # A browser has normalized the line ends by the time it looks.
    text = script.replace("\r\n", "\n").replace("\r", "\n")
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
