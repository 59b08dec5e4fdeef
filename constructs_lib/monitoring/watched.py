"""One thing that is watched: a metric, when it is too much, and what to do then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aws_cdk import Duration

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch

__all__ = ["FIVE_MINUTES", "Watched"]

FIVE_MINUTES: Final = Duration.minutes(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What an alarm is made of.

    Each watches one metric. CloudWatch bills metric math by the metrics in it, so a sum
    over functions or tables would cost the same and would not say which of them it was.

    Attributes:
        name: Id of the alarm: what it watches, and of which module or function.
        metric: What is measured, with its period and statistic.
        threshold: The alarm rings at this value or above, unless it is a heartbeat.
        means: What it means, in a sentence or two.
        next_step: What an operator does first.
        periods: How many periods are looked at.
        breaching: In how many of them the threshold must be reached. Defaults to all.
        is_state: Whether the metric shows a state, which can be over, and not events: when
            no more handlers are parked, those that were still are.
        is_heartbeat: Whether it rings below the threshold instead, and where there is no data.
        module: The module that it is about. Defaults to None: the whole service.
    """

    name: str
    metric: cloudwatch.IMetric
    threshold: float
    means: str
    next_step: str
    periods: int = 1
    breaching: int | None = None
    is_state: bool = False
    is_heartbeat: bool = False
    module: str | None = None
