"""Who is served where tenants are enforced: on every route there is, for a minute, and for no reason else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime import (
    CommandModule,
    CqrsApp,
    CqrsError,
    ForbiddenError,
    InvokeContext,
    StoreUnavailableError,
    Tenant,
    TenantModule,
    TenantSetupError,
    module_routes,
    tenant_routes,
)
from runtime.testing import MemoryApp
from tests.features.tenants.support import Registry, user
from tests.security.posts import Posts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.testing import Client


class Shop:
    """An app with every kind of route: of a module, of events, of the tenants, and of its own."""

    def __init__(self, **options: Any) -> None:
        self.tenants = TenantModule(enforce=True, **options)
        self.order = CommandModule("order")
        self.posts = Posts()
        router = Router()
        self.served: list[str] = []

        @router.get("/own")
        def own() -> dict[str, str]:
            self.served.append("own")
            return {}

        @router.post("/own/<code>")
        def checked(code: str, body: dict[str, int]) -> dict[str, int]:
            self.served.append(code)
            return body

        self.app = CqrsApp(
            modules=[self.order, self.posts.module],
            features=[self.tenants],
            routes=[
                router,
                module_routes(
                    self.order, prefix="/orders", type="ORDER", search=lambda _query: {"items": []}
                ),
                self.posts.routes(),
                tenant_routes(self.tenants),
            ],
        )


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def memory(shop: Shop) -> Iterator[MemoryApp]:
    with MemoryApp(shop.app, modes={"tenant": "inline"}) as made:
        shop.tenants.create_tenant("acme", "Acme")
        shop.tenants.create_tenant("globex", "Globex")
        yield made


@pytest.fixture
def ann(memory: MemoryApp) -> Client:
    return memory.client(tenant="acme", user="ann")


def every_route(app: CqrsApp) -> list[tuple[str, str]]:
    resolver = app._http._resolver  # noqa: SLF001 - Powertools' routers have no public list
    routes = (*resolver._static_routes, *resolver._dynamic_routes)  # noqa: SLF001
    return sorted({(str(route.method), route.path.replace("<", "").replace(">", "")) for route in routes})


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("suspended", "the tenant is suspended"),
        ("closed", "the tenant is closed"),
        ("deleted", "the tenant is not registered with this service"),
        ("unknown", "the tenant is not registered with this service"),
    ],
)
def test_who_is_not_served_is_served_by_no_route(
    memory: MemoryApp, shop: Shop, state: str, told: str
) -> None:
    if state == "deleted":
        shop.tenants.delete_tenant("acme")
    elif state != "unknown":
        shop.tenants.set_state("acme", state, reason="secret reason")
    tenant = "nobody" if state == "unknown" else "acme"
    eve = memory.client(tenant=tenant, user="eve", roles=["tenant_admin", "system_admin"])
    routes = every_route(shop.app)
    assert len(routes) > 25
    before = list(memory.store.rows(shop.order.tables.command))
    for method, path in routes:
        answer = eve.request(method, path, None if method in {"GET", "DELETE"} else {"a": 1})
        assert (answer.status, answer.json()["detail"]) == (403, told), (method, path, answer.text)
        assert "secret reason" not in answer.text
    assert shop.served == []
    assert list(memory.store.rows(shop.order.tables.command)) == before
    bob = memory.client(tenant="globex", user="bob")
    assert bob.get("/own").status == bob.get("/orders").status == 200


def test_it_takes_effect_elsewhere_within_a_minute(memory: MemoryApp, shop: Shop, ann: Client) -> None:
    assert ann.get("/own").status == 200
    other = TenantModule()
    other.use(memory.resources)  # another container's
    other.set_state("acme", "suspended", reason="unpaid")
    assert ann.get("/own").status == 200
    memory.clock.advance(seconds=59)
    assert ann.get("/own").status == 200
    memory.clock.advance(seconds=2)
    assert ann.get("/own").status == 403
    other.set_state("acme", "active")
    memory.clock.advance(seconds=61)
    assert ann.get("/own").status == 200
    assert shop.served == ["own"] * 4


def test_it_takes_effect_here_at_once(memory: MemoryApp, shop: Shop, ann: Client) -> None:
    eve = memory.client(tenant="new", user="eve")
    assert (ann.get("/own").status, eve.get("/own").status) == (200, 403)
    shop.tenants.set_state("acme", "suspended", reason="unpaid")
    shop.tenants.create_tenant("new", "New")
    assert (ann.get("/own").status, eve.get("/own").status) == (403, 200)


def test_naming_another_tenant_is_no_way_in(memory: MemoryApp, shop: Shop) -> None:
    shop.tenants.create_common_tenant("Common")
    shop.tenants.set_state("acme", "suspended", reason="unpaid")
    for header in ("common", "globex", "acme"):
        ann = memory.client(tenant="acme", user="ann", headers={"x-tenant-code": header})
        assert ann.get("/own").status == 403


def test_what_is_common_needs_no_row_to_be_read_but_its_row_counts(memory: MemoryApp, shop: Shop) -> None:
    ann = memory.client(tenant="acme", user="ann", headers={"x-tenant-code": "common"})
    assert ann.get("/orders").status == 200
    shop.tenants.create_common_tenant("Common")
    assert ann.get("/orders").status == 200
    shop.tenants.set_state("common", "suspended", reason="maintenance")
    assert ann.get("/orders").status == 403


def test_who_is_at_home_in_a_common_tenant_is_served_where_it_is_registered(
    memory: MemoryApp, shop: Shop
) -> None:
    for headers in ({}, {"x-tenant-code": "common"}):
        eve = memory.client(tenant="common", user="eve", headers=headers)
        assert eve.get("/own").status == 403
    shop.tenants.create_common_tenant("Common")
    assert memory.client(tenant="common", user="eve").get("/own").status == 200


def test_what_is_common_elsewhere_is_an_unknown_tenant_here() -> None:
    registry = Registry(enforce=True, settings={"common_tenant_codes": ("Shared",)})
    registry.tenants.admit("shared", user("acme"))
    with pytest.raises(ForbiddenError, match="is not registered"):
        registry.tenants.admit("common", user("acme"))


def test_who_crosses_all_tenants_makes_the_first_and_brings_them_back(memory: MemoryApp, shop: Shop) -> None:
    root = memory.client(tenant="ops", user="root", global_roles=["system_admin"])
    assert root.post("/api/tenant", {"code": "first", "name": "First"}).status == 201
    shop.tenants.set_state("acme", "suspended", reason="unpaid")
    there = memory.client(
        tenant="ops", user="root", global_roles=["system_admin"], headers={"x-tenant-code": "acme"}
    )
    assert there.get("/orders").status == 200
    assert root.post("/api/tenant/acme/state", {"state": "active"}).status == 200
    assert memory.client(tenant="acme", user="ann").get("/own").status == 200


def test_a_role_in_one_tenant_is_none_in_all(memory: MemoryApp) -> None:
    eve = memory.client(tenant="nobody", user="eve", roles=["system_admin"])
    assert eve.get("/own").status == 403


def test_nobody_and_who_has_no_tenant_are_not_asked_about(memory: MemoryApp) -> None:
    assert memory.client(user=None).get("/own").status == 200
    assert memory.client(user="ann").get("/own").status == 200


@pytest.mark.parametrize("claim", ["a#acme", "acme@1", "\u212aiss", "acme ", "x" * 3000, "\u0130", "*"])
def test_a_tenant_that_can_be_none_is_not_served_and_not_looked_up(claim: str) -> None:
    registry = Registry(enforce=True)
    registry.wire.clear()
    with pytest.raises(CqrsError, match="is not registered"):
        registry.tenants.admit(claim, user(claim))
    assert registry.wire.calls == []


def test_a_tenant_is_read_once_a_minute() -> None:
    registry = Registry(enforce=True)
    for code in ("acme", "globex"):
        registry.tenants.create_tenant(code, code)
    registry.wire.clear()
    for code in ("acme", "globex", "acme"):
        registry.tenants.admit(code, user(code))
    for _ in range(3):
        with pytest.raises(CqrsError):
            registry.tenants.admit("nobody", user("nobody"))
    assert len(registry.wire.calls) == 3


def test_a_registry_out_of_reach_is_503_and_not_remembered(
    memory: MemoryApp, ann: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("DynamoDB", "ThrottlingException")  # noqa: EM101

    with monkeypatch.context() as patch:
        patch.setattr(memory.store, "get", unreachable)
        answer = ann.get("/own")
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert answer.json()["written"] == "nothing"
    assert ann.get("/own").status == 200


def test_while_a_tenant_is_being_created_it_is_not_served() -> None:
    answers: list[int] = []

    def seed(_tenant: Tenant) -> None:
        answers.append(running.client(tenant="acme", user="ann").get("/own").status)
        if len(answers) == 1:
            msg = "down"
            raise RuntimeError(msg)

    shop = Shop(on_create=seed)
    with MemoryApp(shop.app, modes={"tenant": "inline"}) as running:
        with pytest.raises(TenantSetupError):
            shop.tenants.create_tenant("acme", "Acme")
        ann = running.client(tenant="acme", user="ann")
        answer = ann.get("/own")
        assert (answer.status, answer.json()["detail"]) == (
            403,
            "the tenant is being set up; try again later",
        )
        shop.tenants.set_state("acme", "active")
        assert ann.get("/own").status == 200
    assert answers == [403, 403]


def test_what_failed_is_a_500_that_says_what_was_written_and_can_be_repeated() -> None:
    fails = [True]

    def seed(_tenant: Tenant) -> None:
        if fails.pop():
            msg = "secret"
            raise RuntimeError(msg)

    shop = Shop(on_create=seed)
    body = {"code": "acme", "name": "Acme", "attributes": {"rate": 1.5}}
    with MemoryApp(shop.app, modes={"tenant": "inline"}) as memory:
        root = memory.client(tenant="ops", user="root", global_roles=["system_admin"])
        failed = root.post("/api/tenant", body)
        assert (failed.status, failed.json()["written"]) == (500, "something")
        assert "secret" not in failed.text
        found = root.get("/api/tenant/TENANT%23acme/MASTER")
        assert found.json()["state"] == "creating"
        fails.append(False)
        again = root.post("/api/tenant", body)
        assert (again.status, again.json()["state"]) == (201, "active")


def test_without_enforce_nobody_is_asked() -> None:
    assert not TenantModule().guards_requests
    assert TenantModule(enforce=True).guards_requests


def test_a_row_of_theirs_that_says_no_state_is_active() -> None:
    registry = Registry(enforce=True)
    registry.tenants.module.commands.publish_sync(
        {
            "pk": "TENANT#theirs",
            "sk": "MASTER",
            "code": "MASTER",
            "name": "theirs",
            "type": "theirs",
            "version": 0,
        },
        invoke_context=user("theirs"),
    )
    registry.tenants.admit("theirs", InvokeContext(claims={"sub": "ann", "custom:tenant": "theirs"}))
