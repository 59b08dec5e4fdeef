from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.features.tenants.support import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.local import Emulator


@pytest.fixture
def on_emulator(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    """Makes registries on DynamoDB."""
    for name, value in emulator.environment.items():
        if name != "AWS_ENDPOINT_URL":
            monkeypatch.setenv(name, value)
    return lambda **options: Registry(emulator, **options)


@pytest.fixture(params=["memory", "dynamodb"])
def registry(request: pytest.FixtureRequest) -> Registry:
    """An empty registry, on each store."""
    if request.param == "memory":
        return Registry()
    make: Callable[..., Registry] = request.getfixturevalue("on_emulator")
    return make()
