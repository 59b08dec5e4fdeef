"""Alarms of the way from a command to its data: stream, workflow, handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.monitoring.shared_alarms import Told, lag_of_streams, late, records_given_up
from constructs_lib.monitoring.watched import FIVE_MINUTES, Watched
from runtime.contract import Metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from constructs_lib.monitoring.alarm_thresholds import AlarmThresholds
    from constructs_lib.monitoring.service_metrics import ServiceMetrics
    from constructs_lib.pipeline.command_workflow import CommandWorkflow
    from constructs_lib.pipeline.healing import Healing
    from constructs_lib.pipeline.stream_processing import StreamProcessing
    from constructs_lib.tables.cqrs_table import CqrsTable

__all__ = ["healing_alarms", "module_alarms", "stream_alarms", "workflow_alarms"]


def stream_alarms(streams: Sequence[StreamProcessing], thresholds: AlarmThresholds) -> Iterator[Watched]:
    """Watch how far the streams are behind, and what was given up."""
    if thresholds.stream_lag is not None:
        yield from lag_of_streams(
            streams,
            name="StreamLag",
            milliseconds=thresholds.stream_lag.to_milliseconds(),
            told=Told(
                "New commands wait in the stream: its function fails, is throttled or is too slow. They are "
                "lost to the stream 24 hours after they were published.",
                "'cqrs status', then the log of the stream function; after an outage of more than 6 hours "
                "'cqrs reconcile'",
            ),
        )
    if thresholds.records_set_aside is not None:
        for stream in streams:
            yield from records_given_up(
                stream,
                threshold=thresholds.records_set_aside,
                aside=Told(
                    f"Stream records of {stream.module_name} failed until they were given up, and are in the "
                    "bucket of failed records: their commands are not applied.",
                    "the log of the stream function, then 'cqrs reconcile', which applies them",
                ),
                dropped=Told(
                    f"Stream records of {stream.module_name} were given up, and the bucket of failed records "
                    "did not take them: their commands are not applied.",
                    "'cqrs reconcile', which finds and applies them; then the bucket's policy",
                ),
            )


def workflow_alarms(workflow: CommandWorkflow, thresholds: AlarmThresholds) -> Iterator[Watched]:
    """Watch executions that did not end well, of each state machine."""
    machines = {"": workflow.state_machine}
    if workflow.apply_only is not None:
        machines["-apply"] = workflow.apply_only
    for suffix, machine in machines.items():
        if thresholds.executions_failed is not None:
            yield Watched(
                name=f"ExecutionsFailed{suffix}",
                metric=machine.metric_failed(period=FIVE_MINUTES),
                threshold=thresholds.executions_failed,
                means="Executions of the workflow failed: commands were not applied, or not finished.",
                next_step="'cqrs status', then 'cqrs reconcile' when the cause is mended",
            )
        if thresholds.executions_timed_out is not None:
            yield Watched(
                name=f"ExecutionsTimedOut{suffix}",
                metric=machine.metric_timed_out(period=FIVE_MINUTES),
                threshold=thresholds.executions_timed_out,
                means="Executions of the workflow took longer than they may: a step is slow or waited.",
                next_step="'cqrs status', then 'cqrs reconcile' when the cause is mended",
            )


def healing_alarms(
    healing: Healing, metrics: ServiceMetrics, thresholds: AlarmThresholds
) -> Iterator[Watched]:
    """Miss what the service does by itself every few minutes, whatever keeps it from that."""
    if thresholds.heals_missed is None:
        return
    # A look at a great deal that is unfinished may take as long as its function may run.
    short = not healing.heal_every.is_unresolved() and (
        healing.heal_every.to_seconds() < FIVE_MINUTES.to_seconds()
    )
    yield Watched(
        name="HealingStopped",
        metric=metrics.of_module(Metric.HEALS, period=FIVE_MINUTES if short else healing.heal_every),
        threshold=1,
        periods=thresholds.heals_missed,
        means="The service does not finish any more what was left unfinished: its own look at that fails, "
        "is throttled or switched off, runs out of time, or comes upon an aggregate that it cannot repair.",
        next_step="the log of the operator function, for 'not healed', 'not reconciled' and 'timed out'; if "
        "it was not called, the rule; until then 'cqrs reconcile' every now and then",
        is_state=True,
        is_heartbeat=True,
    )


def module_alarms(
    table: CqrsTable, metrics: ServiceMetrics, thresholds: AlarmThresholds
) -> Iterator[Watched]:
    """Watch what the functions themselves tell of one module."""
    module = table.module_name
    if thresholds.commands_failed is not None:
        yield Watched(
            name=f"CommandsFailed-{module}",
            module=module,
            metric=metrics.of_module(Metric.COMMANDS_FAILED, module),
            threshold=thresholds.commands_failed,
            means=f"Commands of {module} were not applied after all attempts. Later versions of their "
            "aggregates fail with them. Silence does not mean that they are healed.",
            next_step="'cqrs status', 'cqrs show PK SK', then 'cqrs reconcile' when the cause is mended",
        )
    if thresholds.commands_healed is not None:
        yield Watched(
            name=f"CommandsHealed-{module}",
            module=module,
            metric=metrics.of_module(Metric.COMMANDS_HEALED, module),
            threshold=thresholds.commands_healed,
            means=f"Commands of {module} were left unfinished, and the service finished them itself: they "
            "were late, and are not lost.",
            next_step="the other alarms of that time, and the log of the operator function, for what was "
            "left; 'cqrs status' for what is left still",
        )
    if thresholds.handlers_parked is not None and table.sync_table is not None:
        yield Watched(
            name=f"HandlersParked-{module}",
            module=module,
            metric=metrics.of_module(Metric.HANDLERS_PARKED, module),
            threshold=thresholds.handlers_parked,
            means=f"A data sync handler of {module} gave a command up. It and later versions of that "
            "aggregate are missing in the read model. Silence does not mean that it is healed.",
            next_step="'cqrs status' names it and its error; mend the cause, then 'cqrs redrive'",
        )
    if thresholds.command_lag is not None:
        yield late(
            "CommandLag",
            module,
            metrics.of_module(Metric.COMMAND_LAG, module, statistic="p99"),
            milliseconds=thresholds.command_lag.to_milliseconds(),
            told=Told(
                f"Commands of {module} are applied later than they should after they were published.",
                "'cqrs status'; look at the stream's age, throttles and executions on the dashboard",
            ),
        )
