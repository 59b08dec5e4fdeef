"""How long a function may take that API Gateway waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import Annotations, Duration

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.function_elsewhere import original_of, timeout_of
from constructs_lib.functions.function_options import FunctionOptions

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

__all__ = ["check_api_timeout", "warn_if_outlives_gateway"]

# The most that an HTTP API waits for; no quota raises it.
_LONGEST: Final = Duration.seconds(30)
_WHY: Final = "API Gateway answers 503 by then, and the client repeats what is still going on"


def check_api_timeout(api: FunctionOptions | lambda_.IFunction | None) -> None:
    """Refuse a size of the api function with which it would go on for nobody.

    Raises:
        InvalidPropsError: It may take longer than API Gateway waits.

    """
    timeout = api.timeout if isinstance(api, FunctionOptions) else None
    if timeout is not None and _is_longer(timeout):
        msg = (
            f"timeout of api must be at most {_LONGEST.to_human_string()}, got {timeout.to_human_string()}: "
            f"{_WHY}; publish asynchronously and let a handler do what takes long, or bring a function of "
            "your own, which may have other callers"
        )
        raise InvalidPropsError(msg)


def warn_if_outlives_gateway(function: lambda_.IFunction) -> None:
    """Warn of a function behind an HTTP API that may take longer than the API waits."""
    timeout = timeout_of(function)
    if timeout is not None and _is_longer(timeout):
        Annotations.of(original_of(function)).add_warning_v2(
            "cqrs:outlivesGateway",
            f"the timeout of this function is {timeout.to_human_string()}, and an HTTP API waits for "
            f"{_LONGEST.to_human_string()}: {_WHY}; lower the timeout, or let a handler do what takes long",
        )


def _is_longer(timeout: Duration) -> bool:
    return not timeout.is_unresolved() and timeout.to_milliseconds() > _LONGEST.to_milliseconds()
