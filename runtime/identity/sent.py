"""What a request says, as it was sent: the same for a repeat, and another for any other request."""

from __future__ import annotations

import binascii
import hashlib
import json
from base64 import b64decode
from decimal import Decimal, DecimalException
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Sent"]

#: Headers that make another request of the same body.
_TELLING: Final = ("content-type", "if-match", "if-none-match", "x-tenant-code")


class Sent:
    """An HTTP API request (payload 2.0) as it was sent.

    Args:
        event: The request.
        headers: Its headers, names in lower case.
    """

    def __init__(self, event: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self._event = event
        self._headers = headers

    @cached_property
    def content(self) -> Any:  # noqa: ANN401 - any JSON
        """The body, in a form that JSON can say: the same for all that say the same. None without one."""
        return _body(self._event)

    @cached_property
    def digest(self) -> str:
        """Of the method, path, query, telling headers and body. JSON counts as what it says."""
        event = self._event
        context = event.get("requestContext")
        http = context.get("http") if isinstance(context, dict) else None
        parts = [
            http.get("method") if isinstance(http, dict) else None,
            event.get("rawPath"),
            event.get("queryStringParameters") or event.get("rawQueryString") or "",
            [self._headers.get(name) for name in _TELLING],
            self.content,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _body(event: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    body = event.get("body")
    if not isinstance(body, str):
        return None
    sent: str | bytes = body
    try:
        if event.get("isBase64Encoded"):
            sent = b64decode(body)
        return {"json": json.loads(sent, parse_int=_number, parse_float=_number, parse_constant=_other)}
    except (ValueError, RecursionError, binascii.Error):
        return sent if isinstance(sent, str) else sent.hex()


def _number(text: str) -> Any:  # noqa: ANN401 - what JSON writes unlike any text
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except DecimalException:
        return _other(text)
    written = "".join(map(str, digits)).lstrip("0")
    kept = written.rstrip("0")
    return {"number": [sign, kept, int(exponent) + len(written) - len(kept) if kept else 0]}


def _other(text: str) -> Any:  # noqa: ANN401 - what JSON writes unlike any text
    return {"number": text}
