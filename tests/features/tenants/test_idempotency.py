"""A request that is repeated under its ``Idempotency-Key`` gets the first one's answer, and does nothing."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from runtime import CqrsApp, Tenant, TenantModule, tenant_routes
from runtime.testing import MemoryApp
from tests.features.tenants.support import KINDS, Registry, user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.testing import Client
    from runtime.testing.requests import Answer

GROUP = {"tenantCode": "acme", "role": "clerk", "groupId": "osaka"}
ORDER = {"tenantCode": "acme", "role": "clerk", "settingGroups": ["tokyo#sales", "tokyo"]}
WRITES: dict[str, tuple[str, str, Any]] = {
    "create": ("POST", "/api/tenant", {"code": "new", "name": "New"}),
    "create anew": ("POST", "/api/tenant", {"code": "gone", "name": "New"}),
    "common": ("POST", "/api/tenant/common", {"name": "Common"}),
    "update": ("PATCH", "/api/tenant/TENANT%23acme/MASTER", {"name": "Other", "attributes": {"a": 1}}),
    "delete": ("DELETE", "/api/tenant/TENANT%23acme/MASTER", None),
    "state": ("POST", "/api/tenant/acme/state", {"state": "suspended", "reason": "unpaid"}),
    "group": ("POST", "/api/tenant/group", GROUP),
    "group that is there": ("POST", "/api/tenant/group", GROUP | {"groupId": "tokyo"}),
    "order": ("PATCH", "/api/tenant/group", ORDER),
}


class Shop:
    """A registry with routes, whose tenants begin with a group."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.tenants = TenantModule(on_create=self._begin)
        self.app = CqrsApp(modules=[], features=[self.tenants], routes=[tenant_routes(self.tenants)])

    def _begin(self, tenant: Tenant) -> None:
        self.begun.append(tenant.code)
        self.tenants.add_tenant_group(tenant.code, "clerk", "all")


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def memory(shop: Shop) -> Iterator[MemoryApp]:
    with MemoryApp(shop.app, modes={"tenant": "inline"}) as made:
        for code in ("acme", "gone"):
            shop.tenants.create_tenant(code, code)
        shop.tenants.delete_tenant("gone")
        for group in ("tokyo", "tokyo#sales"):
            shop.tenants.add_tenant_group("acme", "clerk", group)
        shop.begun.clear()
        yield made


def client(memory: MemoryApp, key: str | None = "k", name: str = "root") -> Client:
    headers = {} if key is None else {"idempotency-key": key}
    return memory.client(tenant="ops", user=name, global_roles=["system_admin"], headers=headers)


def answered(answer: Answer) -> tuple[int, Any]:
    return answer.status, answer.json() if answer.text else None


def rows(memory: MemoryApp) -> list[Any]:
    return [memory.rows("tenant", kind) for kind in KINDS]


@pytest.mark.parametrize("name", WRITES)
def test_a_repeat_has_the_same_answer_whatever_others_did_since(
    memory: MemoryApp, shop: Shop, name: str
) -> None:
    root = client(memory)
    first = answered(root.request(*WRITES[name]))
    assert first[0] in {200, 201, 204}
    begun = list(shop.begun)
    assert answered(root.request(*WRITES[name])) == first
    changed = client(memory, None)
    for code in ("acme", "new", "gone", "common"):
        key = f"/api/tenant/TENANT%23{code}/MASTER"
        if changed.get(key).status == 200:
            changed.post(f"/api/tenant/{code}/state", {"state": "active"})
            changed.patch(key, {"name": "Later", "attributes": {"a": 2}})
            shop.tenants.remove_tenant_group(code, "clerk", "osaka")
    before = rows(memory)
    again = answered(root.request(*WRITES[name]))
    if name != "group that is there":  # what changed nothing is answered as the tenant is
        assert again == first
    assert rows(memory) == before
    assert shop.begun == begun


