"""Telling a service or a database that is busy or out of reach from a mistake in code or data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.aws_errors import is_busy
from runtime.errors import OutcomeUnknownError, ReadModelUnavailableError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_read_only", "is_unavailable"]

#: Names that a class, or one that it inherits from, has in the drivers of databases (DB-API 2), in
#: SQLAlchemy and in clients of other stores. By name: nothing is imported here for the sake of asking.
_NAMES: Final = frozenset(
    {
        "AutoReconnect",
        "ConnectionError",
        "ConnectionTimeout",
        "InterfaceError",
        "NetworkError",
        "OperationalError",
        "Timeout",
        "TimeoutError",
        "TimeoutException",
        "gaierror",
    }
)
_READ_ONLY_STATE: Final = "25006"
#: `--read-only`, a read-only transaction, and the read-only mode of MySQL.
_READ_ONLY_NUMBERS: Final = frozenset({1290, 1792, 1836})
_MOST_CAUSES: Final = 10


def is_unavailable(error: BaseException) -> bool:
    """Whether an error, or what it was raised from, says that the same may succeed a little later."""
    return any(_is_outage(found) for found in _with_causes(error))


def is_read_only(error: BaseException) -> bool:
    """Whether a database refuses to write, as one does that was the writer before a failover."""
    for found in _with_causes(error):
        if _READ_ONLY_STATE in {getattr(found, "sqlstate", None), getattr(found, "pgcode", None)}:
            return True
        is_of_mysql = type(found).__module__.partition(".")[0] in {"MySQLdb", "pymysql"}
        if is_of_mysql and found.args and found.args[0] in _READ_ONLY_NUMBERS:
            return True
    return False


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, OutcomeUnknownError | ReadModelUnavailableError | StoreUnavailableError):
        return True
    if any(kind.__name__ in _NAMES for kind in type(error).__mro__):
        return True
    return getattr(error, "connection_invalidated", False) is True or is_read_only(error) or is_busy(error)


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised from; a database's own error is in SQLAlchemy's ``orig``."""
    found: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if found is None:
            return
        yield found
        orig = getattr(found, "orig", None)
        found = orig if isinstance(orig, BaseException) else found.__cause__
