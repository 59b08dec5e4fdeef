from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, select, update

from product.database import ProductRow
from product.main import app
from product.resync import resync
from runtime import InvokeContext
from runtime.identity.context import use_invoke_context
from runtime.sql import engine_from_environment
from runtime.store.codec import from_wire
from tests.support.http_events import REQUEST_ID, http_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.local import Emulator

pytestmark = pytest.mark.usefixtures("deployed")

ATTRIBUTES = {
    "category": "tools",
    "price": 12.5,
    "description": "Hits nails.",
    "specification": {"weight": "600 g", "dimensions": "30 x 12 x 3 cm"},
}


class Answer:
    def __init__(self, response: dict[str, Any]) -> None:
        self.status = response["statusCode"]
        self.headers = response["headers"]
        self.json = json.loads(response["body"]) if response["body"] else None

    @property
    def fields(self) -> list[str]:
        """The fields that are wrong."""
        assert self.headers["Content-Type"] == "application/problem+json"
        return [error["field"] for error in self.json["errors"]]


@pytest.fixture
def call(tenant: str) -> Callable[..., Answer]:
    def send(
        method: str,
        path: str = "",
        *,
        user: str = "u1",
        claims: Any = None,
        sync: bool = False,
        **request: Any,
    ) -> Answer:
        mine = {"sub": user, "custom:tenant": tenant} if claims is None else claims
        if sync:
            request["query"] = {"mode": "sync"} | request.get("query", {})
        return Answer(app(http_event(method, f"/products{path}", claims=mine, **request), None))

    return send


@pytest.fixture
def rows(emulator: Emulator, deployed: str, tenant: str) -> Callable[[str], list[dict[str, Any]]]:
    """The tenant's rows of a table, in the order of their keys."""

    def read(table: str) -> list[dict[str, Any]]:
        found = emulator.client("dynamodb").query(
            TableName=f"{deployed}-product-{table}",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"PRODUCT#{tenant}"}},
            ConsistentRead=True,
        )
        items = [from_wire(item) for item in found["Items"]]
        return [row for row in items if table != "command" or "@" in row["sk"]]

    return read


def in_sql(tenant: str) -> list[Any]:
    table = ProductRow.__table__
    with engine_from_environment().connect() as connection:
        return list(connection.execute(select(table).where(table.c.tenant_code == tenant).order_by("code")))


def new(code: str = "hammer", name: str = "Hammer", **attributes: Any) -> dict[str, Any]:
    return {"code": code, "name": name, "attributes": ATTRIBUTES | attributes}


def test_a_new_product_is_accepted(call: Any, rows: Any, tenant: str) -> None:
    answer = call("POST", body=new())
    assert answer.status == 202
    assert answer.headers["Location"] == "/products/hammer"
    assert answer.json == {
        "id": f"PRODUCT#{tenant}#hammer",
        "code": "hammer",
        "version": 1,
        "requestId": REQUEST_ID,
    }
    (row,) = rows("command")
    assert (row["sk"], row["name"], row["type"]) == ("hammer@1", "Hammer", "PRODUCT")
    assert row["source"] == "[product]:ProductService.create"
    assert row["attributes"]["specification"] == ATTRIBUTES["specification"]
    assert call("GET", "/hammer").json["attributes"] == ATTRIBUTES
    assert call("GET", "/hammer", user="u2").status == 404


def test_a_synchronous_product_is_in_sql(call: Any, tenant: str) -> None:
    assert call("POST", body=new(), sync=True).status == 201
    (row,) = in_sql(tenant)
    assert (row.code, row.name, row.version, row.category) == ("hammer", "Hammer", 1, "tools")
    assert (str(row.price), row.description) == ("12.50", "Hits nails.")
    assert row.specification == {"weight": "600 g", "dimensions": "30 x 12 x 3 cm"}
    assert (row.created_by, row.created_ip) == ("u1", "203.0.113.7")


def test_a_product_is_replaced_as_a_whole(call: Any, rows: Any, tenant: str) -> None:
    call("POST", body=new(), sync=True)
    body = {"version": 1, "name": "Big hammer", "attributes": {"price": 20}}
    answer = call("PUT", "/hammer", body=body, sync=True)
    assert (answer.status, answer.json["version"]) == (200, 2)
    assert call("PUT", "/hammer", body=body | {"version": 2}).status == 204
    assert call("PUT", "/hammer", body=body).status == 409
    (row,) = in_sql(tenant)
    assert (row.name, row.price, row.category, row.specification) == ("Big hammer", 20, None, None)
    assert [item["sk"] for item in rows("history")] == ["hammer@1"]
    earlier = call("GET", "/hammer/history").json["items"]
    assert [(item["version"], item["name"], item["attributes"]) for item in earlier] == [
        (1, "Hammer", ATTRIBUTES)
    ]


