"""The size of one of the service's functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from constructs_lib.props.strict_props import strict_dataclass

if TYPE_CHECKING:
    from aws_cdk import Duration

__all__ = ["FunctionOptions"]


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
