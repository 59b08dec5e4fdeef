"""The example `product`, deployed: HTTP, a search in PostgreSQL, numbers, tenants and masters."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.local import CdkCli, Postgres
from tests.e2e.deployment import Deployment
from tests.support.polling import wait_until
from tests.support.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from constructs_lib.local import Emulator

PRODUCT = Path(__file__).parents[2] / "examples" / "product"
#: How long a container goes by what it has read of a tenant and of its settings, and time to notice.
REMEMBERED = 80


class Shop(Deployment):
    """The deployed example, for users with roles."""

    def __init__(self, emulator: Emulator, outputs: dict[str, str], store: Path) -> None:
        super().__init__(emulator, outputs, store, app_name="product")
        self.root = self.sign_in("ops", global_roles=["system_admin"])
        self.cqrs = Program({**emulator.environment, "CQRS_FUNCTION_NAME": outputs["OperatorFunctionName"]})

    def do(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int,
        token: str | None = None,
        **headers: str,
    ) -> Any:
        """What a request is answered, which has to have that status."""
        answer = self.request(method, path, token=token, headers=headers, json=body)
        assert answer.status_code == status, (method, path, answer.text)
        return answer.json() if answer.content else None

    def register(self, tenant: str, **attributes: Any) -> Any:
        """A tenant, registered over HTTP by whoever looks after all of them."""
        body = {"code": tenant, "name": tenant.capitalize(), "attributes": attributes}
        return self.do("POST", "/api/tenant", body, status=201, token=self.root)

    def new_tenant(self) -> str:
        """A tenant of a test's own."""
        code = f"t{uuid.uuid4().hex[:10]}"
        self.register(code)
        return code

    def stock(self, token: str) -> None:
        """A hammer, to order."""
        self.do("POST", "/products?mode=sync", item("hammer", 10), status=201, token=token)

    def order(self, token: str, **headers: str) -> Any:
        """An order of a hammer."""
        body = {"lines": [{"product": "hammer", "quantity": 1}]}
        return self.do("POST", "/orders", body, status=201, token=token, **headers)


@pytest.fixture(scope="module")
def product(emulator: Emulator) -> Iterator[Shop]:
    with Postgres() as postgres:
        code = f"from product.database import create_tables; create_tables({postgres.uri()!r})"
        subprocess.run([sys.executable, "-c", code], cwd=PRODUCT / "service", check=True)  # noqa: S603
        cli = CdkCli(
            emulator,
            app=str(PRODUCT / "app.py"),
            context={"throwaway": "true", "database_url": postgres.uri()},
            on_line=print,
        )
        cli.bootstrap()
        shop = Shop(emulator, cli.deploy()["Product"], PRODUCT)
        shop.register("acme", plan="pro")
        yield shop
        check_rights(shop)


def check_rights(shop: Shop) -> None:
    """Whatever the tests did, no function lacked a right, and each of those that they need was used."""
    stack = shop.emulator.client("cloudformation").describe_stack_resources(StackName="Product")
    roles = {
        resource["PhysicalResourceId"]
        for resource in stack["StackResources"]
        if resource["ResourceType"] == "AWS::IAM::Role"
    }
    decisions = [
        decision
        for decision in shop.emulator.iam_decisions()
        if decision["principal"].split("/")[1:2] and decision["principal"].split("/")[1] in roles
    ]
    assert [decision for decision in decisions if not decision["allowed"]] == []
    used = {decision["resource"].rpartition("/")[2] for decision in decisions}
    assert {"dev-product-sequences", "dev-product-tenant-data", "dev-product-master-data"} <= used


def item(code: str, price: float) -> dict[str, Any]:
    return {"code": code, "name": f"Product {code}", "attributes": {"category": "tools", "price": price}}


def user_of(token: str) -> str:
    """Whose a token is."""
    claims = token.split(".")[1]
    found: str = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]
    return found


def test_products_are_made_found_and_deleted(product: Shop) -> None:
    made = product.request("POST", "/products", json=item("hammer", 50.5))
    assert made.status_code == 202
    bulk = product.request("POST", "/products/bulk", json=[item("saw", 20), {"code": "x"}, item("axe", 30)])
    assert bulk.status_code == 207
    assert [result["status"] for result in bulk.json()["items"]] == [202, 400, 202]

    def found() -> list[str]:
        answer = product.request(
            "GET", "/products/search", params={"category": "tools", "orderBys": "-price"}
        )
        assert answer.status_code == 200, answer.text
        return [row["code"] for row in answer.json()["items"]]

    # One's own products are in it at once, newest first until the pipeline has brought them to SQL.
    assert sorted(found()) == ["axe", "hammer", "saw"]
    assert wait_until(lambda: found() == ["hammer", "axe", "saw"], seconds=30)
    gone = product.request("DELETE", "/products/axe", params={"version": 1})
    assert gone.status_code == 202, gone.text
    assert found() == ["hammer", "saw"]
    other = product.sign_in(product.new_tenant())
    listed = product.request("GET", "/products/search", params={"category": "tools"}, token=other).json()
    assert (listed["items"], listed["total"]) == ([], 0)


