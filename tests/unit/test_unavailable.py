"""Which errors say that nothing is wrong with what was asked for."""

from __future__ import annotations

import socket
import sqlite3
from typing import Any

import psycopg
import pytest
from botocore.exceptions import EndpointConnectionError
from sqlalchemy.exc import DataError, IntegrityError, InternalError, OperationalError, ProgrammingError
from sqlalchemy.exc import InterfaceError as SqlInterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from runtime import (
    ConfigurationError,
    ContentionError,
    InvalidInputError,
    OutcomeUnknownError,
    ReadModelUnavailableError,
    StoreRefusedError,
    StoreUnavailableError,
)
from runtime.unavailable import is_read_only, is_unavailable


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def named(name: str, base: type[Exception] = Exception, module: str = "someclient.exceptions") -> Any:
    """An error of a client that is not installed here."""
    return type(name, (base,), {"__module__": module})


OUTAGES = [
    StoreUnavailableError("DynamoDB", "Throttling"),
    ContentionError("others were faster"),
    OutcomeUnknownError("DynamoDB", "timeout"),
    ReadModelUnavailableError("search is being rebuilt"),
    OperationalError("INSERT", None, psycopg.OperationalError("gone")),
    SqlInterfaceError("INSERT", None, psycopg.InterfaceError("closed")),
    PoolTimeoutError("no connection left"),
    InternalError("INSERT", None, psycopg.errors.ReadOnlySqlTransaction("read only")),
    psycopg.errors.AdminShutdown("bye"),
    psycopg.errors.CannotConnectNow("starting up"),
    psycopg.errors.TooManyConnections("53300"),
    psycopg.errors.DeadlockDetected("40P01"),
    sqlite3.OperationalError("database is locked"),
    named("OperationalError", module="pymysql.err")(1290, "--read-only"),
    named("InternalError", module="pymysql.err")(1836, "read-only mode"),
    ConnectionRefusedError(),
    ConnectionResetError(),
    TimeoutError(),
    caused(ValueError("no answer"), socket.gaierror("no such host")),
    EndpointConnectionError(endpoint_url="http://x"),
    named("ConnectTimeout", named("Timeout"))(),  # as of requests
    named("ConnectionError", OSError)(),
    named("ReadTimeout", named("TimeoutException"))(),  # as of httpx
    named("AutoReconnect")(),
    caused(RuntimeError("the search index"), ConnectionResetError()),
    caused(RuntimeError("a"), caused(RuntimeError("b"), OperationalError("X", None, Exception()))),
]
MISTAKES = [
    ValueError("no name"),
    KeyError("name"),
    InvalidInputError([]),
    ConfigurationError("not set"),
    StoreRefusedError("DynamoDB", "ResourceNotFound"),
    IntegrityError("INSERT", None, psycopg.errors.UniqueViolation("23505")),
    DataError("INSERT", None, psycopg.errors.NumericValueOutOfRange("22003")),
    ProgrammingError("INSERT", None, psycopg.errors.UndefinedTable("42P01")),
    InternalError("INSERT", None, psycopg.errors.InFailedSqlTransaction("25P02")),
    named("InternalError", module="pymysql.err")(1105, "unknown"),
    named("InternalError", module="elsewhere")(1836, "no database"),
    caused(ValueError("bad"), KeyError("worse")),
]


@pytest.mark.parametrize("error", OUTAGES, ids=repr)
def test_an_outage(error: Exception) -> None:
    assert is_unavailable(error)


@pytest.mark.parametrize("error", MISTAKES, ids=repr)
def test_a_mistake(error: Exception) -> None:
    assert not is_unavailable(error)
    assert not is_read_only(error)


def test_errors_that_cause_each_other_come_to_an_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert not is_unavailable(first)
