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
    """The read model's tables, on SQLite in memory."""
    from blog.database import PostRow, engine  # noqa: PLC0415 - after the path is set

    monkeypatch.setenv("DATABASE_URL", "sqlite://")
    PostRow.metadata.create_all(engine())
    yield
    engine().dispose()  # and with it the database


@pytest.fixture
def memory(memory_app: MakeMemoryApp, database: None) -> MemoryApp:  # noqa: ARG001
    """The app in memory."""
    from blog.main import app  # noqa: PLC0415 - after the path is set

    return memory_app(app)


@pytest.fixture
def ann(memory: MemoryApp) -> Client:
    """Ann, of the tenant acme."""
    return memory.client(tenant="acme", user="ann")


@pytest.fixture
def eve(memory: MemoryApp) -> Client:
    """Eve, of another tenant."""
    return memory.client(tenant="globex", user="eve")
