from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.features.masters.lab import MasterLab
from tests.support.service import DYNAMODB, MEMORY, STORES

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(params=STORES)
def make_lab(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], MasterLab]:
    """Makes masters with tables of their own, once on each store unless a test says which."""
    where: Any = None
    if getattr(request, "param", MEMORY) == DYNAMODB:
        where = request.getfixturevalue("emulator")
        for name, value in where.environment.items():
            if name != "AWS_ENDPOINT_URL":
                monkeypatch.setenv(name, value)
    return lambda: MasterLab(where)


@pytest.fixture
def lab(make_lab: Callable[[], MasterLab]) -> MasterLab:
    return make_lab()
