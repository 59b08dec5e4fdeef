"""What each request is answered, and what it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, select, update

if TYPE_CHECKING:
    from runtime.testing import Answer, Client, MemoryApp

pytestmark = pytest.mark.usefixtures("memory")

SYNC = {"mode": "sync"}
ATTRIBUTES = {
    "category": "tools",
    "price": 12.5,
    "description": "Hits nails.",
    "specification": {"weight": "600 g", "dimensions": "30 x 12 x 3 cm"},
}


def new(code: str = "hammer", name: str = "Hammer", **attributes: Any) -> dict[str, Any]:
    """Body of a request to make a product."""
    return {"code": code, "name": name, "attributes": ATTRIBUTES | attributes}


def in_sql() -> list[Any]:
    """The rows of the read model."""
    from product.database import ProductRow  # noqa: PLC0415 - after the path is set
    from runtime.sql import engine_from_environment  # noqa: PLC0415

    with engine_from_environment().connect() as connection:
        return list(connection.execute(select(ProductRow.__table__).order_by("code")))


def fields_of(answer: Answer) -> list[str]:
    """The fields that are wrong."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    return [error["field"] for error in answer.json()["errors"]]


def search(client: Client, **params: str) -> tuple[str, int]:
    """Codes of what a search finds, and how many there are."""
    answer = client.get("/products/search", params=params)
    assert answer.status == 200, answer
    return " ".join(item["code"] for item in answer.json()["items"]), answer.json()["total"]


def test_a_new_product_is_a_command(memory: MemoryApp, ann: Client, bob: Client) -> None:
    answer = ann.post("/products", new())
    assert (answer.status, answer.headers["Location"]) == (202, "/products/hammer")
    assert answer.json() == {
        "id": "PRODUCT#acme#hammer",
        "code": "hammer",
        "version": 1,
        "requestId": "request-1",
    }
    (row,) = memory.rows("product", "command")
    assert (row["sk"], row["name"], row["type"]) == ("hammer@1", "Hammer", "PRODUCT")
    assert row["source"] == "[product]:ProductService.create"
    assert row["attributes"]["specification"] == ATTRIBUTES["specification"]
    assert ann.get("/products/hammer").json()["attributes"] == ATTRIBUTES
    assert bob.get("/products/hammer").status == 404


def test_a_product_is_replaced_as_a_whole(memory: MemoryApp, ann: Client) -> None:
    ann.post("/products", new(), params=SYNC)
    body = {"version": 1, "name": "Big hammer", "attributes": {"price": 20}}
    answer = ann.put("/products/hammer", body, params=SYNC)
    assert (answer.status, answer.json()["version"]) == (200, 2)
    assert ann.put("/products/hammer", body | {"version": 2}).status == 204
    assert ann.put("/products/hammer", body).status == 409
    (row,) = in_sql()
    assert (row.name, row.price, row.category, row.specification) == ("Big hammer", 20, None, None)
    assert [item["sk"] for item in memory.rows("product", "history")] == ["hammer@1"]


@pytest.mark.parametrize("sync", [True, False])
def test_some_fields_of_a_product_change(ann: Client, *, sync: bool) -> None:
    ann.post("/products", new(), params=SYNC)
    changes = {"price": 9.99, "description": None, "specification": {"weight": "1 kg"}}
    body = {"version": 1, "attributes": changes}
    answer = ann.patch("/products/hammer", body, params=SYNC if sync else {})
    assert (answer.status, answer.json()["version"]) == (200 if sync else 202, 2)
    found = ann.get("/products/hammer").json()
    assert found["name"] == "Hammer"
    assert found["attributes"] == {
        "category": "tools",
        "price": 9.99,
        "description": None,
        "specification": {"weight": "1 kg", "dimensions": "30 x 12 x 3 cm"},
    }
    assert ann.patch("/products/hammer", {"version": 2, "name": "Mallet"}).status == 202
    found = ann.get("/products/hammer").json()
    assert (found["version"], found["name"], found["attributes"]["price"]) == (3, "Mallet", 9.99)
    (row,) = in_sql()
    assert (row.version, str(row.price), row.description) == (
        (2, "9.99", None) if sync else (1, "12.50", "Hits nails.")
    )


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
def test_a_change_that_changes_nothing_or_cannot_be(
    memory: MemoryApp, ann: Client, body: Any, status: int
) -> None:
    ann.post("/products", new(), params=SYNC)
    assert ann.patch("/products/hammer", body).status == status
    assert ann.patch("/products/none", body).status in {400, 404}
    assert len(memory.rows("product", "command")) == 1


