from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from runtime import ConfigurationError
from runtime.sql import engine_from_environment
from runtime.sql.engine import engine_options, engine_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine


@pytest.fixture
def made(postgres: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    url = postgres.url.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", url)
    engine = engine_from_environment(statement_seconds=1)
    yield engine
    engine.dispose()


def test_an_engine_is_made_once_for_a_url(made: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_from_environment(statement_seconds=1) is made
    monkeypatch.setenv("OTHER_URL", "sqlite://")
    other = engine_from_environment("OTHER_URL")
    assert other is engine_from_environment("OTHER_URL")
    assert (other.dialect.name, made.dialect.name, made.driver) == ("sqlite", "postgresql", "psycopg")
    other.dispose()


def test_a_connection_that_died_is_replaced(made: Engine) -> None:
    with made.connect() as connection:
        pid = connection.scalar(text("select pg_backend_pid()"))
    killer = engine_from_environment()
    with killer.connect() as connection:
        assert connection.scalar(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid}) is True
    killer.dispose()
    with made.connect() as connection:
        assert connection.scalar(text("select pg_backend_pid()")) != pid


def test_a_statement_that_hangs_is_ended(made: Engine) -> None:
    with made.connect() as connection, pytest.raises(DBAPIError, match="statement timeout"):
        connection.execute(text("select pg_sleep(30)"))


def test_there_is_one_connection(made: Engine) -> None:
    with made.connect(), pytest.raises(PoolTimeoutError):
        made.connect()


def test_sqlite_needs_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILE_URL", f"sqlite:///{tmp_path / 'a.db'}")
    engine = engine_from_environment("FILE_URL")
    with engine.connect() as connection:
        assert connection.scalar(text("select 1")) == 1
    engine.dispose()


@pytest.mark.parametrize("value", [None, ""])
def test_a_url_is_required(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv("DATABASE_URL", raising=False)
    else:
        monkeypatch.setenv("DATABASE_URL", value)
    with pytest.raises(
        ConfigurationError, match=r"^DATABASE_URL is not set; give the function a URL such as"
    ):
        engine_from_environment()


def test_a_wrong_url_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_URL", "user:s3cret@host")
    with pytest.raises(ConfigurationError, match="MY_URL must be a URL such as") as caught:
        engine_from_environment("MY_URL")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("postgresql://h/d", "postgresql+psycopg"),
        ("postgres://h/d", "postgresql+psycopg"),
        ("mysql://h/d", "mysql+pymysql"),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg2"),
        ("mysql+mysqldb://h/d", "mysql+mysqldb"),
        ("sqlite:///a.db", "sqlite"),
    ],
)
def test_a_url_without_a_driver_gets_one(given: str, driver: str) -> None:
    assert engine_url(given, "X").drivername == driver


@pytest.mark.parametrize(
    ("url", "seconds", "arguments"),
    [
        ("postgresql+psycopg://h/d", 10, {"connect_timeout": 5, "options": "-c statement_timeout=10s"}),
        ("postgresql+psycopg://h/d", None, {"connect_timeout": 5}),
        ("postgresql+psycopg://h/d?options=-csearch_path%3Dx", 10, {"connect_timeout": 5}),
        ("postgresql+pg8000://h/d", 10, {}),
        ("mysql+pymysql://h/d", 10, {"connect_timeout": 5, "read_timeout": 10, "write_timeout": 10}),
        ("mysql+pymysql://h/d", None, {"connect_timeout": 5}),
    ],
)
def test_a_driver_gets_the_timeouts_that_it_knows(url: str, seconds: int | None, arguments: object) -> None:
    assert engine_options(make_url(url), seconds)["connect_args"] == arguments
