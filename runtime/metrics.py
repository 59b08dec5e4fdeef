"""What the functions count: CloudWatch metrics in the log (EMF), by module.

Counts are gathered while an event is handled and written once at its end, one line a
module. Tenants and keys are never dimensions.
"""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import Final

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

__all__ = [
    "COMMANDS_APPLIED",
    "COMMANDS_FAILED",
    "COMMANDS_PUBLISHED",
    "HANDLERS_PARKED",
    "NAMESPACE",
    "NOTIFICATIONS_LOST",
    "RECORDS_FAILED",
    "count",
    "flush",
]

NAMESPACE: Final = "Cqrs"
COMMANDS_PUBLISHED: Final = "CommandsPublished"
COMMANDS_APPLIED: Final = "CommandsApplied"
COMMANDS_FAILED: Final = "CommandsFailed"
HANDLERS_PARKED: Final = "HandlersParked"
RECORDS_FAILED: Final = "RecordsFailed"
NOTIFICATIONS_LOST: Final = "NotificationsLost"

_counts: Counter[tuple[str, str]] = Counter()
_lock = Lock()


def count(metric: str, module: str, number: int = 1) -> None:
    """Add ``number`` to a metric of a module."""
    if number:
        with _lock:
            _counts[module, metric] += number


def flush() -> None:
    """Write what was counted since the last time, and begin anew."""
    with _lock:
        counts = dict(_counts)
        _counts.clear()
    for module in sorted({module for module, _ in counts}):
        metrics = EphemeralMetrics(namespace=NAMESPACE, service="cqrs")
        metrics.add_dimension("module", module)
        for (owner, metric), number in counts.items():
            if owner == module:
                metrics.add_metric(metric, MetricUnit.Count, number)
        metrics.flush_metrics()