@pytest.mark.parametrize("sync", [True, False])
def test_some_fields_of_a_product_change(call: Any, tenant: str, sync: bool) -> None:  # noqa: FBT001
    call("POST", body=new(), sync=True)
    changes = {"price": 9.99, "description": None, "specification": {"weight": "1 kg"}}
    answer = call("PATCH", "/hammer", body={"version": 1, "attributes": changes}, sync=sync)
    assert (answer.status, answer.json["version"]) == (200 if sync else 202, 2)
    found = call("GET", "/hammer").json
    assert found["name"] == "Hammer"
    assert found["attributes"] == {
        "category": "tools",
        "price": 9.99,
        "description": None,
        "specification": {"weight": "1 kg", "dimensions": "30 x 12 x 3 cm"},
    }
    renamed = call("PATCH", "/hammer", body={"version": 2, "name": "Mallet"})
    assert (renamed.status, renamed.json["version"]) == (202, 3)
    found = call("GET", "/hammer").json
    assert (found["version"], found["name"], found["attributes"]["price"]) == (3, "Mallet", 9.99)
    (row,) = in_sql(tenant)
    expected = (2, "Hammer", "9.99", None, "1 kg") if sync else (1, "Hammer", "12.50", "Hits nails.", "600 g")
    assert (
        row.version, row.name, str(row.price), row.description, row.specification["weight"]
    ) == expected  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"version": 2, "name": "early"}, 400),
        ({"version": 1, "name": "Hammer"}, 204),
        ({"version": 1, "attributes": {"specification": {"weight": "600 g"}}}, 204),
        ({"version": 1, "attributes": {"price": -1}}, 400),
        ({"version": 1, "attributes": None}, 400),
        ({"name": "a"}, 400),
    ],
)
def test_a_change_that_changes_nothing_or_cannot_be(call: Any, rows: Any, body: Any, status: int) -> None:
    call("POST", body=new(), sync=True)
    assert call("PATCH", "/hammer", body=body).status == status
    assert call("PATCH", "/none", body=body).status in {400, 404}
    assert len(rows("command")) == 1


def test_a_version_that_was_overtaken_is_a_conflict(call: Any, rows: Any) -> None:
    call("POST", body=new())
    call("PATCH", "/hammer", body={"version": 1, "name": "Mallet"})
    assert call("PATCH", "/hammer", body={"version": 1, "name": "late"}).status == 409
    assert call("POST", body=new()).status == 409
    assert len(rows("command")) == 2


def test_a_deleted_product_is_gone_but_its_rows_stay(call: Any, tenant: str) -> None:
    call("POST", body=new(), sync=True)
    assert call("DELETE", "/hammer", query={"version": "2"}).status == 409
    answer = call("DELETE", "/hammer", query={"version": "1"}, sync=True)
    assert (answer.status, answer.json["version"]) == (200, 2)
    assert call("GET", "/hammer").status == 404
    assert call("GET").json == {"items": []}
    assert call("GET", "/search").json["total"] == 0
    (row,) = in_sql(tenant)
    assert (row.is_deleted, row.version, row.category) == (True, 2, "tools")
    assert len(call("GET", "/hammer/history").json["items"]) == 1


