"""Graphs of a dashboard, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import aws_cloudwatch as cloudwatch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    #: Title and metrics of a graph.
    Graph: TypeAlias = tuple[str, Sequence[cloudwatch.IMetric]]

__all__ = ["FULL_WIDTH", "row"]

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
