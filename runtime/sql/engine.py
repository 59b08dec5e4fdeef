"""The engine of a function: one connection, which may have gone while the function slept."""

from __future__ import annotations

import os
from functools import cache
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError

from runtime.errors import ConfigurationError

__all__ = ["engine_from_environment", "engine_options", "engine_url"]

#: Drivers that come with wheels, for URLs that name none.
_DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
}
_LIBPQ: Final = ("psycopg", "psycopg2")
_PYMYSQL: Final = ("pymysql", "mysqldb")

_CONNECT_SECONDS: Final = 5
# Below the idle timeouts of what may be in between: a NAT gateway forgets after 350 seconds.
_RECYCLE_SECONDS: Final = 300


def engine_from_environment(variable: str = "DATABASE_URL", *, statement_seconds: int | None = 10) -> Engine:
    """The engine of this process for the URL in an environment variable, made on first use.

    A function handles one event at a time, so it has one connection. That is tried before
    each use, since a container may have slept for an hour, and is given up after 300 seconds.

    Args:
        variable: Variable with a URL such as ``postgresql://user:password@host/database``.
            One that names no driver gets psycopg, or PyMySQL for ``mysql://``.
        statement_seconds: After how long PostgreSQL ends a statement, and PyMySQL gives up
            on one. None for no limit, as where a pooler in between refuses options of a connection.

    Raises:
        ConfigurationError: The variable is not set, or is no such URL.
    """
    text = os.environ.get(variable)
    if not text:
        msg = (
            f"{variable} is not set; give the function a URL such as postgresql://user:password@host/database"
        )
        raise ConfigurationError(msg)
    return _engine(engine_url(text, variable), statement_seconds)


def engine_url(text: str, variable: str) -> URL:
    """The URL with a driver in it.

    Raises:
        ConfigurationError: It is no URL. The message leaves it out, for the password in it.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        msg = f"{variable} must be a URL such as postgresql://user:password@host/database"
        raise ConfigurationError(msg) from None
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def engine_options(url: URL, statement_seconds: int | None) -> dict[str, Any]:
    """Pool and timeouts, as far as the driver knows them."""
    options: dict[str, Any] = {"pool_pre_ping": True, "pool_recycle": _RECYCLE_SECONDS}
    if url.get_backend_name() == "sqlite":
        return options
    # Code that asks for a second connection while it holds the first would wait for itself.
    options |= {"pool_size": 1, "max_overflow": 0, "pool_timeout": _CONNECT_SECONDS}
    driver = url.get_driver_name()
    arguments: dict[str, Any] = {}
    if driver in (*_LIBPQ, *_PYMYSQL):
        arguments["connect_timeout"] = _CONNECT_SECONDS
    if driver in _LIBPQ and statement_seconds is not None and "options" not in url.query:
        arguments["options"] = f"-c statement_timeout={statement_seconds}s"
    if driver in _PYMYSQL and statement_seconds is not None:
        arguments |= {"read_timeout": statement_seconds, "write_timeout": statement_seconds}
    return options | {"connect_args": arguments}


@cache
def _engine(url: URL, statement_seconds: int | None) -> Engine:
    return create_engine(url, **engine_options(url, statement_seconds))
