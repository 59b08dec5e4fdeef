"""What is attacked: the service of the end-to-end tests and every route of a module.

Its tables are in memory in `make test`, and in DynamoDB in `make faults`.
"""

from __future__ import annotations

import importlib
import json
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from runtime import CommandModule, CqrsApp, DataSyncHandler, InvokeContext, Settings, module_routes
from runtime.clients.resources import default_resources
from runtime.contract import Env
from runtime.store.codec import encoded
from runtime.store.memory import MemoryStore
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.faults.scale import COMPLETE
from tests.security.posts import MODULE as EVENTS
from tests.security.posts import Posts
from tests.support.gateway import Gateway
from tests.support.service import make_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from constructs_lib.local import Emulator
    from runtime.entry.http.module_bodies import SearchQuery

__all__ = [
    "ADMIN",
    "MARKER",
    "MODULES",
    "UNLISTED",
    "Answer",
    "Route",
    "Target",
    "claims_of",
    "plant",
    "running",
]

SERVICE = Path(__file__).parents[1] / "e2e" / "service"
MODULES = ("note", "memo", "task", "order")
WITH_HANDLERS = ("task", "order")
KINDS = ("command", "data", "history", "sync")
TABLES = (
    *(f"{module}-{kind}" for module in MODULES for kind in KINDS),
    f"{EVENTS}-events",
    f"{EVENTS}-sync",
    "session",
)
#: In every value of the items that nobody else may see.
MARKER = "planted-4f1c"
#: A role for every tenant.
ADMIN = {"tenant": "", "role": "system_admin"}
#: The hidden routes: they are about the API itself.
UNLISTED = {("GET", "/openapi.json"), ("GET", "/swagger")}


class Copy(DataSyncHandler):
    """A data sync handler, so that a re-sync has something to do."""

    def up(self, command: Any) -> None:
        assert command.pk


