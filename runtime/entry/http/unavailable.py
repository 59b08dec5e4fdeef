"""Telling a service that is busy or out of reach from a mistake of ours."""

from __future__ import annotations

import sys
from typing import Final

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004 - botocore's own

from runtime.pipeline.apply import ApplyContentionError
from runtime.store.dynamodb import TransactionFailedError

__all__ = ["RETRY_AFTER_SECONDS", "is_unavailable"]

RETRY_AFTER_SECONDS: Final = 2
"""When a caller may try again; the SDK has tried for about as long already."""

_BUSY: Final = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_SERVER_ERROR: Final = 500
#: What SQLAlchemy raises when the database is gone, or has no connection left.
_OF_DATABASES: Final = ("InterfaceError", "OperationalError", "TimeoutError")


def is_unavailable(error: BaseException) -> bool:
    """Whether the same request may succeed a little later, as nothing is wrong with it."""
    match error:
        case ClientError():
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return error.response.get("Error", {}).get("Code") in _BUSY or status >= _SERVER_ERROR
        case TransactionFailedError():
            return error.may_pass_later
        case HTTPClientError() | ConnectionError() | ApplyContentionError():
            return True
        case _:
            return _is_of_a_database(error)


def _is_of_a_database(error: BaseException) -> bool:
    # Never imported here: a function without SQL is to be spared of it.
    exc = sys.modules.get("sqlalchemy.exc")
    return exc is not None and isinstance(error, tuple(getattr(exc, name) for name in _OF_DATABASES))
