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
    """The app in memory."""
    from product.main import app  # noqa: PLC0415

    return memory_app(app)


@pytest.fixture
def ann(memory: MemoryApp) -> Client:
    """Ann, of the tenant acme."""
    return memory.client(tenant="acme", user="ann")


@pytest.fixture
def bob(memory: MemoryApp) -> Client:
    """Bob, of the same tenant."""
    return memory.client(tenant="acme", user="bob")