def test_products_are_listed_page_by_page_with_ones_own(call: Any) -> None:
    for code in ("a", "b", "c"):
        call("POST", body=new(code), sync=True)
    page = call("GET", query={"limit": "2"}).json
    assert [item["code"] for item in page["items"]] == ["a", "b"]
    rest = call("GET", query={"limit": "2", "startFromSk": page["lastSk"]}).json
    assert [item["code"] for item in rest["items"]] == ["c"]
    call("POST", body=new("d"))
    assert [item["code"] for item in call("GET").json["items"]] == ["d", "a", "b", "c"]
    assert [item["code"] for item in call("GET", user="u2").json["items"]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"code": "a"}, ["name"]),
        ({"name": " "}, ["name"]),
        ({"name": "a", "code": "search"}, ["code"]),
        ({"name": "a", "code": "a b"}, ["code"]),
        ({"name": "a", "size": 3}, ["size"]),
        (new(price=-1), ["attributes.price"]),
        (new(price=1.234), ["attributes.price"]),
        (new(price="cheap"), ["attributes.price"]),
        (new(description="a\0b"), ["attributes.description"]),
        (new(specification={"weight": 3}), ["attributes.specification.weight"]),
        (new(specification="heavy"), ["attributes.specification"]),
    ],
)
def test_a_wrong_field_is_named(call: Any, rows: Any, body: Any, fields: list[str]) -> None:
    answer = call("POST", body=body)
    assert (answer.status, answer.fields) == (400, fields)
    assert rows("command") == []


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_of_many_products_some_may_be_refused(call: Any, rows: Any, mode: str) -> None:
    call("POST", body=new("old"), sync=True)
    items = [
        new("a"),
        new("old"),
        {"name": "no code"},
        new("b", price=-1),
        new("old", "Newer") | {"version": 1},
        new("old", "Late") | {"version": 1},
        new("a", "Next") | {"version": 1},
        new("old", "Newer") | {"version": 2},
        {"name": "which", "version": 3},
        new("none") | {"version": 1},
        "text",
    ]
    answer = call("POST", "/bulk", body=items, query={"mode": mode})
    assert answer.status == 207
    results = answer.json["items"]
    made, changed = (201, 200) if mode == "sync" else (202, 202)
    assert [result["index"] for result in results] == list(range(len(items)))
    assert [result["status"] for result in results] == [
        made, 409, made, 400, changed, 409, changed, 204, 400, 404, 400
    ]  # fmt: skip
    assert [result.get("version") for result in results if result["status"] < 300] == [1, 1, 2, 2, 2]
    assert results[3]["problem"]["errors"] == [
        {"field": "attributes.price", "message": "Input should be greater than or equal to 0"}
    ]
    assert results[1]["problem"]["type"] == "urn:problem-type:cqrs:version-conflict"
    assert results[8]["problem"]["errors"][0]["field"] == "code"
    assert results[10]["problem"]["errors"][0]["field"] == "body"
    assert sorted(row["sk"] for row in rows("command") if len(row["code"]) < 26) == [
        "a@1", "a@2", "old@1", "old@2"
    ]  # fmt: skip


def test_many_products_that_are_sent_again_are_published_once(call: Any, rows: Any) -> None:
    request = {"body": [{"name": "a"}, {"name": "b"}, new("c")], "headers": {"Idempotency-Key": "k1"}}
    first, again = call("POST", "/bulk", **request), call("POST", "/bulk", **request)
    assert first.json == again.json
    assert {result["status"] for result in first.json["items"]} == {202}
    assert len(rows("command")) == 3


@pytest.mark.parametrize("body", [[], [{"name": "a"}] * 101])
def test_a_bulk_request_has_1_to_100_products(call: Any, rows: Any, body: Any) -> None:
    answer = call("POST", "/bulk", body=body)
    assert (answer.status, answer.fields) == (400, ["body"])
    assert rows("command") == []


def search(call: Any, user: str = "u1", **query: str) -> tuple[str, int]:
    answer = call("GET", "/search", user=user, query=query)
    assert answer.status == 200, answer.json
    return " ".join(item["code"] for item in answer.json["items"]), answer.json["total"]


@pytest.fixture
def stocked(call: Any) -> None:
    items = [
        new("hammer", "Claw hammer", price=30),
        new("saw", "Hand saw", price=20, description="Cuts hammers of wood."),
        new("drill", "Drill", price=90, category="machines"),
        new("nail", "100% nail", price=0.1, category=None),
    ]
    answer = call("POST", "/bulk", body=items, sync=True)
    assert {result["status"] for result in answer.json["items"]} == {201}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ("nail drill saw hammer", 4)),
        ({"keyword": "HAMMER"}, ("saw hammer", 2)),
        ({"keyword": "hammer wood"}, ("saw", 1)),
        ({"keyword": "%"}, ("nail", 1)),
        ({"category": "tools"}, ("saw hammer", 2)),
        ({"category": "tools", "keyword": "claw"}, ("hammer", 1)),
        ({"orderBys": "price"}, ("nail saw hammer drill", 4)),
        ({"orderBys": "-price", "pageSize": "3"}, ("drill hammer saw", 4)),
        ({"orderBys": "-price", "pageSize": "3", "page": "2"}, ("nail", 4)),
        ({"page": "9"}, ("", 4)),
    ],
)
@pytest.mark.usefixtures("stocked")
def test_products_are_searched_in_sql(call: Any, query: dict[str, str], expected: tuple[str, int]) -> None:
    assert search(call, **query) == expected
    assert search(call, "u2", **query) == expected


@pytest.mark.usefixtures("stocked")
def test_what_a_search_finds_is_what_the_row_has(call: Any) -> None:
    (item,) = call("GET", "/search", query={"keyword": "claw"}).json["items"]
    assert item["id"].endswith("#hammer")
    assert {
        name: item[name] for name in ("code", "name", "version", "category", "price", "specification")
    } == {
        "code": "hammer",
        "name": "Claw hammer",
        "version": 1,
        "category": "tools",
        "price": 30,
        "specification": ATTRIBUTES["specification"],
    }
    assert "pk" not in item


