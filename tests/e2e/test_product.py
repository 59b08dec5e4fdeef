"""The example `product`, deployed as its README says: HTTP, bulk, and a search in PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.local import CdkCli, Postgres
from tests.e2e.deployment import Deployment
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.local import Emulator

PRODUCT = Path(__file__).parents[2] / "examples" / "product"


@pytest.fixture(scope="module")
def product(emulator: Emulator) -> Iterator[Deployment]:
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
        yield Deployment(emulator, cli.deploy()["Product"], PRODUCT)


def item(code: str, price: float) -> dict[str, Any]:
    return {"code": code, "name": f"Product {code}", "attributes": {"category": "tools", "price": price}}


def test_products_are_made_found_and_deleted(product: Deployment) -> None:
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
    other = product.sign_in("globex")
    listed = product.request("GET", "/products/search", params={"category": "tools"}, token=other).json()
    assert (listed["items"], listed["total"]) == ([], 0)