@dataclass(frozen=True)
class Route:
    """One route of the app; ``operation`` is its part of the OpenAPI document."""

    method: str
    path: str
    operation: dict[str, Any] = field(hash=False, compare=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def names(self) -> list[str]:
        """Its path parameters."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def fields(self) -> list[str]:
        """The fields that a problem document names."""
        assert self.headers["Content-Type"] == "application/problem+json", (self.status, self.text)
        return [error["field"] for error in self.json.get("errors", [])]


class _Tables(Protocol):
    def rows(self, name: str) -> Iterable[dict[str, Any]]:
        """The rows of a table, as DynamoDB has them."""


class _InDynamoDb:
    """Tables and a bucket in the emulator."""

    def __init__(self, emulator: Emulator, prefix: str) -> None:
        self._client = emulator.client("dynamodb")
        self._prefix = prefix
        make_tables(emulator, prefix, list(TABLES))
        emulator.client("s3").create_bucket(Bucket=f"{prefix}-attributes")

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator("scan").paginate(TableName=f"{self._prefix}-{name}"):
            yield from page["Items"]

    def delete(self) -> None:
        for name in TABLES:
            self._client.delete_table(TableName=f"{self._prefix}-{name}")


class _InMemory:
    """Tables and a bucket in memory."""

    def __init__(self, prefix: str) -> None:
        self._store = MemoryStore()
        self._prefix = prefix

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        return map(encoded, self._store.rows(f"{self._prefix}-{name}"))

    def resources(self) -> MemoryResources:
        """What the app is to work with, in its environment."""
        return MemoryResources(Settings.from_environment(), self._store, Clock())


class Target:
    """The app, and a look at its tables that goes past it."""

    def __init__(self, app: CqrsApp, posts: Posts, tables: _Tables) -> None:
        self.app = app
        self.posts = posts
        self._tables = tables
        document = self.send("GET", "/openapi.json", claims_of("x"))
        self.document: dict[str, Any] = document.json
        resolver = app._http._resolver  # noqa: SLF001 - Powertools' routers have no public list
        found = {
            (str(route.method), str(route.openapi_path))
            for route in (*resolver._static_routes, *resolver._dynamic_routes)  # noqa: SLF001
        }
        self.routes = [
            Route(method, path, self._operation(method, path)) for method, path in sorted(found - UNLISTED)
        ]

    def send(
        self,
        method: str,
        target: str,
        claims: dict[str, Any] | None,
        *,
        headers: dict[str, str] | None = None,
        body: Any = None,
        content: bytes = b"",
    ) -> Answer:
        raw = json.dumps(body).encode() if body is not None else content
        sent = {"content-type": "application/json"} if raw else {}
        gateway = Gateway(self.app, claims)
        return Answer(*gateway.send(method, target, {**sent, **(headers or {})}.items(), raw))

    def rows(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        """Every row of every table as DynamoDB has it, by table, pk and sk."""
        return {
            (name, row["pk"]["S"], row["sk"]["S"]): row for name in TABLES for row in self._tables.rows(name)
        }

    def schema(self, reference: dict[str, Any]) -> dict[str, Any]:
        """A schema of the document, its reference followed."""
        while "$ref" in reference:
            reference = self.document["components"]["schemas"][reference["$ref"].rpartition("/")[2]]
        return reference

    def _operation(self, method: str, path: str) -> dict[str, Any]:
        operation: dict[str, Any] = self.document["paths"][path][method.lower()]
        return operation


def claims_of(tenant: str | None, *roles: dict[str, str], user: str = "eve") -> dict[str, Any]:
    """Claims of an id token."""
    claims = {"sub": user, "token_use": "id"} | ({"custom:tenant": tenant} if tenant is not None else {})
    return claims | ({"custom:roles": json.dumps(roles)} if roles else {})


def plant(
    target: Target,
    tenant: str,
    *sort_keys: str,
    marker: str = MARKER,
    modules: Sequence[str] = (*MODULES, EVENTS),
) -> None:
    """Items of a tenant in every module: in every value the marker, three versions, one more pending."""
    owner = InvokeContext(claims=claims_of(tenant, ADMIN, user=f"owner-{marker}"))
    if EVENTS in modules:
        for aggregate_id in sort_keys:
            target.posts.plant(owner, tenant, aggregate_id, marker)
    for module in [found for name, found in target.app.modules.items() if name in modules]:
        for sk in sort_keys:
            state = {
                "pk": f"{module.table_name.upper()}#{tenant}",
                "sk": sk,
                "code": f"code-{marker}",
                "type": module.table_name.upper(),
            }
            for version in range(3):
                values = {"name": f"{marker} {version}", "attributes": {"secret": f"{marker} {version}"}}
                publish = module.commands.publish_async if module.handlers else module.commands.publish_sync
                publish(
                    {**state, **values, "version": version},
                    invoke_context=owner,
                    request_id=f"request-{marker}",
                    publish_id=f"owner-{marker}:key-1" if not version else None,
                )
                if module.handlers:
                    module.data.publish(
                        module.commands.get_latest_item((state["pk"], sk), invoke_context=owner),
                        invoke_context=owner,
                    )
            pending = {**state, **values, "version": 3, "name": f"{marker} pending"}
            module.commands.publish_async(pending, invoke_context=owner)


@contextmanager
def running(emulator: Callable[[], Emulator], store: Path) -> Iterator[Target]:
    """The app with tables of its own, in the environment that its functions would have.

    Args:
        emulator: Gives the emulator, where it is needed.
        store: File that the service's handlers write to.
    """
    app_name = f"t{uuid.uuid4().hex[:8]}"
    prefix = f"local-{app_name}"
    tables = _InDynamoDb(emulator(), prefix) if COMPLETE else _InMemory(prefix)
    files = {path.stem for path in SERVICE.glob("*.py")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            **(emulator().environment if COMPLETE else {}),
            Env.NODE_ENV: "local",
            Env.APP_NAME: app_name,
            Env.RYW_SESSION_TTL_MINUTES: "5",
            Env.S3_BUCKET_NAME: f"{prefix}-attributes",
            Env.MODULES: json.dumps(
                {module: {"sync": module in WITH_HANDLERS} for module in MODULES}
                | {EVENTS: {"kind": "events"}}
            ),
            "STORE_FILE": str(store),
        }.items():
            patch.setenv(name, value)
        default_resources.cache_clear()
        patch.syspath_prepend(str(SERVICE))
        for name in files:
            patch.delitem(sys.modules, name, raising=False)
        service = importlib.import_module("main")
        order = CommandModule("order", data_sync_handlers=[Copy])

        def search(query: SearchQuery) -> Any:
            listing = order.data.list_items_by_pk(query.pk, limit=query.page_size)
            return {"items": listing.items, "total": len(listing.items)}

        routes = module_routes(order, prefix="/orders", type="ORDER", search=search)
        posts = Posts()
        app = CqrsApp(
            modules=[*service.app.modules.values(), order, posts.module],
            routes=["routes:router", "routes:notes", routes, posts.routes()],
        )
        if isinstance(tables, _InMemory):
            app.use(tables.resources())
        yield Target(app, posts, tables)
        for name in files:
            sys.modules.pop(name, None)
    default_resources.cache_clear()
    if isinstance(tables, _InDynamoDb):
        tables.delete()
