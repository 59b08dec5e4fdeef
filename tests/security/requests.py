"""Requests that a route takes, made from the OpenAPI document, so that a new route has them too."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from tests.security.target import Answer, Route, Target


__all__ = ["Request", "command_text", "friendly"]


class Sender(Protocol):
    """Whom a request is sent to."""

    def send(
        self,
        method: str,
        target: str,
        claims: dict[str, Any] | None,
        *,
        headers: dict[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """Send it, as a user with these claims."""


#: What a field of a body gets. A field that is not here is given where the schema demands it.
_VALUES: dict[str, Any] = {"name": "mine", "attributes": {"secret": "mine"}, "version": -1}


@dataclass(frozen=True)
class Request:
    """One request, before it is written as HTTP.

    ``path`` is the route's, with the values of its parameters in ``values``, escaped already.
    """

    method: str
    path: str
    values: dict[str, str]
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def target(self) -> str:
        path = self.path
        for name, value in self.values.items():
            path = path.replace(f"{{{name}}}", value)
        return f"{path}?{urlencode(self.query)}" if self.query else path

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The objects in the body: itself, or those in its list. Of a copy, to be changed."""
        found = self.body if isinstance(self.body, list) else [self.body]
        return [item for item in found if isinstance(item, dict)]

    def plus(
        self, *, query: dict[str, str] | None = None, headers: dict[str, str] | None = None, **values: str
    ) -> Request:
        """The request with more in it."""
        return replace(
            self,
            query=self.query | (query or {}),
            headers=self.headers | (headers or {}),
            values=self.values | values,
        )

    def with_fields(self, **fields: Any) -> Request:
        """The request with these fields in its body, or in each of its items."""
        made = replace(self, body=copy.deepcopy(self.body))
        for item in made.bodies:
            item.update(fields)
        return made

    def send(self, target: Sender, claims: dict[str, Any] | None) -> Answer:
        return target.send(self.method, self.target, claims, headers=self.headers, body=self.body)


def friendly(target: Target, route: Route, sk: str, tenant: str, module: str = "note") -> Request:
    """A request that ``route`` takes from a user of ``tenant`` who has the item ``sk``."""
    named = {"sk": quote(sk, safe=""), "id": quote(sk, safe=""), "version": "1", "name": module}
    parameters = {(found["in"], found["name"]) for found in route.operation.get("parameters", ())}
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    if (
        route.method in {"PUT", "PATCH", "DELETE"}
        and ("header", "If-Match") in parameters
        and "sk" in route.names
    ):
        headers["If-Match"] = "*"
    if ("query", "mode") in parameters:
        query["mode"] = "sync"
    return Request(
        route.method,
        route.path,
        {name: named[name] for name in route.names},
        query,
        headers,
        _body(target, route, sk, tenant, module, conditional=bool(headers)),
    )


def _body(target: Target, route: Route, sk: str, tenant: str, module: str, *, conditional: bool) -> Any:
    if "requestBody" not in route.operation:
        return None
    kind = module.upper()
    schema = target.schema(route.operation["requestBody"]["content"]["application/json"]["schema"])
    if schema["type"] == "array":
        return [_object(target.schema(schema["items"]), f"{kind}#{tenant}", sk, conditional=False)]
    if "properties" in schema:
        return _object(schema, f"{kind}#{tenant}", sk, conditional=conditional)
    # Any object: the service takes the key from it.
    return {
        "pk": f"{kind}#{tenant}",
        "sk": sk,
        "code": sk,
        "type": kind,
        "sync": True,
        **_VALUES,
    }


def _object(schema: dict[str, Any], pk: str, sk: str, *, conditional: bool) -> dict[str, Any]:
    properties, required = schema["properties"], schema.get("required", [])
    values = {"pk": pk, "sk": sk, **_VALUES, "text": "mine"}
    if conditional:
        values.pop("version")
    assert set(required) <= set(values), f"teach the tests a value of {set(required) - set(values)}"
    return {name: value for name, value in values.items() if name in properties}


def command_text(attributes: str = "{}", **more: str) -> str:
    """A command as text; what JSON libraries would not write may be in it."""
    fields = {"sk": '"L2"', "version": "0", "name": '"n"', "attributes": attributes, **more}
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"
