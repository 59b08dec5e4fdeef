"""What is watched of commands and of events alike: streams, what was given up, throttles."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from constructs_lib.monitoring.watched import FIVE_MINUTES, Watched

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aws_cdk import aws_cloudwatch as cloudwatch

    from constructs_lib.pipeline.table_stream import TableStream

__all__ = ["Told", "lag_of_streams", "late", "records_given_up", "throttles"]


class Told(NamedTuple):
    """What an alarm tells.

    Attributes:
        means: What it means, in a sentence or two.
        next_step: What an operator does first.
    """

    means: str
    next_step: str


def lag_of_streams(
    streams: Sequence[TableStream], *, name: str, milliseconds: float, told: Told
) -> Iterator[Watched]:
    """Watch how far streams are behind: Lambda tells it by function."""
    by_function = {stream.function.node.addr: stream for stream in reversed(streams)}
    for stream in by_function.values():
        yield Watched(
            name=name if len(by_function) == 1 else f"{name}-{stream.module_name}",
            metric=stream.metric_iterator_age(period=FIVE_MINUTES),
            threshold=milliseconds,
            means=told.means,
            next_step=told.next_step,
            is_state=True,
        )


def records_given_up(
    stream: TableStream, *, threshold: float, aside: Told, dropped: Told
) -> Iterator[Watched]:
    """Watch records that are in the bucket, and those that are not even there."""
    for what, metric, told in (
        ("SetAside", stream.metric_set_aside(period=FIVE_MINUTES), aside),
        ("Dropped", stream.metric_dropped(period=FIVE_MINUTES), dropped),
    ):
        yield Watched(
            name=f"Records{what}-{stream.module_name}",
            module=stream.module_name,
            metric=metric,
            threshold=threshold,
            means=told.means,
            next_step=told.next_step,
        )


def late(name: str, module: str, metric: cloudwatch.IMetric, *, milliseconds: float, told: Told) -> Watched:
    """Watch how long something waits, which single slow ones do not make an alarm."""
    return Watched(
        name=f"{name}-{module}",
        module=module,
        metric=metric,
        threshold=milliseconds,
        periods=3,
        breaching=2,
        means=told.means,
        next_step=told.next_step,
        is_state=True,
    )


def throttles(
    module: str, refused: Mapping[str, tuple[cloudwatch.IMetric, str]], *, threshold: float, next_step: str
) -> Iterator[Watched]:
    """Watch reads and writes that DynamoDB refuses.

    Args:
        module: The module.
        refused: For each alarm, by what is refused: its metric, and what comes of it.
        threshold: How many are too many.
        next_step: What an operator does first.

    """
    for what, (metric, effect) in refused.items():
        yield Watched(
            name=f"Throttled{what}-{module}",
            module=module,
            metric=metric,
            threshold=threshold,
            periods=3,
            breaching=2,
            means=f"DynamoDB throttles a table of {module}: {effect}, after some attempts.",
            next_step=next_step,
        )
