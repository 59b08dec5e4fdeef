"""The product's own CDK app, run as the CDK CLI runs it."""

from __future__ import annotations

import pytest

from tests.examples.templates import DATABASE, Resources, allowed, functions, resources_of


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Resources:
    return resources_of("product", tmp_path_factory.mktemp("product"))


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
