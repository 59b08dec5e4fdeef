"""The product's own CDK app, run as the CDK CLI runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.examples.templates import DATABASE, Resources, allowed, functions, resources_of

if TYPE_CHECKING:
    from tests.support.apps import Synthesize

TABLE = "AWS::DynamoDB::GlobalTable"


@pytest.fixture(scope="module")
def resources(synthesize: Synthesize) -> Resources:
    return resources_of("product", synthesize)


def test_the_functions_find_the_app_and_the_database(resources: Resources) -> None:
    found = functions(resources)
    assert {one["Handler"] for one in found.values()} == {"product.main.app"}
    assert len(found) == 5
    urls = {one["Environment"]["Variables"].get("DATABASE_URL") for one in found.values()}
    assert urls == {DATABASE}


def test_only_the_api_and_operators_may_scan(resources: Resources) -> None:
    assert {kind for kind, action, _ in allowed(resources) if action == "dynamodb:Scan"} == {
        "api",
        "operator",
    }


def test_the_stack_has_the_tables_of_numbers_tenants_and_masters(resources: Resources) -> None:
    tables = {one["Properties"]["TableName"] for one in resources.values() if one["Type"] == TABLE}
    assert {f"dev-product-{name}" for name in ("sequences", "tenant-data", "master-data")} <= tables
    assert "dev-product-order-data" in tables
