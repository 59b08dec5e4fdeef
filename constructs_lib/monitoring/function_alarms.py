"""Alarms of the functions: calls that fail, are refused, or nearly take too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.functions.function_elsewhere import timeout_of
from constructs_lib.monitoring.watched import FIVE_MINUTES, Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.monitoring.alarm_thresholds import AlarmThresholds

__all__ = ["function_alarms"]


def function_alarms(name: str, function: lambda_.IFunction, thresholds: AlarmThresholds) -> Iterator[Watched]:
    """Watch one function, which ``name`` says what it is for."""
    if thresholds.function_errors is not None:
        yield Watched(
            name=f"FunctionErrors-{name}",
            metric=function.metric_errors(period=FIVE_MINUTES),
            threshold=thresholds.function_errors,
            periods=3,
            means=f"Calls of the function {name} keep failing. What it does not do is tried again for a "
            "time, and then parked or set aside.",
            next_step=f"the log of {name}; then 'cqrs status' for what has to be redriven",
        )
    if thresholds.function_throttles is not None:
        yield Watched(
            name=f"FunctionThrottles-{name}",
            metric=function.metric_throttles(period=FIVE_MINUTES),
            threshold=thresholds.function_throttles,
            periods=3,
            breaching=2,
            means=f"Calls of the function {name} are refused: its reserved concurrency or the account's is "
            "used up.",
            next_step="raise the limit, in FunctionOptions(reserved_concurrency=...) or in Service Quotas",
        )
    # A function from elsewhere does not tell its timeout.
    timeout = timeout_of(function)
    if thresholds.function_duration_percent is not None and timeout is not None:
        yield Watched(
            name=f"FunctionDuration-{name}",
            metric=function.metric_duration(period=FIVE_MINUTES, statistic="Maximum"),
            threshold=timeout.to_milliseconds() * thresholds.function_duration_percent / 100,
            periods=3,
            breaching=2,
            means=f"Calls of the function {name} take nearly as long as they may "
            f"({timeout.to_human_string()}), after which they are cut off.",
            next_step=f"the traces of {name}: what it waits for; or a longer timeout in FunctionOptions",
        )
