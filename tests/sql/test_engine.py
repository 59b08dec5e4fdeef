from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from runtime import ConfigurationError
from runtime.sql import engine_from_environment, upsert
from runtime.sql.engine import Switches, engine_options, engine_url, switches_of
from runtime.unavailable import is_unavailable
from tests.sql.rows import BookRow, command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
        ("postgresql+psycopg://h/d?connect_timeout=9", None, {}),
        ("postgresql+psycopg2://h/d", None, {"connect_timeout": 5}),
        ("postgresql+pg8000://h/d", 10, {}),
        ("mysql+pymysql://h/d", 10, {"connect_timeout": 5, "read_timeout": 10, "write_timeout": 10}),
        ("mysql+pymysql://h/d", None, {"connect_timeout": 5}),
        ("mysql+pymysql://h/d?read_timeout=99", 1, {"connect_timeout": 5, "write_timeout": 1}),
    ],
)
def test_a_driver_gets_the_timeouts_that_it_knows(
    url: str, seconds: int | None, arguments: dict[str, Any]
) -> None:
    if url.startswith("postgresql+psycopg:"):
        arguments = arguments | {"prepare_threshold": None}
    assert engine_options(make_url(url), seconds)["connect_args"] == arguments


@pytest.mark.parametrize(
    ("text", "code", "pooler", "iam"),
    [
        ("postgresql://u@h/d", Switches(), False, False),
        ("postgresql://u@h/d", Switches(pooler=True), True, False),
        ("postgresql://u@h/d", Switches(iam=True), False, True),
        ("postgresql://u@h/d?pgbouncer=true", Switches(), True, False),
        ("postgresql://u@h/d?pgbouncer=false&iam_auth=1", Switches(pooler=True), True, True),
        ("postgresql://u@p.proxy-abc123.eu-west-1.rds.amazonaws.com/d", Switches(), True, False),
        ("postgresql://u@p.proxy-abc123.cn-north-1.rds.amazonaws.com.cn/d", Switches(), True, False),
        ("postgresql://u@p.cluster-abc123.eu-west-1.rds.amazonaws.com/d", Switches(), False, False),
    ],
)
def test_a_pooler_gets_no_options_and_iam_gets_tls(
    text: str, code: Switches, *, pooler: bool, iam: bool
) -> None:
    url, switches = switches_of(engine_url(text, "X"), "X", code)
    assert (switches.pooler, switches.iam) == (pooler, iam)
    assert not {"pgbouncer", "iam_auth"} & set(url.query)
    arguments = engine_options(url, 10, switches)["connect_args"]
    assert ("options" in arguments) is not pooler
    assert arguments.get("sslmode") == ("require" if iam else None)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("prepare_threshold=often", "prepare_threshold in MY_URL must be a whole number or none"),
        ("pgbouncer=maybe", "pgbouncer in MY_URL must be true or false"),
        ("iam_auth=maybe", "iam_auth in MY_URL must be true or false"),
        ("secret_arn=mine", "secret_arn must be the ARN of a secret"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(
    monkeypatch: pytest.MonkeyPatch, query: str, message: str
) -> None:
    monkeypatch.setenv("MY_URL", f"postgresql://u:s3cret@127.0.0.1:1/d?{query}")
    with pytest.raises(ConfigurationError, match=message) as caught:
        engine_from_environment("MY_URL").connect()
    assert "s3cret" not in str(caught.value)


def url_of(postgres: Engine, query: str = "") -> str:
    url = postgres.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


@pytest.fixture
def engine_of(postgres: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Engine]]:
    BookRow.metadata.drop_all(postgres)
    BookRow.metadata.create_all(postgres)
    engines: list[Engine] = []

    def make(query: str = "", **options: Any) -> Engine:
        monkeypatch.setenv("POOLED_URL", url_of(postgres, query))
        engines.append(engine_from_environment("POOLED_URL", **options))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


def up(engine: Engine, version: int) -> bool:
    with engine.begin() as connection:
        return upsert(connection, BookRow, command(version))


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", {}),
        ("", {"transaction_pooler": True}),
        ("pgbouncer=true", {}),
        ("prepare_threshold=none", {}),
    ],
    ids=str,
)
def test_statements_live_without_the_session(
    engine_of: Callable[..., Engine], query: str, options: dict[str, Any]
) -> None:
    """Behind a pooler of transactions the next one meets another session."""
    engine = engine_of(query, **options)
    event.listen(engine, "checkin", lambda raw, _: raw and raw.pgconn.exec_(b"DEALLOCATE ALL"))
    assert [up(engine, version) for version in range(1, 12)] == [True] * 11


def test_statements_are_prepared_on_demand(engine_of: Callable[..., Engine]) -> None:
    engine = engine_of("prepare_threshold=0")
    up(engine, 1)
    with engine.connect() as connection:
        assert connection.scalar(text("select count(*) from pg_prepared_statements")) > 0
    with engine_of().connect() as connection:
        assert connection.scalar(text("select count(*) from pg_prepared_statements")) == 0


def test_a_connection_to_what_is_a_reader_now_is_thrown_away(engine_of: Callable[..., Engine]) -> None:
    """It passes the ping: what the demoted writer says to a session is that it cannot write."""
    engine = engine_of("application_name=failover")
    with engine.connect() as connection:
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
        connection.commit()
    with pytest.raises(DBAPIError) as caught:
        up(engine, 1)
    assert caught.value.connection_invalidated
    assert is_unavailable(caught.value)
    assert up(engine, 1) is True


def test_a_mistake_keeps_the_connection(engine_of: Callable[..., Engine]) -> None:
    engine = engine_of("application_name=mistake")
    with engine.connect() as connection:
        pid = connection.scalar(text("select pg_backend_pid()"))
    with pytest.raises(DBAPIError) as caught, engine.connect() as connection:
        connection.execute(text("select * from nowhere"))
    assert not is_unavailable(caught.value)
    with engine.connect() as connection:
        assert connection.scalar(text("select pg_backend_pid()")) == pid
