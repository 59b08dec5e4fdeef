"""The longest wait between the attempts of a Step Functions state.

AWS: `MaxDelaySeconds` is "a positive integer that sets the maximum value, in seconds, up to
which a retry interval can increase", and `JitterStrategy` `FULL` picks a random wait between
none and that interval
(https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html).

Stock knows neither: the wait doubles up to a minute of its own.
"""

from __future__ import annotations

import random
from typing import Any

from ministack.services import stepfunctions

from ..patching import replace

__all__ = ["apply"]


def apply() -> None:
    """Hand out the retrier with the interval that its fields mean for the next attempt."""

    def find(retriers: list[dict[str, Any]], error: str, counts: dict[int, int]) -> tuple[Any, int]:
        retrier, index = stock(retriers, error, counts)
        if retrier is None:
            return None, index
        return {**retrier, "IntervalSeconds": _delay(retrier, counts.get(index, 0)), "BackoffRate": 1}, index

    # The functions that wait have their own arithmetic: with a rate of 1 it gives our interval.
    for name in ("_execute_task", "_with_retry_and_catch"):
        function = getattr(stepfunctions, name)
        replace(stepfunctions, name, function, holding=("_find_matching_retrier(", "** count"))
    stock = replace(
        stepfunctions,
        "_find_matching_retrier",
        find,
        holding=("return retrier, idx", 'retrier.get("MaxAttempts", 3)'),
    )


def _delay(retrier: dict[str, Any], attempts: int) -> float:
    delay = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** attempts
    delay = min(delay, float(retrier.get("MaxDelaySeconds", delay)))
    if retrier.get("JitterStrategy") == "FULL":
        return random.uniform(0, delay)  # noqa: S311 - spreads load, keeps no secret
    return delay