def test_a_version_that_was_overtaken_is_a_conflict(memory: MemoryApp, ann: Client) -> None:
    ann.post("/products", new())
    ann.patch("/products/hammer", {"version": 1, "name": "Mallet"})
    assert ann.patch("/products/hammer", {"version": 1, "name": "late"}).status == 409
    assert ann.post("/products", new()).status == 409
    assert ann.delete("/products/hammer", params={"version": 1}).status == 409
    assert len(memory.rows("product", "command")) == 2


def test_products_are_listed_page_by_page_with_ones_own(ann: Client, bob: Client) -> None:
    for code in ("a", "b", "c"):
        ann.post("/products", new(code), params=SYNC)
    page = ann.get("/products", params={"limit": 2}).json()
    assert [item["code"] for item in page["items"]] == ["a", "b"]
    rest = ann.get("/products", params={"limit": 2, "startFromSk": page["lastSk"]}).json()
    assert [item["code"] for item in rest["items"]] == ["c"]
    ann.post("/products", new("d"))
    assert [item["code"] for item in ann.get("/products").json()["items"]] == ["d", "a", "b", "c"]
    assert [item["code"] for item in bob.get("/products").json()["items"]] == ["a", "b", "c"]


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
def test_a_wrong_field_is_named(memory: MemoryApp, ann: Client, body: Any, fields: list[str]) -> None:
    answer = ann.post("/products", body)
    assert (answer.status, fields_of(answer)) == (400, fields)
    assert memory.rows("product", "command") == []


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_of_many_products_some_may_be_refused(memory: MemoryApp, ann: Client, mode: str) -> None:
    ann.post("/products", new("old"), params=SYNC)
    made, changed = (201, 200) if mode == "sync" else (202, 202)
    items: list[tuple[Any, int]] = [
        (new("a"), made),
        (new("old"), 409),
        ({"name": "no code"}, made),
        (new("b", price=-1), 400),
        (new("old", "Newer") | {"version": 1}, changed),
        (new("old", "Late") | {"version": 1}, 409),
        (new("a", "Next") | {"version": 1}, changed),
        (new("old", "Newer") | {"version": 2}, 204),
        ({"name": "which", "version": 3}, 400),
        (new("none") | {"version": 1}, 404),
        ("text", 400),
    ]
    answer = ann.post("/products/bulk", [body for body, _ in items], params={"mode": mode})
    assert answer.status == 207
    results = answer.json()["items"]
    assert [(result["index"], result["status"]) for result in results] == [
        (index, status) for index, (_, status) in enumerate(items)
    ]
    assert [result["version"] for result in results if result["status"] < 300] == [1, 1, 2, 2, 2]
    assert results[3]["problem"]["errors"][0]["field"] == "attributes.price"
    assert results[1]["problem"]["type"] == "urn:problem-type:cqrs:version-conflict"
    assert results[8]["problem"]["errors"][0]["field"] == "code"
    assert results[10]["problem"]["errors"][0]["field"] == "body"
    keys = [row["sk"] for row in memory.rows("product", "command") if len(row["code"]) < 26]
    assert keys == ["a@1", "a@2", "old@1", "old@2"]


def test_many_products_that_are_sent_again_are_published_once(memory: MemoryApp, ann: Client) -> None:
    body, headers = [{"name": "a"}, {"name": "b"}, new("c")], {"Idempotency-Key": "k1"}
    first, again = (ann.post("/products/bulk", body, headers=headers).json() for _ in range(2))
    assert [item["code"] for item in first["items"]] == [item["code"] for item in again["items"]]
    assert {item["status"] for item in again["items"]} == {202}
    assert len(memory.rows("product", "command")) == 3


@pytest.mark.parametrize("body", [[], [{"name": "a"}] * 101], ids=["none", "101"])
def test_a_bulk_request_has_1_to_100_products(memory: MemoryApp, ann: Client, body: Any) -> None:
    answer = ann.post("/products/bulk", body)
    assert (answer.status, fields_of(answer)) == (400, ["body"])
    assert memory.rows("product", "command") == []


@pytest.fixture
def stocked(memory: MemoryApp, ann: Client) -> None:
    """Four products, which are in SQL."""
    for product in (
        new("hammer", "Claw hammer", price=30),
        new("saw", "Hand saw", price=20, description="Cuts hammers of wood."),
        new("drill", "Drill", price=90, category="machines"),
        new("nail", "100% nail", price=0.1, category=None),
    ):
        memory.clock.advance(seconds=1)
        assert ann.post("/products", product, params=SYNC).status == 201


