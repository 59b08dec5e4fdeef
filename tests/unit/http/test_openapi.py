from __future__ import annotations

import json
import re
from typing import Any

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router
from openapi_spec_validator import OpenAPIV31SpecValidator

from runtime import CommandModule, CqrsApp, CqrsModel, module_routes, openapi_routes
from runtime.entry.http.api import HttpApi
from runtime.testing import MemoryApp
from tests.support.http_events import http_event


class Spec(CqrsModel):
    colour: str


class OrderAttributes(CqrsModel):
    """What an order is. </script><script>alert(1)</script>"""

    customer: str
    due_date: str | None = None
    specs: tuple[Spec, ...] = ()


order = CommandModule("order", attributes=OrderAttributes)
ORDERS = module_routes(order, prefix="/orders", type="ORDER", search=lambda _query: {"items": []})


def get(path: str, *routes: Any, claims: Any = None, **options: Any) -> Any:
    return HttpApi(routes, **options).handle(http_event("GET", path, claims=claims), None)


@pytest.fixture(scope="module")
def document() -> Any:
    others = module_routes(CommandModule("note"), prefix="/notes", type="NOTE")
    answer = get("/openapi.json", ORDERS, others, "tests.unit.http.routes:router")
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "application/json")
    return json.loads(answer["body"])


def test_the_document_is_valid(document: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_each_route_is_in_it(document: Any) -> None:
    found = {
        (method, path)
        for path, operations in document["paths"].items()
        for method in operations
        if path.startswith("/orders")
    }
    assert found == {
        ("post", "/orders"),
        ("get", "/orders"),
        ("post", "/orders/bulk"),
        ("get", "/orders/search"),
        ("put", "/orders/resync"),
        ("get", "/orders/{sk}"),
        ("put", "/orders/{sk}"),
        ("patch", "/orders/{sk}"),
        ("delete", "/orders/{sk}"),
        ("get", "/orders/{sk}/history"),
        ("get", "/orders/{sk}/history/{version}"),
    }
    assert "/things/{code}" in document["paths"]
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(ids)) == len(ids)


def test_the_modules_attributes_are_in_it(document: Any) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["OrderAttributes"]["properties"]) == {"customer", "dueDate", "specs"}
    assert "Spec" in schemas
    body = document["paths"]["/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    published = schemas[body["$ref"].rpartition("/")[2]]
    assert published["properties"]["attributes"] == {"$ref": "#/components/schemas/OrderAttributes"}
    bulk = document["paths"]["/orders/bulk"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert bulk["items"]["properties"] == published["properties"]
    answer = document["paths"]["/orders/{sk}"]["get"]["responses"]["200"]["content"]["application/json"]
    assert answer["schema"]["$ref"].endswith("OrderAttributes_")


def test_errors_are_problems_and_a_token_is_asked_for(document: Any) -> None:
    for path in document["paths"].values():
        for operation in path.values():
            assert "422" not in operation["responses"]
            assert set(operation["responses"]["default"]["content"]) == {"application/problem+json"}
    assert document["security"] == [{"jwt": []}]
    assert document["components"]["securitySchemes"]["jwt"] == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
    }


def test_conditions_are_described(document: Any) -> None:
    def headers(method: str, path: str) -> set[str]:
        parameters = document["paths"][path][method].get("parameters", [])
        return {parameter["name"] for parameter in parameters if parameter["in"] == "header"}

    assert headers("get", "/orders/{sk}") == {"If-None-Match", "x-tenant-code"}
    assert headers("patch", "/orders/{sk}") == {"If-Match", "idempotency-key", "x-tenant-code"}
    assert headers("get", "/things/{code}") == set()
    patch = document["paths"]["/orders/{sk}"]["patch"]["requestBody"]["content"]
    assert set(patch) == {"application/json", "application/merge-patch+json"}


@pytest.mark.parametrize("name", ["name", "code"])
def test_null_is_no_name_in_a_change_and_refused(document: Any, name: str) -> None:
    change = document["components"]["schemas"]["Change_OrderAttributes_"]["properties"]
    assert (change[name]["type"], "anyOf" in change[name]) == ("string", False)
    assert {"type": "null"} in change["seq"]["anyOf"]
    with MemoryApp(CqrsApp(modules=[order], routes=[ORDERS])) as memory:
        client = memory.client(tenant="acme")
        body = {"sk": "a", "version": 0, "name": "n", "attributes": {"customer": "Bob"}}
        assert client.post("/orders", body).status == 202
        refused = client.patch("/orders/a", {"version": 1, name: None})
        assert (refused.status, [error["field"] for error in refused.json()["errors"]]) == (400, [name])
        assert client.patch("/orders/a", {"version": 1, "seq": None, "name": "m"}).status == 202


def test_nothing_in_it_is_of_powertools_or_unused(document: Any) -> None:
    text = json.dumps(document)
    assert "HTTPValidationError" not in text
    assert "x-cqrs" not in text
    used = set(re.findall(r"#/components/schemas/([^\"]+)", text))
    assert used == set(document["components"]["schemas"])


def test_addresses_are_relative_so_that_any_base_path_works(document: Any) -> None:
    assert document["servers"] == [{"url": "./"}]


def test_swagger_ui_is_one_page_with_the_document_in_it() -> None:
    answer = get("/swagger", ORDERS)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert '"/orders/{sk}"' in answer["body"]
    assert "</script><script>alert" not in answer["body"]
    assert not re.search(r"<(script|link)[^>]+(src|href)=", answer["body"])


def test_a_title_and_roles_can_be_chosen() -> None:
    mine = openapi_routes(title="Orders", version="2.1.0", swagger_path=None, roles=["developer"])
    refused = get("/openapi.json", ORDERS, mine, claims={"sub": "u", "custom:tenant": "a"})
    assert refused["statusCode"] == 403
    roles = json.dumps([{"tenant": "", "role": "developer"}])
    claims = {"sub": "u", "custom:tenant": "a", "custom:roles": roles}
    info = json.loads(get("/openapi.json", ORDERS, mine, claims=claims)["body"])["info"]
    assert (info["title"], info["version"]) == ("Orders", "2.1.0")
    assert get("/swagger", ORDERS, mine, claims=claims)["statusCode"] == 404


def test_it_can_be_left_out() -> None:
    assert get("/openapi.json", ORDERS, openapi=False)["statusCode"] == 404


def test_a_route_that_was_replaced_is_documented_once() -> None:
    mine = Router()

    @mine.get("/orders/<sk>", summary="Mine")
    def get_mine(sk: str) -> dict[str, str]:
        return {"sk": sk}

    document = json.loads(get("/openapi.json", mine, ORDERS)["body"])
    assert document["paths"]["/orders/{sk}"]["get"]["summary"] == "Mine"
