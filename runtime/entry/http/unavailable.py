"""Telling a service that is busy or out of reach from a mistake of a route's own code."""

from __future__ import annotations

import sys
from typing import Final

from runtime.aws_errors import is_busy

__all__ = ["is_unavailable"]

#: What SQLAlchemy raises when the database is gone, or has no connection left.
_OF_DATABASES: Final = ("InterfaceError", "OperationalError", "TimeoutError")


def is_unavailable(error: BaseException) -> bool:
    """Whether an error that is none of ours says that the same request may succeed a little later.

    The library's own calls raise `runtime.errors`; a route may have clients and databases of its own.
    """
    return is_busy(error) or _is_of_a_database(error)


def _is_of_a_database(error: BaseException) -> bool:
    # Never imported here: a function without SQL is to be spared of it.
    exc = sys.modules.get("sqlalchemy.exc")
    return exc is not None and isinstance(error, tuple(getattr(exc, name) for name in _OF_DATABASES))
