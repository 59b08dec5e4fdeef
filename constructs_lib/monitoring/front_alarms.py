"""Alarms of what users meet: the HTTP API, and the tables behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.monitoring.shared_alarms import throttles
from constructs_lib.monitoring.watched import FIVE_MINUTES, Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.api.cqrs_api import CqrsApi
    from constructs_lib.features.sequences import Sequences
    from constructs_lib.monitoring.alarm_thresholds import AlarmThresholds
    from constructs_lib.tables.cqrs_table import CqrsTable

__all__ = ["api_alarms", "sequence_alarms", "table_alarms"]


def api_alarms(api: CqrsApi, thresholds: AlarmThresholds) -> Iterator[Watched]:
    """Watch answers that are late or are the service's own fault."""
    if thresholds.api_server_errors is not None:
        yield Watched(
            name="ApiServerErrors",
            metric=api.metric_server_errors(period=FIVE_MINUTES),
            threshold=thresholds.api_server_errors,
            means="The API answers with 5xx: its function fails, is throttled or is cut off.",
            next_step="the log of the api function, and the access log for which routes",
        )
    if thresholds.api_latency is not None:
        yield Watched(
            name="ApiLatency",
            metric=api.metric_latency(period=FIVE_MINUTES),
            threshold=thresholds.api_latency.to_milliseconds(),
            periods=3,
            means="One request of a hundred waits too long for its answer.",
            next_step="the traces of the api function: cold starts, throttled tables, or a slow database",
            is_state=True,
        )


def table_alarms(table: CqrsTable, thresholds: AlarmThresholds) -> Iterator[Watched]:
    """Watch reads and writes that DynamoDB refuses."""
    if thresholds.table_throttles is None:
        return
    refused = {
        "Commands": (table.metric_throttled_commands(period=FIVE_MINUTES), "publishing fails"),
        "Data": (table.metric_throttled_data(period=FIVE_MINUTES), "commands are applied late"),
        "Reads": (table.metric_throttled_reads(period=FIVE_MINUTES), "reads fail"),
        "History": (table.metric_throttled_history(period=FIVE_MINUTES), "commands are applied late"),
    }
    yield from throttles(
        table.module_name,
        refused,
        threshold=thresholds.table_throttles,
        next_step="the table's metrics: one hot partition key, its max_write_request_units, or the "
        "account's quota; 'cqrs status' tells what is behind",
    )


def sequence_alarms(sequences: Sequences, thresholds: AlarmThresholds) -> Iterator[Watched]:
    """Watch numbers that DynamoDB refuses to count."""
    if thresholds.table_throttles is not None:
        yield Watched(
            name="ThrottledSequences",
            metric=sequences.metric_throttled(period=FIVE_MINUTES),
            threshold=thresholds.table_throttles,
            periods=3,
            breaching=2,
            means="DynamoDB throttles the table of sequences: numbers come late, or not at all.",
            next_step="which counter is hot: one takes 1000 numbers a second; take ranges of them "
            "(generate_sequence_range), or count by tenant or code",
        )
