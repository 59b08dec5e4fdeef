"""The size of one of the service's functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aws_cdk import Duration

from constructs_lib.props.strict_props import strict_dataclass
from runtime.contract import FunctionKind

__all__ = ["TIMEOUTS", "FunctionOptions"]

#: How long one call of each function may take, where nothing else is given.
TIMEOUTS: Final = {
    FunctionKind.API: Duration.seconds(29),
    FunctionKind.STREAM: Duration.minutes(1),
    FunctionKind.WORKER: Duration.minutes(1),
    FunctionKind.NOTIFIER: Duration.seconds(30),
    FunctionKind.OPERATOR: Duration.minutes(15),
}


@strict_dataclass
@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionOptions:
    """How large one function is. What is left out keeps the default of that function.

    Example:
        >>> CqrsStack(app, "Shop", ..., worker=FunctionOptions(memory_size=1024))

    Attributes:
        memory_size: Memory in MiB, from 128 to 10240; CPU grows with it. Defaults to 512.
        timeout: How long one call may take. Defaults to 29 seconds for api, as API Gateway
            waits no longer, 1 minute for stream and worker, 30 seconds
            for notifier, and 15 minutes for operator.
        reserved_concurrency: Calls at the same time that are set aside for, and are the
            limit of, the function. Defaults to the account's shared pool.

    """

    memory_size: int = 512
    timeout: Duration | None = None
    reserved_concurrency: int | None = None