@pytest.mark.parametrize(
    ("params", "expected"),
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
def test_products_are_searched_in_sql(
    ann: Client, bob: Client, params: dict[str, str], expected: tuple[str, int]
) -> None:
    assert search(ann, **params) == expected
    assert search(bob, **params) == expected


@pytest.mark.usefixtures("stocked")
def test_what_a_search_finds_is_what_the_row_has(ann: Client) -> None:
    (item,) = ann.get("/products/search", params={"keyword": "claw"}).json()["items"]
    assert item["id"] == "PRODUCT#acme#hammer"
    assert (item["name"], item["version"], item["price"]) == ("Claw hammer", 1, 30)
    assert item["specification"] == ATTRIBUTES["specification"]
    assert "pk" not in item


@pytest.mark.usefixtures("stocked")
def test_ones_own_pending_writes_are_in_the_search(memory: MemoryApp, ann: Client, bob: Client) -> None:
    created = {item["code"]: item["createdAt"] for item in ann.get("/products/search").json()["items"]}
    memory.clock.advance(seconds=1)
    ann.post("/products", new("plane", "Plane"))
    ann.patch("/products/hammer", {"version": 1, "name": "Mallet", "attributes": {"category": "books"}})
    ann.delete("/products/saw", params={"version": 1})
    assert search(ann) == ("plane nail drill hammer", 4)
    assert search(ann, category="tools") == ("plane", 1)
    assert search(ann, keyword="plane nails") == ("plane", 1)
    assert search(ann, keyword="claw") == ("", 0)
    assert search(ann, page="2", pageSize="2") == ("hammer", 4)
    assert search(bob) == ("nail drill saw hammer", 4)
    items = {item["code"]: item for item in ann.get("/products/search").json()["items"]}
    mallet = items["hammer"]
    assert (mallet["name"], mallet["version"], mallet["category"]) == ("Mallet", 2, "books")
    assert mallet["createdAt"] == created["hammer"]


@pytest.mark.parametrize(
    ("params", "field"),
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
def test_a_search_names_what_is_wrong(ann: Client, params: dict[str, str], field: str) -> None:
    answer = ann.get("/products/search", params=params)
    assert (answer.status, fields_of(answer)) == (400, [field])


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
def test_a_user_without_a_tenant_is_refused(memory: MemoryApp, method: str, path: str, body: Any) -> None:
    assert memory.client(user="eve").request(method, f"/products{path}", body).status == 403


def test_a_resync_brings_lost_and_wrong_rows_back(memory: MemoryApp, ann: Client) -> None:
    from product.database import ProductRow  # noqa: PLC0415
    from runtime.sql import engine_from_environment  # noqa: PLC0415

    for code in ("a", "b", "c"):
        ann.post("/products", new(code), params=SYNC)
    ann.patch("/products/b", {"version": 1, "name": "Next"}, params=SYNC)
    before = in_sql()
    with engine_from_environment().begin() as connection:
        connection.execute(delete(ProductRow).where(ProductRow.code == "a"))
        connection.execute(update(ProductRow).values(category=None))
    assert in_sql() != before
    assert ann.put("/products/resync").status == 403
    operator = memory.client(tenant="acme", user="op", global_roles=["system_admin"])
    answer = operator.put("/products/resync")
    assert (answer.status, answer.json()) == (200, {"rows": 3})
    assert in_sql() == before
    assert operator.put("/products/resync", params={"resumeFrom": "there"}).status == 400


def test_a_resync_without_time_goes_on_where_it_stopped(memory: MemoryApp, ann: Client) -> None:
    from product.database import ProductRow  # noqa: PLC0415
    from product.resync import resync  # noqa: PLC0415
    from runtime.sql import engine_from_environment  # noqa: PLC0415

    for start in (0, 60):
        ann.post("/products/bulk", [new(f"c{number}") for number in range(start, start + 60)], params=SYNC)
    with engine_from_environment().begin() as connection:
        connection.execute(delete(ProductRow))
    with memory.acting_as("op", tenant="acme", global_roles=["system_admin"]):
        page = resync(None, seconds=0)
        assert page.rows == 100
        while page.resume_token:
            page = resync(page.resume_token, seconds=0)
    assert len(in_sql()) == 120
