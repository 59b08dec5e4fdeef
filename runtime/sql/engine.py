"""The engine of a function: one connection, which may have gone while the function slept."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from runtime.errors import ConfigurationError
from runtime.sql.credentials import is_secret, read_secret, signed_in
from runtime.sql.json_columns import dumps, loads
from runtime.unavailable import is_read_only

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext

__all__ = ["Switches", "engine_from_environment", "engine_options", "engine_url", "switches_of"]

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
_RDS_PROXY: Final = re.compile(r"\.proxy-[a-z0-9-]+\.[a-z0-9-]+\.rds\.amazonaws\.com(\.cn)?$")
_TRUE: Final = ("true", "1", "yes")
_FALSE: Final = ("false", "0", "no")


@dataclass(frozen=True, slots=True)
class Switches:
    """What the parameters of a URL say that no driver knows.

    Attributes:
        pooler: Whether sessions are not ours alone: a pooler of transactions is in between.
        iam: Whether IAM signs in instead of a password.
        secret_arn: ARN of the secret with user and password; None where they are in the URL.
    """

    pooler: bool = False
    iam: bool = False
    secret_arn: str | None = None


def engine_from_environment(
    variable: str = "DATABASE_URL",
    *,
    statement_seconds: int | None = 10,
    transaction_pooler: bool = False,
    iam_auth: bool = False,
) -> Engine:
    """The engine of this process for the URL in an environment variable, made on first use.

    A function handles one event at a time, so it has one connection. That is tried before
    each use, since a container may have slept for an hour, and is given up after 300 seconds,
    and as soon as the database behind it has become a reader.

    Args:
        variable: Variable with a URL such as ``postgresql://user:password@host/database``.
            One that names no driver gets psycopg, or PyMySQL for ``mysql://``. Or with the ARN
            of a secret, which holds such a URL, or what RDS writes into one. Parameters of the
            URL: ``secret_arn=…`` takes user and password from a secret, ``iam_auth=true`` and
            ``pgbouncer=true`` are the switches below. The others are the driver's.
        statement_seconds: After how long PostgreSQL ends a statement, and PyMySQL gives up
            on one. None for no limit. It is an option of the connection, so there is none
            behind a pooler.
        transaction_pooler: Whether transactions of one connection may meet different sessions:
            PgBouncer, Supavisor, RDS Proxy. Options of connections are left out then. RDS
            Proxy is recognized by its host.
        iam_auth: Whether to sign in with a token of IAM, as to RDS Proxy, instead of a
            password. The function needs ``rds-db:connect``.

    Raises:
        ConfigurationError: The variable is not set, or is no such URL; or the secret cannot be read.
        ReadModelUnavailableError: Secrets Manager is busy or out of reach.
    """
    text = os.environ.get(variable)
    if not text:
        msg = (
            f"{variable} is not set; give the function a URL such as postgresql://user:password@host/database"
        )
        raise ConfigurationError(msg)
    given = Switches(pooler=transaction_pooler, iam=iam_auth)
    return _engine(text, variable, statement_seconds, given)


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


def switches_of(url: URL, variable: str, given: Switches) -> tuple[URL, Switches]:
    """The URL without the parameters that no driver knows, and what they say.

    Args:
        url: The URL.
        variable: Where it is from, for errors.
        given: What the code says: on what it switches on, the URL has no say.

    Raises:
        ConfigurationError: A parameter is neither true nor false.
    """
    flags = {}
    for name in ("pgbouncer", "iam_auth"):
        text = str(url.query.get(name, "false")).lower()
        if text not in _TRUE + _FALSE:
            msg = f"{name} in {variable} must be true or false"
            raise ConfigurationError(msg)
        flags[name] = text in _TRUE
    secret = url.query.get("secret_arn")
    switches = Switches(
        pooler=given.pooler or flags["pgbouncer"] or bool(_RDS_PROXY.search(url.host or "")),
        iam=given.iam or flags["iam_auth"],
        secret_arn=None if secret is None else str(secret),
    )
    return url.difference_update_query([*flags, "secret_arn"]), switches


def engine_options(
    url: URL, statement_seconds: int | None, switches: Switches = Switches(), variable: str = "the URL"
) -> dict[str, Any]:
    """Pool and timeouts, as far as the driver knows them. What the URL says comes first.

    Raises:
        ConfigurationError: ``prepare_threshold`` in the URL is not a number.
    """
    options: dict[str, Any] = {
        "pool_pre_ping": True,
        "pool_recycle": _RECYCLE_SECONDS,
        "json_serializer": dumps,
        "json_deserializer": loads,
    }
    if url.get_backend_name() == "sqlite":
        return options
    # Code that asks for a second connection while it holds the first would wait for itself.
    options |= {"pool_size": 1, "max_overflow": 0, "pool_timeout": _CONNECT_SECONDS}
    driver = url.get_driver_name()
    arguments: dict[str, Any] = {}
    if driver in (*_LIBPQ, *_PYMYSQL):
        arguments["connect_timeout"] = _CONNECT_SECONDS
    if driver in _LIBPQ and statement_seconds is not None and not switches.pooler:
        arguments["options"] = f"-c statement_timeout={statement_seconds}s"
    if driver in _PYMYSQL and statement_seconds is not None:
        arguments |= {"read_timeout": statement_seconds, "write_timeout": statement_seconds}
    if switches.iam and driver in _LIBPQ:
        arguments["sslmode"] = "require"
    arguments = {name: value for name, value in arguments.items() if name not in url.query}
    if driver == "psycopg":
        # A prepared statement is gone with its session, which a pooler of transactions changes.
        arguments["prepare_threshold"] = _threshold(url, variable)
    return options | {"connect_args": arguments}


def _threshold(url: URL, variable: str) -> int | None:
    """After how many uses psycopg prepares a statement; None for never. psycopg takes no text."""
    text = str(url.query.get("prepare_threshold", "none"))
    if text.lower() in {"none", ""}:
        return None
    if not text.isdecimal():
        msg = f"prepare_threshold in {variable} must be a whole number or none"
        raise ConfigurationError(msg)
    return int(text)


@cache
def _engine(text: str, variable: str, statement_seconds: int | None, given: Switches) -> Engine:
    secret_arn = None
    if is_secret(text):
        secret_arn, text = text, read_secret(text).url
    url, switches = switches_of(engine_url(text, variable), variable, given)
    options = engine_options(url, statement_seconds, switches, variable)
    url = url.difference_update_query(["prepare_threshold"])
    engine = create_engine(url, **options)
    signed_in(engine, url, secret_arn=switches.secret_arn or secret_arn, iam=switches.iam)
    event.listen(engine, "handle_error", _give_up_reader)
    return engine


def _give_up_reader(context: ExceptionContext) -> None:
    """After a failover the connection may be to what is a reader now, which passes the ping."""
    if is_read_only(context.original_exception):
        context.is_disconnect = True
