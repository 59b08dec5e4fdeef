"""What an error of the AWS SDK means to a caller: try again, repeat it, or mend the deployment."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, NoReturn

from runtime.errors import OutcomeUnknownError, StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.errors import CqrsError

__all__ = ["RETRY_AFTER_SECONDS", "Attempts", "error_code", "is_busy", "translated"]

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


class Attempts:
    """What became of the attempts that the SDK made at a call: one without an answer may have been done.

    Args:
        client: The boto3 client whose calls these are. Threads may share it.
        service: Name of the service for people, such as "DynamoDB".
    """

    def __init__(self, client: Any, service: str) -> None:  # noqa: ANN401 - boto3 clients are made at run time
        self._service = service
        self._local = threading.local()
        client.meta.events.register("response-received", self._note)

    def begin(self) -> None:
        """A call that changes something is about to be made."""
        self._local.is_in_doubt = False

    def fail(self, error: Exception) -> NoReturn:
        """Raise what it means for the call that it ended with ``error``.

        Whatever ends it, be it the SDK's, or of what signs an attempt, such as a session that could
        not be renewed: once an attempt went without an answer, the outcome is unknown.

        Args:
            error: What ended the call, and is no answer to it, such as a condition that failed.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        from botocore.parsers import ResponseParserError  # noqa: PLC0415

        # Whatever the last attempt says, an earlier one may have been carried out; and an answer
        # that makes no sense is as good as none.
        if getattr(self._local, "is_in_doubt", False) or isinstance(error, ResponseParserError):
            raise translated(error, self._service, in_doubt=True) from error
        if isinstance(error, ClientError | BotoCoreError):
            raise translated(error, self._service) from error
        raise error

    def _note(
        self,
        response_dict: Mapping[str, Any] | None = None,
        exception: BaseException | None = None,
        **_: Any,  # noqa: ANN401 - botocore's events
    ) -> None:
        if exception is not None:
            from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError  # noqa: PLC0415

            # These were never sent.
            if not isinstance(exception, EndpointConnectionError | ConnectTimeoutError):
                self._local.is_in_doubt = True
        elif response_dict is not None and response_dict.get("status_code", 0) >= _SERVER_ERROR:
            self._local.is_in_doubt = True
