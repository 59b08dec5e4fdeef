"""The dashboard that somebody on call opens first: from "is it healthy" down to "where is it stuck"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import aws_cloudwatch as cloudwatch

from constructs_lib.monitoring.graphs import FULL_WIDTH, row
from constructs_lib.monitoring.watched import FIVE_MINUTES
from constructs_lib.props.metric_sums import sum_of
from runtime.contract import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from constructs import Construct

    from constructs_lib.api.cqrs_api import CqrsApi
    from constructs_lib.messaging.notifications import Notifications
    from constructs_lib.monitoring.graphs import Graph
    from constructs_lib.monitoring.watched_parts import WatchedParts
    from constructs_lib.pipeline.command_workflow import CommandWorkflow

__all__ = ["new_dashboard"]

#: Of one widget; CloudWatch refuses a dashboard with more.
_MOST_ALARMS: Final = 100
_HELP: Final = """# {service}
Red above: read the alarm's description, it names the first step. `cqrs status` tells what is parked or
behind, `cqrs show PK SK` what happened to one aggregate. When the cause is mended: `cqrs redrive` for parked
handlers, `cqrs reconcile` for commands that were not applied, `cqrs replay-dlq` for dead letters."""
_HELP_ON_EVENTS: Final = """# {service}
Red above: read the alarm's description, it names the first step. `cqrs status` tells what is parked or
behind, `cqrs show PK` what happened to one aggregate. When the cause is mended: `cqrs redrive` for parked
handlers, `cqrs replay-dlq` for stream records that were given up, `cqrs handlers rebuild` for whatever a
handler has not seen."""


def new_dashboard(
    scope: Construct, parts: WatchedParts, alarms: Mapping[str, cloudwatch.Alarm]
) -> cloudwatch.Dashboard:
    """Make the dashboard ``Dashboard`` of the parts that there are."""
    is_of_events = parts.event_tables and not parts.tables and not parts.workflow
    text = (_HELP_ON_EVENTS if is_of_events else _HELP).format(service=parts.metrics.service)
    rows: list[list[cloudwatch.IWidget]] = [
        [cloudwatch.TextWidget(markdown=text, width=FULL_WIDTH, height=3)]
    ]
    rows[:0] = [[widget] for widget in _states(list(alarms.values()))]
    rows += [made for graphs in _rows(parts) if (made := row(graphs))]
    return cloudwatch.Dashboard(scope, "Dashboard", widgets=rows, default_interval=None)


def _states(alarms: Sequence[cloudwatch.Alarm]) -> list[cloudwatch.IWidget]:
    """Show how the alarms are, in as many widgets as that takes."""
    parts = [alarms[start : start + _MOST_ALARMS] for start in range(0, len(alarms), _MOST_ALARMS)]
    return [
        cloudwatch.AlarmStatusWidget(
            title="Alarms" if len(parts) == 1 else f"Alarms ({number} of {len(parts)})",
            alarms=list(part),
            width=FULL_WIDTH,
            height=min(2 + (len(part) + 3) // 4, 12),
        )
        for number, part in enumerate(parts, start=1)
    ]


def _rows(parts: WatchedParts) -> list[list[Graph]]:
    return [
        _commands(parts),
        _pipeline(parts),
        _events(parts),
        _api(parts.api) if parts.api else [],
        _functions(parts),
        _tables(parts),
        _notifications(parts, parts.notifications) if parts.notifications else [],
    ]


def _of_modules(parts: WatchedParts, metric: str, statistic: str = "Sum") -> list[cloudwatch.IMetric]:
    return [
        parts.metrics.of_module(metric, table.module_name, statistic=statistic).with_(label=table.module_name)
        for table in parts.tables
    ]


def _commands(parts: WatchedParts) -> list[Graph]:
    if not parts.tables:
        return []
    totals = [
        sum_of(label, _of_modules(parts, metric))
        for label, metric in (
            ("published", Metric.COMMANDS_PUBLISHED),
            ("applied", Metric.COMMANDS_APPLIED),
            ("failed", Metric.COMMANDS_FAILED),
            ("healed", Metric.COMMANDS_HEALED),
            ("handlers parked", Metric.HANDLERS_PARKED),
        )
    ]
    return [
        ("Commands", totals),
        ("Applied by module", _of_modules(parts, Metric.COMMANDS_APPLIED)),
        ("From publish to applied, p99 (ms)", _of_modules(parts, Metric.COMMAND_LAG, "p99")),
    ]


def _pipeline(parts: WatchedParts) -> list[Graph]:
    graphs: list[Graph] = []
    set_aside = (*parts.streams, *parts.event_streams)
    if parts.streams:
        ages = {
            stream.function.node.addr: stream.metric_iterator_age(period=FIVE_MINUTES)
            for stream in parts.streams
        }
        graphs.append(("Age of the stream (ms)", list(ages.values())))
    if set_aside:
        aside = [
            sum_of(label, [getattr(stream, f"metric_{what}")(period=FIVE_MINUTES) for stream in set_aside])
            for label, what in (("in the bucket", "set_aside"), ("dropped", "dropped"))
        ]
        failed = parts.metrics.of_module(Metric.RECORDS_FAILED).with_(label="tried again")
        graphs.append(("Records that failed", [failed, *aside]))
    if parts.workflow:
        graphs.append(("Executions", _executions(parts.workflow)))
    if parts.healing:
        graphs.append(("Looks for what is unfinished", [parts.metrics.of_module(Metric.HEALS)]))
    return graphs


def _executions(workflow: CommandWorkflow) -> list[cloudwatch.IMetric]:
    return [
        workflow.metric_started(period=FIVE_MINUTES),
        workflow.metric_succeeded(period=FIVE_MINUTES),
        workflow.metric_failed(period=FIVE_MINUTES),
        workflow.metric_timed_out(period=FIVE_MINUTES),
        workflow.metric_throttled(period=FIVE_MINUTES),
    ]


def _events(parts: WatchedParts) -> list[Graph]:
    if not parts.event_tables:
        return []

    def of_modules(metric: str, statistic: str = "Sum") -> list[cloudwatch.IMetric]:
        return [
            parts.metrics.of_module(metric, table.module_name, statistic=statistic).with_(
                label=table.module_name
            )
            for table in parts.event_tables
        ]

    totals = [
        sum_of(label, of_modules(metric))
        for label, metric in (
            ("appended", Metric.EVENTS_APPENDED),
            ("handled", Metric.EVENTS_HANDLED),
            ("appends refused", Metric.APPEND_CONFLICTS),
            ("handlers parked", Metric.EVENT_HANDLERS_PARKED),
        )
    ]
    ages = {
        stream.function.node.addr: stream.metric_iterator_age(period=FIVE_MINUTES)
        for stream in parts.event_streams
    }
    return [
        ("Events", totals),
        ("From append to handled, p99 (ms)", of_modules(Metric.EVENT_LAG, "p99") if ages else []),
        ("Age of the stream of events (ms)", list(ages.values())),
    ]


def _api(api: CqrsApi) -> list[Graph]:
    requests = [api.metric_requests(), api.metric_client_errors(), api.metric_server_errors()]
    latency = [api.http_api.metric("Latency", statistic=statistic) for statistic in ("p50", "p90", "p99")]
    return [("Requests", requests), ("Time to answer (ms)", latency)]


def _functions(parts: WatchedParts) -> list[Graph]:
    functions = parts.functions.items()
    return [
        ("Calls that failed", [f.metric_errors(period=FIVE_MINUTES, label=name) for name, f in functions]),
        ("Calls refused", [f.metric_throttles(period=FIVE_MINUTES, label=name) for name, f in functions]),
        (
            "Longest call (ms)",
            [
                f.metric_duration(period=FIVE_MINUTES, statistic="Maximum", label=name)
                for name, f in functions
            ],
        ),
    ]


def _tables(parts: WatchedParts) -> list[Graph]:
    throttled = [
        getattr(table, f"metric_throttled_{what}")().with_(label=f"{table.module_name} {what}")
        for table in parts.tables
        for what in ("commands", "data", "reads", "history")
    ]
    throttled += [
        getattr(table, f"metric_throttled_{what}")().with_(label=f"{table.module_name} {what}")
        for table in parts.event_tables
        for what in ("appends", "reads", "cursors")
    ]
    if parts.sequences is not None:
        throttled.append(sum_of("sequences", [parts.sequences.metric_throttled()]))
    written = [
        kind.metric("ConsumedWriteCapacityUnits", statistic="Sum", label=f"{table.module_name} {name}")
        for table in parts.tables
        for name, kind in (("command", table.command_table), ("data", table.data_table))
    ]
    written += [
        kind.metric("ConsumedWriteCapacityUnits", statistic="Sum", label=f"{table.module_name} {name}")
        for table in parts.event_tables
        for name, kind in (("events", table.events_table), ("sync", table.sync_table))
    ]
    return [("Tables: throttled", throttled), ("Tables: write units", written)]


def _notifications(parts: WatchedParts, notifications: Notifications) -> list[Graph]:
    lost = ("Notifications lost", [parts.metrics.of_module(Metric.NOTIFICATIONS_LOST)])
    dead = [notifications.metric_dead_letters()] if notifications.has_dead_letter_queue else []
    oldest = [] if notifications.alarms_only else [notifications.metric_oldest_message()]
    return [("Dead letters", dead), ("Oldest notification (s)", oldest), lost]
