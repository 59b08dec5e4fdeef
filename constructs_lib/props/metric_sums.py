"""Sums of metrics, for graphs: an alarm of a sum costs as much as one of each, and does not say which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["sum_of"]


def sum_of(
    label: str, metrics: Sequence[cloudwatch.IMetric], *, period: Duration | None = None
) -> cloudwatch.IMetric:
    """Give the sum of ``metrics`` over ``period`` (5 minutes), where no data is nothing."""
    if len(metrics) == 1:
        return metrics[0].with_(label=label) if isinstance(metrics[0], cloudwatch.Metric) else metrics[0]
    names = {f"m{position}": metric for position, metric in enumerate(metrics)}
    # An id is needed once in a whole graph, and the label is.
    prefix = label.replace(" ", "_")
    return cloudwatch.MathExpression(
        expression=f"SUM([{', '.join(f'{prefix}_{name}' for name in names)}])",
        using_metrics={f"{prefix}_{name}": metric for name, metric in names.items()},
        label=label,
        period=period or Duration.minutes(5),
    )
