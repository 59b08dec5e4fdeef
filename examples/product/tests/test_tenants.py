"""Which tenants are served, and what a new one begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import TenantSetupError

if TYPE_CHECKING:
    from runtime.testing import Client, MemoryApp

ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/products", None),
    ("GET", "/products/search", None),
    ("POST", "/products", {"name": "Saw"}),
    ("GET", "/orders", None),
    ("POST", "/orders", {"lines": [{"product": "saw", "quantity": 1}]}),
    ("POST", "/orders/ORD-2025-000001/ship", None),
    ("GET", "/sequences/shipment", None),
    ("GET", "/api/tenant/TENANT%23acme/MASTER", None),
    ("GET", "/api/master-setting/dispatch", None),
    ("GET", "/api/master-data/list?settingCode=category", None),
    ("GET", "/openapi.json", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_a_suspended_tenant_is_refused_on_every_route(
    memory: MemoryApp, root: Client, method: str, path: str, body: Any
) -> None:
    ann = memory.client(tenant="acme", user="ann", roles=["dispatcher"])
    said = {"state": "suspended", "reason": "unpaid"}
    assert root.post("/api/tenant/acme/state", said, headers={"x-tenant-code": "acme"}).status == 200
    refused = ann.request(method, path, body)
    assert (refused.status, refused.json()["detail"]) == (403, "the tenant is suspended")
    other = memory.client(tenant="other", user="eve", roles=["dispatcher"])
    assert "tenant is suspended" not in other.request(method, path, body).text
    root.post("/api/tenant/acme/state", {"state": "active"}, headers={"x-tenant-code": "acme"})
    assert "the tenant is suspended" not in ann.request(method, path, body).text


def test_a_tenant_that_nobody_has_registered_is_refused(memory: MemoryApp, ann: Client) -> None:
    stranger = memory.client(tenant="globex", user="eve").get("/products")
    assert stranger.status == 403
    assert stranger.json()["detail"] == "the tenant is not registered with this service"
    body = {"code": "globex", "name": "Globex"}
    assert ann.post("/api/tenant", body).status == 403  # it takes a role across all tenants


def test_a_new_tenant_begins_with_categories_and_a_way_to_dispatch(memory: MemoryApp, root: Client) -> None:
    body = {"code": "globex", "name": "Globex", "attributes": {"plan": "pro"}}
    made = root.post("/api/tenant", body)
    assert (made.status, made.json()["attributes"]["state"]) == (201, "active")
    eve = memory.client(tenant="globex", user="eve")
    listed = eve.get("/api/master-data/list", params={"settingCode": "category"}).json()["items"]
    assert [(item["code"], item["attributes"]) for item in listed] == [
        ("tools", {"taxPercent": 20}),
        ("machines", {"taxPercent": 20}),
        ("books", {"taxPercent": 7}),
    ]
    assert eve.get("/api/master-setting/dispatch").json()["settingValue"] == {"days": 1}


def test_a_seed_that_died_is_repeated_and_leaves_one_of_each(memory: MemoryApp) -> None:
    from product.masters import master  # noqa: PLC0415 - after the path is set
    from product.tenants import tenants  # noqa: PLC0415
    from runtime import TenantState  # noqa: PLC0415

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(master.retention, "set_days", _die)
        with pytest.raises(TenantSetupError):
            tenants.create_tenant("globex", "Globex")
    found = tenants.get_tenant("globex")
    assert found
    assert found.state is TenantState.CREATING
    assert memory.client(tenant="globex", user="eve").get("/products").status == 403
    before = [row for row in memory.rows("master", "data") if row["pk"] == "MASTER#globex"]

    assert tenants.create_tenant("globex", "Globex").active
    assert memory.client(tenant="globex", user="eve").get("/products").status == 200
    after = [row for row in memory.rows("master", "data") if row["pk"] == "MASTER#globex"]
    assert [row for row in after if row in before] == before
    assert master.retention.days("order", "command", tenant_code="globex") == 400


def _die(*_: object, **__: object) -> None:
    message = "the process died"
    raise RuntimeError(message)
