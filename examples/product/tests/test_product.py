"""What the service does, from the request to the search in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

if TYPE_CHECKING:
    from runtime.testing import Client, MemoryApp

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


def found(client: Client, **params: Any) -> list[str]:
    """Codes of what a search finds."""
    answer = client.get("/products/search", params=params)
    assert answer.status == 200, answer
    return [item["code"] for item in answer.json()["items"]]


def test_a_product_arrives_in_sql_as_it_was_published(memory: MemoryApp, ann: Client) -> None:
    assert ann.post("/products", new()).status == 202
    memory.deliver()
    (row,) = in_sql()
    assert (row.code, row.name, row.version, row.category) == ("hammer", "Hammer", 1, "tools")
    assert (str(row.price), row.specification) == ("12.50", ATTRIBUTES["specification"])
    assert (row.created_by, row.updated_by) == ("ann", "ann")


def test_a_search_shows_ones_own_products_before_they_are_in_sql(
    memory: MemoryApp, ann: Client, bob: Client
) -> None:
    ann.post("/products", new())
    assert found(ann, keyword="nails") == ["hammer"]
    assert found(bob, keyword="nails") == []
    memory.deliver()
    assert found(bob, keyword="nails") == ["hammer"]


def test_the_states_before_are_kept(memory: MemoryApp, ann: Client) -> None:
    ann.post("/products", new(), params=SYNC)
    for version, name in [(1, "Big hammer"), (2, "Huge hammer")]:
        memory.clock.advance(hours=1)
        ann.put("/products/hammer", {"version": version, "name": name, "attributes": {}}, params=SYNC)
    history = ann.get("/products/hammer/history").json()["items"]
    assert [(item["version"], item["name"]) for item in history] == [(1, "Hammer"), (2, "Big hammer")]
    assert ann.get("/products/hammer").json()["updatedAt"] == "2026-01-01T14:00:00.000+00:00"


def test_one_bad_product_of_many_does_not_stop_the_others(memory: MemoryApp, ann: Client) -> None:
    bodies = [new("a"), new("b", price=-1), new("c")]
    answer = ann.post("/products/bulk", bodies)
    assert answer.status == 207
    assert [item["status"] for item in answer.json()["items"]] == [202, 400, 202]
    memory.deliver()
    assert [row.code for row in in_sql()] == ["a", "c"]


@pytest.mark.parametrize("seed", range(3))
def test_many_products_in_any_order(memory: MemoryApp, ann: Client, seed: int) -> None:
    for code in "abcd":
        ann.post("/products", new(code))
        for version in range(1, 4):
            ann.patch(f"/products/{code}", {"version": version, "attributes": {"price": version}})
    memory.deliver(times=2, shuffled=seed)
    assert [(row.code, row.version, int(row.price)) for row in in_sql()] == [(c, 4, 3) for c in "abcd"]
    assert all(memory.handlers["ProductReadModel"].versions(code) == [1, 2, 3, 4] for code in "abcd")
    assert memory.dead_letters == []


def test_a_deleted_product_is_not_found(memory: MemoryApp, ann: Client) -> None:
    ann.post("/products", new(), params=SYNC)
    ann.delete("/products/hammer", params={"version": 1})
    memory.deliver()
    assert ann.get("/products/hammer").status == 404
    assert found(ann) == []
    assert [row.is_deleted for row in in_sql()] == [True]


def test_another_tenant_has_products_of_its_own(memory: MemoryApp, ann: Client) -> None:
    ann.post("/products", new(), params=SYNC)
    eve = memory.client(tenant="other", user="eve")
    assert eve.get("/products/hammer").status == 404
    assert found(eve) == []
    assert eve.post("/products", new(), params=SYNC).status == 201
