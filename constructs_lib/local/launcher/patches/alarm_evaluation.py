"""When an alarm rings.

AWS: "A metric is uniquely defined by a name, a namespace, and zero or more dimensions", and an
alarm goes to ALARM when of the last *evaluation periods* so many as *datapoints to alarm* breach
the threshold; a period without data counts as the alarm says
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html).

Stock takes every metric of the name for the alarm's, whatever its dimensions, and makes one
period of all of them.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from ministack.services import cloudwatch

from ..patching import replace

__all__ = ["apply"]

_COMPARISONS: dict[str, Any] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


def apply() -> None:
    """Evaluate an alarm period by period, over the metric with its dimensions."""

    def evaluate(alarm: dict[str, Any]) -> None:
        breaches = _COMPARISONS.get(alarm.get("ComparisonOperator", ""))
        if not alarm.get("MetricName") or breaches is None:
            stock(alarm)
            return
        periods = int(alarm.get("EvaluationPeriods", 1))
        values = _values(alarm, periods)
        if not values:
            return
        missing = 0 if alarm.get("TreatMissingData") != "breaching" else periods - len(values)
        breaching = missing + sum(breaches(value, alarm["Threshold"]) for value in values)
        needed = int(alarm.get("DatapointsToAlarm") or periods)
        _turn(alarm, "ALARM" if breaching >= needed else "OK", f"{breaching} of {periods} periods breach")

    stock = replace(
        cloudwatch,
        "_evaluate_alarm",
        evaluate,
        holding=("if k_ns == ns and k_mn == mn:", "stats = _calc_stats(recent)"),
    )


def _values(alarm: dict[str, Any], periods: int) -> list[float]:
    """The statistic of each of the last ``periods`` that has data."""
    dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm.get("Dimensions") or []}
    series = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions))
    now, seconds = time.time(), alarm.get("Period", 60)
    points: dict[int, list[Any]] = defaultdict(list)
    for point in list(cloudwatch._metrics.get(series) or ()):
        points[int(max(now - point["Timestamp"], 0) // seconds)].append(point)
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    found = [
        cloudwatch._stat_value(cloudwatch._calc_stats(points[age]), statistic, points[age])
        for age in range(periods)
        if points[age]
    ]
    return [value for value in found if value is not None]


def _turn(alarm: dict[str, Any], state: str, reason: str) -> None:
    before = alarm["StateValue"]
    if state == before:
        return
    alarm["StateValue"], alarm["StateReason"] = state, reason
    alarm["StateUpdatedTimestamp"] = int(time.time())
    cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)
