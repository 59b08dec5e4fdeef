"""Requests as API Gateway hands them to a function, and the answers to them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlencode

from runtime.identity.claims import CLAIM_GROUPS, CLAIM_ROLES, CLAIM_TENANT, CLAIM_USER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runtime.settings import Settings

__all__ = ["Answer", "Client", "as_issued", "claims_of"]

SOURCE_IP: Final = "192.0.2.1"


def claims_of(
    user: str | None,
    tenant: str | None,
    roles: Iterable[str],
    global_roles: Iterable[str],
    groups: Iterable[str],
) -> dict[str, Any]:
    """The claims of a user's ID token, as Cognito writes them; none for nobody."""
    if user is None:
        return {}
    claims: dict[str, Any] = {"sub": user, "token_use": "id"}
    if tenant is not None:
        claims[CLAIM_TENANT] = tenant
    entries = [{"tenant": tenant or "", "role": role} for role in roles]
    entries += [{"tenant": "", "role": role} for role in global_roles]
    if entries:
        claims[CLAIM_ROLES] = json.dumps(entries)
    if groups := list(groups):
        claims[CLAIM_GROUPS] = json.dumps([{"tenant": tenant or "", "groups": groups}])
    return claims


def as_issued(claims: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The claims under the names that the service's issuer gives them."""
    names = {
        CLAIM_USER: settings.user_claim,
        CLAIM_TENANT: settings.tenant_claim,
        CLAIM_ROLES: settings.roles_claim,
        CLAIM_GROUPS: settings.groups_claim,
    }
    return {names.get(name, name): value for name, value in claims.items()}


class _Headers(dict[str, str]):
    """Headers, whose names have no case."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__({name.lower(): str(value) for name, value in given.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.lower() if isinstance(name, str) else name)

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        """The value of a header, or ``default``."""
        return super().get(name.lower(), default)


class Answer:
    """What a request was answered.

    Attributes:
        status: The HTTP status.
        headers: The headers; their names have no case.
        content: The body.
    """

    def __init__(self, response: Mapping[str, Any]) -> None:
        self.status: int = int(response["statusCode"])
        self.headers = _Headers(response.get("headers") or {})
        body: str = response.get("body") or ""
        self.content = base64.b64decode(body) if response.get("isBase64Encoded") else body.encode()

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode()

    def json(self) -> Any:  # noqa: ANN401 - whatever JSON can hold
        """The body, which is JSON; None for an empty one."""
        return json.loads(self.content) if self.content else None

    def __repr__(self) -> str:
        return f"<Answer {self.status} {self.text}>"


class Client:
    """Sends requests of one user. Made by `MemoryApp.client`.

    Args:
        call: Calls the function with an event.
        request_id: Gives each request its id.
        claims: Claims of the user's token. Empty for nobody.
        headers: Headers of each request.
    """

    def __init__(
        self,
        call: Callable[[dict[str, Any]], Any],
        request_id: Callable[[], str],
        claims: Mapping[str, Any],
        headers: Mapping[str, str],
    ) -> None:
        self._call = call
        self._request_id = request_id
        self._claims = dict(claims)
        self._headers = dict(headers)

    def request(
        self,
        method: str,
        path: str,
        json: Any = None,  # noqa: ANN401 - as clients of HTTP name it
        *,
        params: Mapping[str, Any] | None = None,
        content: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and return the answer. An error of the service is an answer, too.

        Args:
            method: Such as ``POST``.
            path: Path of the URL, escaped as in one: ``/todos/a%20b``.
            json: Body, which is sent as JSON. Default: none.
            params: Parameters of the query; a list repeats its parameter.
            content: Body, which is sent as it is, in place of ``json``.
            headers: Further headers.
        """
        event = _event(method, path, params or {}, {**self._headers, **(headers or {})}, self._request_id())
        _add_body(event, json, content)
        if self._claims:
            event["requestContext"]["authorizer"] = {"jwt": {"claims": self._claims, "scopes": None}}
        return Answer(self._call(event))

    def get(self, path: str, **options: Any) -> Answer:  # noqa: ANN401 - of `request`
        """Send a GET request; see `request`."""
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> Answer:  # noqa: ANN401
        """Send a POST request; see `request`."""
        return self.request("POST", path, json, **options)

    def put(self, path: str, json: Any = None, **options: Any) -> Answer:  # noqa: ANN401
        """Send a PUT request; see `request`."""
        return self.request("PUT", path, json, **options)

    def patch(self, path: str, json: Any = None, **options: Any) -> Answer:  # noqa: ANN401
        """Send a PATCH request; see `request`."""
        return self.request("PATCH", path, json, **options)

    def delete(self, path: str, **options: Any) -> Answer:  # noqa: ANN401
        """Send a DELETE request; see `request`."""
        return self.request("DELETE", path, **options)


def _event(
    method: str, path: str, params: Mapping[str, Any], headers: Mapping[str, str], request_id: str
) -> dict[str, Any]:
    # As the local AWS does it: each escape is decoded, but that of the percent sign.
    path = unquote(path.replace("%25", "%2525"))
    lists = {
        name: [str(part) for part in value] if isinstance(value, list | tuple) else [str(value)]
        for name, value in params.items()
    }
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(lists, doseq=True),
        "headers": {
            "host": "service.test",
            "user-agent": "runtime.testing",
            **{name.lower(): value for name, value in headers.items()},
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "test",
            "domainName": "service.test",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": SOURCE_IP,
                "userAgent": "runtime.testing",
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    if lists:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in lists.items()}
    return event


def _add_body(event: dict[str, Any], document: Any, content: str | bytes | None) -> None:  # noqa: ANN401
    if content is None and document is None:
        return
    if content is None:
        event["headers"].setdefault("content-type", "application/json")
        content = json.dumps(document, ensure_ascii=False)
    if isinstance(content, bytes):
        event["body"], event["isBase64Encoded"] = base64.b64encode(content).decode(), True
    else:
        event["body"] = content
