"""Who signs in: what a secret says each time that a connection is made, or IAM."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event, text

from runtime import ConfigurationError, ReadModelUnavailableError
from runtime.sql import engine_from_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator

    Connect = Callable[..., list[dict[str, Any]]]
    MakeSecret = Callable[[Any], str]


@pytest.fixture
def make_secret(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], str]:
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)

    def make(content: Any) -> str:
        value = content if isinstance(content, str) else json.dumps(content)
        client = emulator.client("secretsmanager")
        arn: str = client.create_secret(Name=f"db/{uuid.uuid4().hex}", SecretString=value)["ARN"]
        return arn

    return make


@pytest.fixture
def connect(postgres: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Connects by a URL; what each new connection was opened with. The server is always the same."""
    engines: list[Engine] = []
    server = postgres.dialect.create_connect_args(postgres.url)[1]

    def run(url: str, connections: int = 1, **options: Any) -> list[dict[str, Any]]:
        monkeypatch.setenv("SECRET_URL", url)
        engine = engine_from_environment("SECRET_URL", **options)
        engines.append(engine)
        opened: list[dict[str, Any]] = []

        def capture(dialect: Any, _record: Any, _arguments: Any, given: dict[str, Any]) -> Any:
            opened.append(dict(given))
            return dialect.loaded_dbapi.connect(**server)

        event.listen(engine, "do_connect", capture)
        for _ in range(connections):
            with engine.connect() as connection:
                assert connection.scalar(text("select 1")) == 1
            engine.dispose()
        event.remove(engine, "do_connect", capture)
        return opened

    yield run
    for engine in engines:
        engine.dispose()


def test_user_and_password_come_from_a_secret(make_secret: MakeSecret, connect: Connect) -> None:
    arn = make_secret({"username": "app", "password": "one"})
    (opened,) = connect(f"postgresql://db.example/orders?secret_arn={arn}")
    assert (opened["host"], opened["dbname"]) == ("db.example", "orders")
    assert (opened["user"], opened["password"]) == ("app", "one")
    assert "secret_arn" not in opened


def test_a_rotated_password_is_taken_up_by_the_next_connection(
    emulator: Emulator, make_secret: MakeSecret, connect: Connect
) -> None:
    arn = make_secret({"username": "app", "password": "one"})
    url = f"postgresql://db.example/orders?secret_arn={arn}"
    assert [opened["password"] for opened in connect(url)] == ["one"]
    rotated = json.dumps({"username": "app", "password": "two"})
    emulator.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=rotated)
    assert [opened["password"] for opened in connect(url)] == ["two"]


RDS = {"engine": "postgres", "host": "db.example", "username": "app", "password": "p@ss/word:?"}


@pytest.mark.parametrize(
    ("content", "port", "dbname"),
    [
        ("postgresql://app:p%40ss%2Fword%3A%3F@db.example/orders", None, "orders"),
        ({**RDS, "port": 5433, "dbname": "orders"}, 5433, "orders"),
        ({**RDS, "engine": "aurora-postgresql", "port": "5433"}, 5433, None),
    ],
    ids=["url", "rds", "aurora"],
)
def test_a_secret_may_say_everything(
    make_secret: MakeSecret, connect: Connect, content: Any, port: int | None, dbname: str | None
) -> None:
    (opened,) = connect(make_secret(content))
    names = ("host", "port", "dbname", "user", "password")
    wanted = ("db.example", port, dbname, "app", "p@ss/word:?")
    assert {name: opened[name] for name in names if name in opened} == {
        name: value for name, value in zip(names, wanted, strict=True) if value is not None
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"username": "u", "password": "s3cret"}, "has no host; give a URL with the parameter secret_arn"),
        ("s3cret", "must be a URL, or a JSON object"),
        ('["s3cret"]', "must be a URL, or a JSON object"),
    ],
)
def test_a_secret_that_does_not_say_enough_is_named(
    make_secret: MakeSecret,
    connect: Connect,
    content: Any,
    message: str,
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        connect(make_secret(content))
    assert "s3cret" not in str(caught.value)


def test_a_secret_that_is_not_there_is_a_mistake_and_no_answer_is_an_outage(
    make_secret: MakeSecret,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arn = make_secret("postgresql://u:p@h/d")
    with pytest.raises(ConfigurationError, match=r"cannot be read \(ResourceNotFoundException\)"):
        connect(f"{arn[:-6]}nonono")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(ReadModelUnavailableError, match="Secrets Manager is busy or out of reach"):
        connect(f"{arn[:-6]}others")


@pytest.mark.parametrize("how", ["url", "code"])
@pytest.mark.usefixtures("make_secret")  # for the credentials in the environment
def test_iam_signs_in_with_a_new_token_for_each_connection(connect: Connect, how: str) -> None:
    host = "p.proxy-abc123.eu-west-1.rds.amazonaws.com"
    url, options = f"postgresql://app@{host}/orders", {}
    if how == "url":
        url += "?iam_auth=true"
    else:
        options = {"iam_auth": True}
    opened = connect(url, 2, **options)
    assert len(opened) == 2
    for given in opened:
        assert given["password"].startswith(f"{host}:5432/?Action=connect&DBUser=app&")
        assert "X-Amz-Signature=" in given["password"]
        assert given["sslmode"] == "require"
        assert "options" not in given  # which RDS Proxy refuses


@pytest.mark.usefixtures("make_secret")
def test_iam_needs_a_user(connect: Connect) -> None:
    with pytest.raises(ConfigurationError, match="the URL must name the host and the user"):
        connect("postgresql://127.0.0.1:1/d?iam_auth=true")
