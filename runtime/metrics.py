"""What the functions count: CloudWatch metrics in the log (EMF), by module.

Counts are gathered while an event is handled and written once at its end, one line a
module. Tenants and keys are never dimensions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from threading import Lock
from typing import Final

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from runtime.log import logger

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

#: What a count was for, beside the metrics and not a dimension of them; a few are enough.
_CORRELATION: Final = ("request_id", "execution_id")
_MOST_IDS: Final = 10

_counts: Counter[tuple[str, str]] = Counter()
_ids: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
_lock = Lock()


def count(metric: str, module: str, number: int = 1) -> None:
    """Add ``number`` to a metric of a module."""
    if number:
        keys = logger.thread_safe_get_current_keys()
        with _lock:
            _counts[module, metric] += number
            for name in _CORRELATION:
                if keys.get(name) and len(_ids[module, name]) < _MOST_IDS:
                    _ids[module, name].add(str(keys[name]))


def flush() -> None:
    """Write what was counted since the last time, and begin anew."""
    with _lock:
        counts, ids = dict(_counts), dict(_ids)
        _counts.clear()
        _ids.clear()
    for module in sorted({module for module, _ in counts}):
        metrics = EphemeralMetrics(namespace=NAMESPACE, service="cqrs")
        metrics.add_dimension("module", module)
        for (owner, metric), number in counts.items():
            if owner == module:
                metrics.add_metric(metric, MetricUnit.Count, number)
        for name in _CORRELATION:
            if found := ids.get((module, name)):
                metrics.add_metadata(f"{name}s", sorted(found))
        metrics.flush_metrics()
