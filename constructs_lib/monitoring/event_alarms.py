"""Alarms of the way from an event to its handlers: stream, handlers, tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.monitoring.shared_alarms import (
    Told,
    lag_of_streams,
    late,
    records_given_up,
    throttles,
)
from constructs_lib.monitoring.watched import FIVE_MINUTES, Watched
from runtime.contract import Metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from constructs_lib.monitoring.alarm_thresholds import AlarmThresholds
    from constructs_lib.monitoring.service_metrics import ServiceMetrics
    from constructs_lib.pipeline.event_processing import EventProcessing
    from constructs_lib.tables.event_store_table import EventStoreTable

__all__ = ["event_module_alarms", "event_stream_alarms", "event_table_alarms"]


def event_stream_alarms(streams: Sequence[EventProcessing], thresholds: AlarmThresholds) -> Iterator[Watched]:
    """Watch how far the streams of events are behind, and what was given up."""
    if thresholds.event_stream_lag is not None:
        yield from lag_of_streams(
            streams,
            name="EventStreamLag",
            milliseconds=thresholds.event_stream_lag.to_milliseconds(),
            told=Told(
                "New events wait in the stream: a read model is out of reach, or the function that runs the "
                "handlers fails, is throttled or is too slow. They are lost to the stream 24 hours after "
                "they were appended, and stay in their table.",
                "'cqrs status', then the log of the projector function; after an outage of more than 6 hours "
                "'cqrs handlers rebuild'",
            ),
        )
    if thresholds.records_set_aside is not None:
        for stream in streams:
            yield from records_given_up(
                stream,
                threshold=thresholds.records_set_aside,
                aside=Told(
                    f"Stream records of {stream.module_name} became too old, and are in the bucket of "
                    "failed records: handlers have not seen these events, and see them with the next one of "
                    "each aggregate.",
                    "the log of the projector function, then 'cqrs replay-dlq'",
                ),
                dropped=Told(
                    f"Stream records of {stream.module_name} became too old, and the bucket of failed "
                    "records did not take them: handlers have not seen these events, which are in their "
                    "table.",
                    "'cqrs handlers rebuild', which finds them; then the bucket's policy",
                ),
            )


def event_module_alarms(
    table: EventStoreTable, metrics: ServiceMetrics, thresholds: AlarmThresholds
) -> Iterator[Watched]:
    """Watch what the functions themselves tell of the handlers of one module."""
    if not table.has_handlers:
        return
    module = table.module_name
    if thresholds.handlers_parked is not None:
        yield Watched(
            name=f"EventHandlersParked-{module}",
            module=module,
            metric=metrics.of_module(Metric.EVENT_HANDLERS_PARKED, module),
            threshold=thresholds.handlers_parked,
            means=f"An event handler of {module} gave an event up. It and later events of that aggregate are "
            "missing in what the handler makes. Silence does not mean that it is healed.",
            next_step="'cqrs status' names it and its error; mend the cause, then 'cqrs redrive'",
        )
    if thresholds.event_lag is not None:
        yield late(
            "EventLag",
            module,
            metrics.of_module(Metric.EVENT_LAG, module, statistic="p99"),
            milliseconds=thresholds.event_lag.to_milliseconds(),
            told=Told(
                f"Events of {module} are handled later than they should after they were appended.",
                "'cqrs status'; look at the age of the stream of events and at throttles on the dashboard",
            ),
        )


def event_table_alarms(table: EventStoreTable, thresholds: AlarmThresholds) -> Iterator[Watched]:
    """Watch reads and writes that DynamoDB refuses."""
    if thresholds.table_throttles is None:
        return
    refused = {
        "Appends": (table.metric_throttled_appends(period=FIVE_MINUTES), "commands fail"),
        "Reads": (table.metric_throttled_reads(period=FIVE_MINUTES), "commands and handlers fail"),
    }
    if table.has_handlers:
        refused["Cursors"] = (table.metric_throttled_cursors(period=FIVE_MINUTES), "handlers are late")
    yield from throttles(
        table.module_name,
        refused,
        threshold=thresholds.table_throttles,
        next_step="the table's metrics: one aggregate that is written all the time, its "
        "max_write_request_units, or the account's quota",
    )
