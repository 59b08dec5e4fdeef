"""The monitoring of a `CqrsStack`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.monitoring.alarm_thresholds import AlarmThresholds
from constructs_lib.monitoring.cqrs_monitoring import CqrsMonitoring

if TYPE_CHECKING:
    from constructs_lib.stack.cqrs_stack import CqrsStack

__all__ = ["stack_monitoring"]


def stack_monitoring(
    stack: CqrsStack,
    given: AlarmThresholds | bool,  # noqa: FBT001 - a prop
    *,
    app_name: str,
    env_name: str,
) -> CqrsMonitoring | None:
    """Watch every part of ``stack``, at the thresholds given or the default ones; None for False."""
    if given is False:
        return None
    functions = stack.functions
    return CqrsMonitoring(
        stack,
        "Monitoring",
        app_name=app_name,
        env_name=env_name,
        notifications=stack.notifications,
        tables=list(stack.tables.values()),
        streams=list(stack.streams.values()),
        workflow=stack.workflow,
        functions={
            "api": functions.api,
            "stream": functions.stream,
            "worker": functions.worker,
            "notifier": functions.notifier,
        },
        api=stack.api,
        thresholds=given if isinstance(given, AlarmThresholds) else None,
    )
