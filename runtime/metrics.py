"""What the functions measure: CloudWatch metrics in the log (EMF), by service and module.

Values are gathered while an event is handled and written once at its end, one line a
module. Tenants and keys are never dimensions.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from runtime.contract import METRIC_MODULE, METRIC_NAMESPACE, Env, Metric, metric_service
from runtime.log import logger

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "APPEND_CONFLICTS",
    "COMMANDS_APPLIED",
    "COMMANDS_FAILED",
    "COMMANDS_HEALED",
    "COMMANDS_PUBLISHED",
    "COMMAND_LAG",
    "EVENTS_APPENDED",
    "EVENTS_HANDLED",
    "EVENT_HANDLERS_PARKED",
    "EVENT_LAG",
    "HANDLERS_PARKED",
    "HEALS",
    "NAMESPACE",
    "NOTIFICATIONS_LOST",
    "RECORDS_FAILED",
    "count",
    "flush",
    "observe",
]

NAMESPACE: Final = METRIC_NAMESPACE
COMMANDS_PUBLISHED: Final = Metric.COMMANDS_PUBLISHED
COMMANDS_APPLIED: Final = Metric.COMMANDS_APPLIED
COMMANDS_FAILED: Final = Metric.COMMANDS_FAILED
COMMANDS_HEALED: Final = Metric.COMMANDS_HEALED
COMMAND_LAG: Final = Metric.COMMAND_LAG
HANDLERS_PARKED: Final = Metric.HANDLERS_PARKED
HEALS: Final = Metric.HEALS
RECORDS_FAILED: Final = Metric.RECORDS_FAILED
NOTIFICATIONS_LOST: Final = Metric.NOTIFICATIONS_LOST
EVENTS_APPENDED: Final = Metric.EVENTS_APPENDED
APPEND_CONFLICTS: Final = Metric.APPEND_CONFLICTS
EVENTS_HANDLED: Final = Metric.EVENTS_HANDLED
EVENT_LAG: Final = Metric.EVENT_LAG
EVENT_HANDLERS_PARKED: Final = Metric.EVENT_HANDLERS_PARKED

#: What a count was for, beside the metrics and not a dimension of them; a few are enough.
_CORRELATION: Final = ("request_id", "execution_id")
_MOST_IDS: Final = 10

#: CloudWatch takes 100 values of a metric in one line. At 100 Powertools writes by itself,
#: and a line that is then empty would be one too many.
_MOST_VALUES: Final = 99


@dataclass(slots=True)
class _Gathered:
    """What was measured of one module since the last line."""

    counts: Counter[str] = field(default_factory=Counter)
    times: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ids: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


_gathered: defaultdict[str, _Gathered] = defaultdict(_Gathered)
_lock = Lock()


def count(metric: str, module: str, number: int = 1, *, is_heartbeat: bool = False) -> None:
    """Add ``number`` to a metric of a module.

    Args:
        metric: One of the names above.
        module: The module.
        number: How many. 0 is not written, unless:
        is_heartbeat: Somebody waits for the metric, so that 0 says more than silence does.
    """
    if number or is_heartbeat:
        keys = logger.thread_safe_get_current_keys()
        with _lock:
            gathered = _gathered[module]
            gathered.counts[metric] += number
            for name in _CORRELATION:
                if keys.get(name) and len(gathered.ids[name]) < _MOST_IDS:
                    gathered.ids[name].add(str(keys[name]))


def observe(metric: str, module: str, milliseconds: Iterable[float]) -> None:
    """Add durations to a metric of a module."""
    if values := list(milliseconds):
        with _lock:
            _gathered[module].times[metric] += values


def flush() -> None:
    """Write what was gathered since the last time, and start again from nothing."""
    with _lock:
        gathered = sorted(_gathered.items())
        _gathered.clear()
    for module, measured in gathered:
        _write(module, measured)


def _write(module: str, measured: _Gathered) -> None:
    line = _line(module)
    for metric, number in measured.counts.items():
        line.add_metric(metric, MetricUnit.Count, number)
    for metric, values in measured.times.items():
        for position, value in enumerate(values):
            if position and position % _MOST_VALUES == 0:
                line.flush_metrics()
                line = _line(module)
            line.add_metric(metric, MetricUnit.Milliseconds, value)
    for name, ids in measured.ids.items():
        line.add_metadata(f"{name}s", sorted(ids))
    line.flush_metrics()


def _line(module: str) -> EphemeralMetrics:
    service = metric_service(os.environ.get(Env.NODE_ENV), os.environ.get(Env.APP_NAME))
    line = EphemeralMetrics(namespace=METRIC_NAMESPACE, service=service)
    line.add_dimension(METRIC_MODULE, module)
    return line
