from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from constructs_lib.local import Postgres
from product import database as product_database
from runtime.clients.resources import default_resources
from tests.support.emulator import emulator
from tests.support.service import make_tables
from todo.database import create_tables, engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.local import Emulator

__all__ = ["emulator"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def deployed(emulator: Emulator, postgres: Postgres) -> Iterator[str]:
    """The examples' tables, and the environment that their functions would get; the prefix."""
    app_name = f"t{uuid.uuid4().hex[:8]}"
    prefix = f"local-{app_name}"
    kinds = ("command", "data", "history", "sync")
    names = [f"{module}-{kind}" for module in ("todo", "product") for kind in kinds]
    make_tables(emulator, prefix, [*names, "session"])
    create_tables(postgres.uri())
    product_database.create_tables(postgres.uri())
    default_resources.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        patch.setenv("NODE_ENV", "local")
        patch.setenv("APP_NAME", app_name)
        patch.setenv("RYW_SESSION_TTL_MINUTES", "5")
        patch.setenv("DATABASE_URL", postgres.uri())
        yield prefix
        engine().dispose()
    default_resources.cache_clear()


@pytest.fixture
def tenant() -> str:
    """A tenant of the test's own: tests share the tables."""
    return f"tenant-{uuid.uuid4().hex[:8]}"
