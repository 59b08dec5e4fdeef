"""What an error of the AWS SDK means to a caller: try again, repeat it, or mend the deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.errors import OutcomeUnknownError, StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from runtime.errors import CqrsError

__all__ = ["RETRY_AFTER_SECONDS", "error_code", "is_busy", "translated"]

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


def error_code(error: BaseException) -> str:
    """The code in an error that a service answered with; empty for any other error."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def is_busy(error: BaseException) -> bool:
    """Whether the same call may succeed a little later, as nothing is wrong with it."""
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004, PLC0415
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error_code(error) in _BUSY or status >= _SERVER_ERROR
    return isinstance(error, HTTPClientError | ConnectionError | ResponseParserError)


def translated(error: Exception, service: str, *, in_doubt: bool = False) -> CqrsError:
    """The error of ours that says what an SDK's error means. Raise it ``from`` that.

    Args:
        error: What the SDK raised.
        service: Name of the service for people, such as "DynamoDB".
        in_doubt: Whether the call may have written something, although no answer came.
    """
    kind = error_code(error) or type(error).__name__
    if in_doubt:
        return OutcomeUnknownError(service, kind)
    return StoreUnavailableError(service, kind) if is_busy(error) else StoreRefusedError(service, kind)
