"""Graphs of a dashboard, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import aws_cloudwatch as cloudwatch

from constructs_lib.monitoring.watched import FIVE_MINUTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    #: Title and metrics of a graph.
    Graph: TypeAlias = tuple[str, Sequence[cloudwatch.IMetric]]

__all__ = ["FULL_WIDTH", "row", "sum_of"]

FULL_WIDTH: Final = 24
_MOST_METRICS: Final = 500


def row(graphs: Sequence[Graph]) -> list[cloudwatch.IWidget]:
    """Give one row of ``graphs`` that share its width; a graph without metrics is left out."""
    shown = [(title, metrics) for title, metrics in graphs if metrics]
    return [
        cloudwatch.GraphWidget(
            title=title,
            left=list(metrics)[:_MOST_METRICS],
            left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
            width=FULL_WIDTH // len(shown),
            height=6,
        )
        for title, metrics in shown
    ]


def sum_of(label: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.IMetric:
    """Give the sum of ``metrics``, where no data is nothing."""
    if len(metrics) == 1:
        return metrics[0].with_(label=label) if isinstance(metrics[0], cloudwatch.Metric) else metrics[0]
    names = {f"m{position}": metric for position, metric in enumerate(metrics)}
    # An id is needed once in a whole graph, and the label is.
    prefix = label.replace(" ", "_")
    return cloudwatch.MathExpression(
        expression=f"SUM([{', '.join(f'{prefix}_{name}' for name in names)}])",
        using_metrics={f"{prefix}_{name}": metric for name, metric in names.items()},
        label=label,
        period=FIVE_MINUTES,
    )
