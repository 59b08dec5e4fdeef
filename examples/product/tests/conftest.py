"""Every test has the whole app in memory, and an empty database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.testing.pytest_plugin import memory_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.testing import Client, MemoryApp
    from runtime.testing.pytest_plugin import MakeMemoryApp

__all__ = ["memory_app"]

sys.path.insert(0, str(Path(__file__).parents[1] / "service"))  # the root of the functions' code


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The read model's table, on SQLite in memory."""
    from product.database import ProductRow  # noqa: PLC0415 - after the path is set
    from runtime.sql import engine_from_environment  # noqa: PLC0415

    monkeypatch.setenv("DATABASE_URL", "sqlite://")
    ProductRow.metadata.create_all(engine_from_environment())
    yield
    engine_from_environment().dispose()  # and with it the database


@pytest.fixture
def memory(memory_app: MakeMemoryApp, database: None) -> MemoryApp:  # noqa: ARG001
    """The app in memory, with the tenants acme and other."""
    from product.main import app  # noqa: PLC0415 - after the path is set
    from product.tenants import tenants  # noqa: PLC0415

    memory = memory_app(app, modes={"order": "inline", "tenant": "inline", "master": "inline"})
    tenants.create_tenant("acme", "Acme Inc.")
    tenants.create_tenant("other", "Other Ltd.")
    return memory


@pytest.fixture
def ann(memory: MemoryApp) -> Client:
    """Ann, of the tenant acme."""
    return memory.client(tenant="acme", user="ann")


@pytest.fixture
def bob(memory: MemoryApp) -> Client:
    """Bob, of the same tenant."""
    return memory.client(tenant="acme", user="bob")


@pytest.fixture
def admin(memory: MemoryApp) -> Client:
    """Adam, who looks after the masters of acme."""
    return memory.client(tenant="acme", user="adam", roles=["master_admin"])


@pytest.fixture
def root(memory: MemoryApp) -> Client:
    """An operator, of all tenants."""
    return memory.client(tenant="ops", user="root", global_roles=["system_admin"])