@pytest.mark.usefixtures("stocked")
def test_ones_own_pending_writes_are_in_the_search(call: Any) -> None:
    created = {item["code"]: item["createdAt"] for item in call("GET", "/search").json["items"]}
    call("POST", body=new("plane", "Plane"))
    call("PATCH", "/hammer", body={"version": 1, "name": "Mallet", "attributes": {"category": "soft"}})
    call("DELETE", "/saw", query={"version": "1"})
    assert search(call) == ("plane nail drill hammer", 4)
    assert search(call, category="tools") == ("plane", 1)
    assert search(call, keyword="plane nails") == ("plane", 1)
    assert search(call, keyword="claw") == ("", 0)
    assert search(call, page="2", pageSize="2") == ("hammer", 4)
    assert search(call, "u2") == ("nail drill saw hammer", 4)
    (mallet,) = [item for item in call("GET", "/search").json["items"] if item["code"] == "hammer"]
    assert (mallet["name"], mallet["version"], mallet["category"]) == ("Mallet", 2, "soft")
    assert mallet["createdAt"] == created["hammer"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"orderBys": "size"}, "orderBys"),
        ({"orderBys": "specification"}, "orderBys"),
        ({"pageSize": "0"}, "pageSize"),
        ({"pageSize": "101"}, "pageSize"),
        ({"page": "0"}, "page"),
        ({"page": "1000001"}, "page"),
        ({"keyword": "a b c d e f g h i j k"}, "keyword"),
        ({"keyword": "a\0"}, "keyword"),
        ({"category": "a\0"}, "category"),
    ],
)
def test_a_search_names_what_is_wrong(call: Any, query: dict[str, str], field: str) -> None:
    answer = call("GET", "/search", query=query)
    assert (answer.status, answer.fields) == (400, [field])


def test_another_tenant_sees_nothing(call: Any) -> None:
    call("POST", body=new(), sync=True)
    stranger = {"sub": "u9", "custom:tenant": f"other-{uuid.uuid4().hex}"}
    assert call("GET", "/hammer", claims=stranger).status == 404
    assert call("GET", "/hammer/history", claims=stranger).json == {"items": []}
    assert call("GET", claims=stranger).json == {"items": []}
    assert call("GET", "/search", claims=stranger).json["total"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", "/hammer", None),
        ("GET", "/search", None),
        ("POST", "", new()),
        ("POST", "/bulk", [new()]),
        ("PUT", "/resync", None),
    ],
)
def test_a_user_without_a_tenant_is_refused(call: Any, method: str, path: str, body: Any) -> None:
    request = {} if body is None else {"body": body}
    assert call(method, path, claims={"sub": "u1"}, **request).status == 403


def administrator(tenant: str) -> dict[str, str]:
    roles = json.dumps([{"tenant": "", "role": "system_admin"}])
    return {"sub": "root", "custom:tenant": tenant, "custom:roles": roles}


def test_a_resync_brings_lost_and_wrong_rows_back(call: Any, tenant: str) -> None:
    for code in ("a", "b", "c"):
        call("POST", body=new(code), sync=True)
    call("PATCH", "/b", body={"version": 1, "name": "Next"}, sync=True)
    before = in_sql(tenant)
    with engine_from_environment().begin() as connection:
        connection.execute(delete(ProductRow).where(ProductRow.tenant_code == tenant, ProductRow.code == "a"))
        connection.execute(update(ProductRow).where(ProductRow.tenant_code == tenant).values(category=None))
    assert in_sql(tenant) != before
    assert call("PUT", "/resync").status == 403
    answer = call("PUT", "/resync", claims=administrator(tenant))
    assert answer.status == 200
    assert answer.json["rows"] >= 3
    assert "resumeToken" not in answer.json
    after = in_sql(tenant)
    assert [(row.code, row.version, row.name, row.category, row.price) for row in after] == [
        (row.code, row.version, row.name, row.category, row.price) for row in before
    ]
    assert [(row.created_at, row.created_by) for row in after] == [
        (row.created_at, row.created_by) for row in before
    ]


def test_a_resync_without_time_goes_on_where_it_stopped(call: Any, tenant: str) -> None:
    for start in (0, 60):
        items = [new(f"c{number}") for number in range(start, start + 60)]
        call("POST", "/bulk", body=items, sync=True)
    with engine_from_environment().begin() as connection:
        connection.execute(delete(ProductRow).where(ProductRow.tenant_code == tenant))
    with use_invoke_context(InvokeContext(claims=administrator(tenant))):
        first = resync(None, seconds=0)
        assert first.rows == 100
        token = first.resume_token
        while token:
            token = resync(token, seconds=0).resume_token
    assert len(in_sql(tenant)) == 120
    wrong = call("PUT", "/resync", claims=administrator(tenant), query={"resumeFrom": "there"})
    assert wrong.status == 400
