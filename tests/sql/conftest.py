from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, create_engine

from constructs_lib.local import Postgres
from tests.sql.rows import Base

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def postgres() -> Iterator[Engine]:
    with Postgres() as server:
        engine = create_engine(server.uri(driver="psycopg"))
        yield engine
        engine.dispose()


@pytest.fixture(params=["postgresql", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty table in each kind of database."""
    if request.param == "postgresql":
        made: Engine = request.getfixturevalue("postgres")
    else:
        made = create_engine(f"sqlite:///{tmp_path / 'rows.db'}")
    Base.metadata.drop_all(made)
    Base.metadata.create_all(made)
    yield made
    if request.param == "sqlite":
        made.dispose()