@pytest.mark.parametrize("name", WRITES)
def test_another_request_with_the_key_is_refused(memory: MemoryApp, name: str) -> None:
    method, path, body = WRITES[name]
    assert client(memory).request(method, path, body).status in {200, 201, 204}
    before = rows(memory)
    if body is None:
        other = client(memory).patch(path, {"name": "x"})
    else:
        changed = {"settingGroups": None} if "settingGroups" in body else {"name": "x", "reason": "y"}
        fields = changed if "settingGroups" in body else {one: changed[one] for one in changed if one in body}
        other = client(memory).request(method, path, {**body, **(fields or {"groupId": "kyoto"})})
    assert (other.status, other.json()["type"]) == (422, "urn:problem-type:cqrs:publish-id-reused")
    assert rows(memory) == before


def test_a_key_is_one_users_own(memory: MemoryApp) -> None:
    assert client(memory).request(*WRITES["create"]).status == 201
    eve = client(memory, name="eve").request(*WRITES["create"])
    assert (eve.status, eve.json()["errors"][0]["field"]) == (400, "code")


@pytest.mark.parametrize("key", ["x" * 129, "a\tb"])
def test_what_is_no_key_is_named(memory: MemoryApp, key: str) -> None:
    before = rows(memory)
    for method, path, body in WRITES.values():
        answer = client(memory, key).request(method, path, body)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "idempotency-key")
    assert rows(memory) == before


class DiedError(BaseException):
    """The process is gone."""


STORIES = {
    "create": lambda tenants, me: tenants.create_tenant("new", "New", invoke_context=me),
    "common": lambda tenants, me: tenants.create_common_tenant("Common", invoke_context=me),
    "update": lambda tenants, me: tenants.update_tenant("acme", name="Other", invoke_context=me),
    "state": lambda tenants, me: tenants.set_state("acme", "closed", reason="x", invoke_context=me),
    "delete": lambda tenants, me: tenants.delete_tenant("acme", invoke_context=me),
    "add": lambda tenants, me: tenants.add_tenant_group("acme", "clerk", "osaka", invoke_context=me),
    "remove": lambda tenants, me: tenants.remove_tenant_group("acme", "clerk", "tokyo", invoke_context=me),
    "order": lambda tenants, me: tenants.customize_setting_groups("acme", "clerk", [], invoke_context=me),
    "group": lambda tenants, me: tenants.create_tenant_group("east", "acme", "x", invoke_context=me),
}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", STORIES)
def test_whoever_died_at_a_call_gets_the_answer_of_the_whole(name: str, moment: str) -> None:
    """Also where the first one was as far as the end: nobody has to guess whether it was."""

    def begun() -> tuple[Registry, TenantModule]:
        registry = Registry()
        made: list[TenantModule] = []
        made.append(
            registry.again(on_create=lambda tenant: made[0].add_tenant_group(tenant.code, "clerk", "all"))
        )
        made[0].create_tenant("acme", "Acme")
        made[0].add_tenant_group("acme", "clerk", "tokyo")
        registry.wire.clear()
        return registry, made[0]

    def sent() -> Any:
        root = {"tenant": "", "role": "system_admin"}
        return user("ops", root, **{"idempotency-key": "k"})

    registry, tenants = begun()
    expected = STORIES[name](tenants, sent())
    versions = {key: row["version"] for key, row in registry.rows().items()}
    for number in range(len(registry.wire.calls)):
        registry, tenants = begun()
        countdown = itertools.count()

        def die(_call: object, left: Any = countdown, last: int = number) -> None:
            if next(left) == last:
                raise DiedError

        setattr(registry.wire, moment, die)
        with pytest.raises(DiedError):
            STORIES[name](tenants, sent())
        registry.wire.before = registry.wire.after = lambda _call: None
        assert STORIES[name](tenants, sent()) == expected, number
        assert {key: row["version"] for key, row in registry.rows().items()} == versions