def test_orders_that_are_placed_at_once_are_numbered_without_a_gap(product: Shop) -> None:
    tenant = product.new_tenant()
    ann = product.sign_in(tenant)
    product.stock(ann)
    with ThreadPoolExecutor(6) as pool:
        placed = [*pool.map(lambda _: product.order(ann)["code"], range(24))]
    assert sorted(code.rpartition("-")[2] for code in placed) == [f"{no:06}" for no in range(1, 25)]

    # What is refused uses no number up, and a repeat gets the number of the first.
    body = {"lines": [{"product": "none", "quantity": 1}]}
    product.do("POST", "/orders", body, status=400, token=ann)
    first, again = (product.order(ann, **{"idempotency-key": "cart-9"}) for _ in range(2))
    assert first == again
    assert first["code"].endswith("-000025")

    dora = product.sign_in(tenant, roles=["dispatcher"])
    sent = product.do("POST", f"/orders/{first['code']}/ship", status=200, token=dora)
    repeated = product.do("POST", f"/orders/{first['code']}/ship", status=200, token=dora)
    assert sent == repeated
    assert sent["attributes"]["shipmentNo"].startswith("MAIN-")
    preview = product.do("GET", "/sequences/shipment/preview?code1=MAIN", status=200, token=dora)
    assert preview["no"] == 2
    assert len(product.do("GET", "/sequences/shipment", status=200, token=dora)["items"]) == 1

    counters = product.cqrs("sequence", "list", tenant, "--json").document["counters"]
    assert {counter["type"]: counter["no"] for counter in counters} == {"order": 25, "shipment": 1}
    assert product.cqrs("sequence", "show", tenant, "order", "--json").document["counter"]["no"] == 25
    assert product.cqrs("sequence", "gaps", tenant, "order", "--json").document["gaps"] == []
    (bucket,) = [counter["bucket"] for counter in counters if counter["type"] == "order"]
    voided = {"reason": "placed by mistake", "bucket": bucket}
    # The series of orders is not offered over HTTP: its numbers are those of commands.
    product.do("POST", "/sequences/order/3/void", voided, status=404, token=product.root)
    product.cqrs("sequence", "set", tenant, "order", "--no", "30")
    assert product.order(ann)["code"].endswith("-000031")


def test_the_nearest_level_of_a_setting_counts_and_can_be_explained(product: Shop, tmp_path: Path) -> None:
    tenant = product.new_tenant()
    admin = product.sign_in(tenant, roles=["master_admin"])
    product.stock(admin)

    def give(level: str, value: dict[str, Any], token: str, **whose: str) -> Any:
        body = {"code": "dispatch", "settingValue": value, **whose}
        return product.do("POST", f"/api/master-setting/{level}", body, status=201, token=token)

    def warehouse(token: str) -> str:
        found: str = product.order(token)["attributes"]["warehouse"]
        return found

    # Each is read by somebody who has not read it yet: a container remembers for a minute.
    assert warehouse(product.sign_in(tenant)) == "MAIN"
    row = give("tenant", {"warehouse": "TYO"}, admin)
    assert warehouse(product.sign_in(tenant)) == "TYO"
    grouped = {"tenantCode": tenant, "role": "clerk", "groupId": "osaka"}
    product.do(
        "POST", "/api/tenant/group", grouped, status=201, token=product.root, **{"x-tenant-code": tenant}
    )
    give("group", {"warehouse": "OSA"}, admin, groupId="osaka")
    assert warehouse(product.sign_in(tenant, roles=["clerk"])) == "OSA"
    ann = product.sign_in(tenant, roles=["clerk"])
    give("user", {"warehouse": "KIX"}, ann, userId=user_of(ann))
    assert warehouse(ann) == "KIX"

    path = f"/api/master-setting/MASTER%23{tenant}/MASTER_SETTING%23dispatch"
    product.do("PATCH", path, {"settingValue": {"warehouse": "NRT"}}, status=200, token=admin)
    assert warehouse(product.sign_in(tenant)) == "NRT"
    product.do("PATCH", path, {"settingValue": {"warehouse": "a b"}}, status=400, token=admin)

    who = (tenant, "dispatch", "--user", user_of(ann), "--role", "clerk")
    why = product.cqrs("master", "explain", *who, "--json").document["fields"]
    assert {name: said["level"] for name, said in why.items()} == {"warehouse": "user", "days": "default"}
    got = product.cqrs("master", "get", tenant, "dispatch", "--json").document
    assert (got["id"], got["settingValue"]) == (row["id"], {"warehouse": "NRT"})

    kept = product.cqrs("master", "retention", "order", "--tenant", tenant, "--json").document
    assert kept["days"]["command"] == 400  # as the seed has it
    said = {"settings": [{"code": "dispatch", "settingValue": {"warehouse": "HND"}}]}
    document = tmp_path / "masters.json"
    document.write_text(json.dumps({"tenants": {tenant: said}}))
    apply = ("master", "apply", "-f", str(document))
    assert "HND" in product.cqrs(*apply, code=1).out  # what would change
    product.cqrs(*apply, "--yes")
    assert warehouse(product.sign_in(tenant)) == "HND"


