from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.service import DYNAMODB, MEMORY, STORES, Service, Services

if TYPE_CHECKING:
    from collections.abc import Callable


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a service on both stores, unless the test or its file says which (``STORES``)."""
    chosen = [marker.args[0] for marker in metafunc.definition.iter_markers("parametrize")]
    if "make_service" in metafunc.fixturenames and "make_service" not in chosen:
        stores = getattr(metafunc.module, "STORES", STORES)
        metafunc.parametrize("make_service", stores, indirect=True)


@pytest.fixture(autouse=True)
def credentials(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the emulator, which a test in memory does without."""
    callspec: Any = getattr(request.node, "callspec", None)
    if callspec and callspec.params.get("make_service") == MEMORY:
        return
    for name, value in request.getfixturevalue("emulator").environment.items():
        if name != "AWS_ENDPOINT_URL":
            monkeypatch.setenv(name, value)


@pytest.fixture
def make_service(request: pytest.FixtureRequest) -> Services:
    """Makes services with tables of their own: on DynamoDB, unless a parameter says otherwise."""
    is_in_memory = getattr(request, "param", DYNAMODB) == MEMORY
    return Services(None if is_in_memory else request.getfixturevalue("emulator"))


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    return make_service()


@pytest.fixture
def bucket(make_service: Services) -> str:
    return make_service.bucket()


@pytest.fixture
def master(make_service: Services) -> str:
    """A table for master data."""
    return make_service.table()
