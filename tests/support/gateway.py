"""API Gateway between a client and an app, in process: an HTTP API's events, and a WSGI door to them."""

from __future__ import annotations

import base64
import uuid
from http.client import responses
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Gateway", "gateway_path"]

_TEXT = ("application/json", "application/xml", "application/javascript", "text/")


def gateway_path(path: str) -> str:
    """A path as a function of our local AWS gets it: every escape decoded but ``%25``.

    What is known of AWS itself, which differs for ``?`` and ``%``, is in `tests.security.test_paths`.
    """
    return unquote(path.replace("%25", "%2525"))


class Gateway:
    """Hands requests to an app as API Gateway does (HTTP API, payload 2.0).

    Args:
        app: The function's handler.
        claims: Claims of the token that the authorizer has verified; None for a public route.
    """

    def __init__(self, app: Callable[[dict[str, Any], Any], Any], claims: Mapping[str, Any] | None) -> None:
        self._app = app
        self._claims = claims

    def send(
        self, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer. ``target`` is what stands in the request line."""
        answer = self._app(self.event(method, target, headers, body), None)
        text = answer.get("body") or ""
        content = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
        return answer["statusCode"], dict(answer.get("headers") or {}), content

    def event(
        self, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> dict[str, Any]:
        """The event of a request."""
        raw_path, _, raw_query = target.partition("?")
        path = gateway_path(raw_path)
        found: dict[str, str] = {}
        for name, value in headers:  # what comes twice is joined
            lower = name.lower()
            found[lower] = f"{found[lower]},{value}" if lower in found else value
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": f"{method} /{{proxy+}}",
            "rawPath": path,
            "rawQueryString": raw_query,
            "headers": {"host": "api.example.com", **found},
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "a1b2c3d4e5",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
                "requestId": uuid.uuid4().hex,
                "routeKey": f"{method} /{{proxy+}}",
                "stage": "$default",
            },
            "isBase64Encoded": False,
        }
        query: dict[str, str] = {}
        for name, value in parse_qsl(raw_query, keep_blank_values=True):
            query[name] = f"{query[name]},{value}" if name in query else value
        if query:
            event["queryStringParameters"] = query
        if body:
            event |= _content(body, found.get("content-type", ""))
        if self._claims is not None:
            event["requestContext"]["authorizer"] = {"jwt": {"claims": dict(self._claims), "scopes": None}}
        return event

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """WSGI."""
        headers = [
            (name.removeprefix("HTTP_").replace("_", "-").lower(), str(value))
            for name, value in environ.items()
            if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
        ]
        size = int(environ.get("CONTENT_LENGTH") or 0)
        target, method = environ["REQUEST_URI"], environ["REQUEST_METHOD"]
        if "?" not in target and environ.get("QUERY_STRING"):  # werkzeug's client leaves it out
            target = f"{target}?{environ['QUERY_STRING']}"
        status, answered, content = self.send(method, target, headers, environ["wsgi.input"].read(size))
        start_response(f"{status} {responses.get(status, 'Unknown')}", list(answered.items()))
        return [content]


def _content(body: bytes, content_type: str) -> dict[str, Any]:
    if content_type.startswith(_TEXT) or "+json" in content_type or not content_type:
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