def test_a_category_is_held_to_its_schema_and_a_product_to_its_category(product: Shop) -> None:
    tenant = product.new_tenant()
    admin = product.sign_in(tenant, roles=["master_admin"])
    garden = {"settingCode": "category", "code": "garden", "name": "Garden", "attributes": {"taxPercent": 90}}
    refused = product.do("POST", "/api/master-data/create", garden, status=400, token=admin)
    assert [error["field"] for error in refused["errors"]] == ["attributes.taxPercent"]
    rake = item("rake", 10) | {"attributes": {"category": "garden", "price": 10}}
    refused = product.do("POST", "/products", rake, status=422, token=admin)
    assert [error["field"] for error in refused["errors"]] == ["attributes.category"]
    garden["attributes"] = {"taxPercent": 5}
    product.do("POST", "/api/master-data/create", garden, status=201, token=admin)
    product.do("POST", "/products?mode=sync", rake, status=201, token=admin)
    body = {"lines": [{"product": "rake", "quantity": 2}]}
    assert product.do("POST", "/orders", body, status=201, token=admin)["attributes"]["total"] == 21


def test_a_suspended_tenant_is_refused_on_every_route_until_it_is_activated(product: Shop) -> None:
    tenant = f"t{uuid.uuid4().hex[:10]}"
    made = product.cqrs("tenant", "create", tenant, "Initech", "--json").document
    assert made["state"] == "active"
    eve = product.sign_in(tenant, roles=["dispatcher", "master_admin"])
    product.stock(eve)
    order = product.order(eve)["code"]
    routes: list[tuple[str, str, Any]] = [
        ("GET", "/products", None),
        ("GET", "/products/search", None),
        ("POST", "/products", {"name": "Saw"}),
        ("GET", f"/orders/{order}", None),
        ("POST", f"/orders/{order}/ship", None),
        ("GET", "/sequences/shipment", None),
        ("GET", f"/api/tenant/TENANT%23{tenant}/MASTER", None),
        ("GET", "/api/master-setting/list", None),
        ("GET", "/api/master-data/list?settingCode=category", None),
    ]

    def asked() -> list[httpx.Response]:
        return [product.request(method, path, token=eve, json=body) for method, path, body in routes]

    assert {answer.status_code for answer in asked()} <= {200, 202}
    product.cqrs("tenant", "suspend", tenant, "--reason", "unpaid")
    shown = product.cqrs("tenant", "show", tenant, "--json").document
    assert (shown["state"], shown["reason"]) == ("suspended", "unpaid")

    def are_refused() -> bool:
        return all(answer.status_code == 403 for answer in asked())

    def are_served() -> bool:
        return all(answer.status_code in {200, 202} for answer in asked())

    assert wait_until(are_refused, seconds=REMEMBERED, every=5)
    assert {answer.json()["detail"] for answer in asked()} == {"the tenant is suspended"}
    assert product.request("GET", "/products").status_code == 200  # others are served

    listed = product.cqrs("tenant", "list", "--state", "suspended", "--json").document["tenants"]
    assert tenant in [one["code"] for one in listed]
    product.cqrs("tenant", "activate", tenant)
    assert wait_until(are_served, seconds=REMEMBERED, every=5)


def test_whoever_is_of_no_registered_tenant_is_refused(product: Shop) -> None:
    answer = product.request("GET", "/products", token=product.sign_in("nobody"))
    assert answer.status_code == 403
    assert answer.json()["detail"] == "the tenant is not registered with this service"
