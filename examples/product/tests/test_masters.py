"""What people set, and what becomes of it: settings on several levels, and the table of categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from runtime.testing import Answer, Client, MemoryApp

SYNC = {"mode": "sync"}


def order(client: Client) -> dict[str, Any]:
    """What becomes of an order of a gift: its warehouse, and when it is due."""
    placed = client.post("/orders", {"lines": [{"product": "gift", "quantity": 1}]}).json()["attributes"]
    return {name: placed[name] for name in ("warehouse", "due")}


def fields_of(answer: Answer) -> list[str]:
    """The fields that are wrong."""
    return [error["field"] for error in answer.json()["errors"]]


@pytest.fixture
def gift(memory: MemoryApp) -> None:
    """Something to order."""
    stocker = memory.client(tenant="acme", user="stocker")
    gift = {"code": "gift", "name": "Gift", "attributes": {"price": 1}}
    assert stocker.post("/products", gift, params=SYNC).status == 201


@pytest.mark.usefixtures("gift")
def test_the_nearest_level_says_how_an_order_is_dispatched(
    memory: MemoryApp, ann: Client, admin: Client, root: Client
) -> None:
    def give(client: Client, level: str, value: dict[str, Any], **whose: str) -> None:
        body = {"code": "dispatch", "settingValue": value, **whose}
        assert client.post(f"/api/master-setting/{level}", body).status == 201

    clerk = memory.client(tenant="acme", user="ann", roles=["clerk"])
    assert order(clerk) == {"warehouse": "MAIN", "due": "2026-01-04"}  # of the code
    give(root, "common", {"days": 10})
    give(admin, "tenant", {"warehouse": "TYO"})
    memory.clock.advance(minutes=2)  # what was read is remembered for a minute
    assert order(clerk) == {"warehouse": "TYO", "due": "2026-01-11"}
    grouped = {"tenantCode": "acme", "role": "clerk", "groupId": "tokyo"}
    assert root.post("/api/tenant/group", grouped, headers={"x-tenant-code": "acme"}).status == 201
    give(admin, "group", {"days": 1}, groupId="tokyo")
    give(ann, "user", {"warehouse": "OSA"}, userId="ann")
    memory.clock.advance(minutes=2)
    assert order(clerk) == {"warehouse": "OSA", "due": "2026-01-02"}
    bob = memory.client(tenant="acme", user="bob")
    assert order(bob) == {"warehouse": "TYO", "due": "2026-01-11"}  # of no group


def test_it_can_be_explained(memory: MemoryApp, admin: Client) -> None:
    from product.masters import dispatch, master  # noqa: PLC0415 - after the path is set

    value = {"warehouse": "TYO"}
    admin.post("/api/master-setting/tenant", {"code": "dispatch", "settingValue": value})
    why = master.settings.explain(dispatch, tenant_code="acme", user_id="ann")
    assert {name: str(level) for name, level in why.field_levels.items()} == {
        "warehouse": "tenant",
        "days": "default",
    }
    assert memory.rows("master", "command")


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"warehouse": "a warehouse"}, "settingValue.warehouse"),
        ({"days": -1}, "settingValue.days"),
        ({"speed": 1}, "settingValue.speed"),
    ],
)
def test_a_setting_has_to_fit_its_model(admin: Client, value: dict[str, Any], field: str) -> None:
    answer = admin.post("/api/master-setting/tenant", {"code": "dispatch", "settingValue": value})
    assert (answer.status, fields_of(answer)) == (400, [field])


def test_a_category_is_held_to_its_schema(ann: Client, admin: Client) -> None:
    def add(client: Client, code: str, **attributes: Any) -> Answer:
        row = {"settingCode": "category", "code": code, "name": code, "attributes": attributes}
        return client.post("/api/master-data/create", row)

    assert add(ann, "garden", taxPercent=20).status == 403
    for wrong, field in [({"taxPercent": 90}, "taxPercent"), ({}, "taxPercent"), ({"tax": 1}, "tax")]:
        answer = add(admin, "garden", **wrong)
        assert answer.status == 400
        assert f"attributes.{field}" in fields_of(answer)
    assert add(admin, "garden", taxPercent=20).status == 201
    listed = ann.get("/api/master-data/list", params={"settingCode": "category"}).json()
    assert [item["code"] for item in listed["items"]] == ["tools", "machines", "books", "garden"]


def test_a_product_has_a_category_of_its_tenant(memory: MemoryApp, ann: Client, admin: Client) -> None:
    rake = {"code": "rake", "name": "Rake", "attributes": {"category": "garden", "price": 10}}
    refused = ann.post("/products", rake)
    assert (refused.status, fields_of(refused)) == (422, ["attributes.category"])
    (of_many,) = ann.post("/products/bulk", [rake]).json()["items"]
    assert (of_many["status"], memory.rows("product", "command")) == (422, [])

    garden = {"settingCode": "category", "code": "garden", "name": "Garden", "attributes": {"taxPercent": 5}}
    assert admin.post("/api/master-data/create", garden).status == 201
    assert ann.post("/products", rake, params=SYNC).status == 201
    body = {"lines": [{"product": "rake", "quantity": 3}]}
    assert ann.post("/orders", body).json()["attributes"]["total"] == 31.5

    # What is there keeps its category, also one that is gone; what gets one has to get one that is there.
    assert admin.delete("/api/master-data/MASTER%23acme/category%23garden").status == 200
    assert ann.patch("/products/rake", {"version": 1, "name": "Big rake"}, params=SYNC).status == 200
    change = {"version": 2, "attributes": {"category": "lawn"}}
    assert ann.patch("/products/rake", change).status == 422
    assert ann.post("/orders", body).json()["attributes"]["total"] == 30
