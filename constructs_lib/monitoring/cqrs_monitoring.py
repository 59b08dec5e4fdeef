"""The alarms and the dashboard of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import NestedStack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.monitoring.alarm_thresholds import AlarmThresholds
from constructs_lib.monitoring.dashboard import new_dashboard
from constructs_lib.monitoring.event_alarms import (
    event_module_alarms,
    event_stream_alarms,
    event_table_alarms,
)
from constructs_lib.monitoring.front_alarms import api_alarms, sequence_alarms, table_alarms
from constructs_lib.monitoring.function_alarms import function_alarms
from constructs_lib.monitoring.messaging_alarms import messaging_alarms
from constructs_lib.monitoring.pipeline_alarms import (
    healing_alarms,
    module_alarms,
    stream_alarms,
    workflow_alarms,
)
from constructs_lib.monitoring.service_metrics import ServiceMetrics
from constructs_lib.monitoring.watched import Watched
from constructs_lib.monitoring.watched_parts import WatchedParts
from constructs_lib.pipeline.event_processing import EventProcessing
from constructs_lib.pipeline.stream_processing import StreamProcessing
from constructs_lib.props.checks import check_length
from constructs_lib.props.prop_types import named
from constructs_lib.props.strict_props import strict_props
from constructs_lib.tables.cqrs_table import CqrsTable
from constructs_lib.tables.event_store_table import EventStoreTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_sns as sns

    from constructs_lib.api.cqrs_api import CqrsApi
    from constructs_lib.features.sequences import Sequences
    from constructs_lib.messaging.notifications import Notifications
    from constructs_lib.pipeline.command_workflow import CommandWorkflow
    from constructs_lib.pipeline.healing import Healing

__all__ = ["CqrsMonitoring"]

#: The dashboard takes each alarm as an output of its stack, of which there may be 200: 10 a module.
_MODULES_OF_A_NEST: Final = 15
_LONGEST_DESCRIPTION: Final = 1024
_Operator = cloudwatch.ComparisonOperator
_Missing = cloudwatch.TreatMissingData


class CqrsMonitoring(Construct):
    """Alarms for whatever stops a command, and a dashboard to see where.

    Watches the parts that it is given. Each alarm goes to the alarm topic and says what it
    means and what to do first. An idle service is silent: no data is no alarm, except of
    ``healing``, which is never idle. What shows
    a state, such as a queue's depth, also tells when it is over; what counts events, such
    as parked handlers, does not: when no more are parked, those that were still are.

    Example:
        >>> CqrsMonitoring(self, "Monitoring", app_name="shop", notifications=notifications, tables=[orders])

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        app_name: What the functions have as APP_NAME; alarms begin with it.
        env_name: What the functions have as NODE_ENV. Defaults to "dev".
        notifications: Queue and dead letters to watch, and the topic for alarms. Defaults to
            none.
        alarm_topic: An existing topic for the alarms, whose key lets CloudWatch use it.
            Defaults to that of ``notifications``.
        tables: The modules to watch, of both kinds: throttles, and what the functions tell of each. Defaults
            to none.
        streams: From where commands, and events, come, for lag and records that were set aside. Defaults
            to none.
        workflow: Executions to watch. Defaults to none.
        functions: Functions to watch, by a name that says what each is for. Defaults to none.
        api: The HTTP API to watch. Defaults to none.
        healing: What finishes unfinished commands, to be missed when it stops. Defaults to none.
        sequences: The table that numbers are counted in. Defaults to none.
        thresholds: When the alarms ring. Defaults to `AlarmThresholds`.
        dashboard: Whether there is a dashboard. Defaults to True.
        nested_alarms: Whether the alarms of the modules are in nested stacks, of 15 modules each, so that
            they do not count among the 500 resources of the stack. Switched on or off, alarms are made
            anew, with their history. Defaults to False.

    Raises:
        InvalidPropsError: There is no topic for alarms, or nothing to watch.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        app_name: str,
        env_name: str = "dev",
        notifications: Notifications | None = None,
        alarm_topic: sns.ITopic | None = None,
        tables: Sequence[CqrsTable | EventStoreTable] = (),
        streams: Sequence[StreamProcessing | EventProcessing] = (),
        workflow: CommandWorkflow | None = None,
        functions: Mapping[str, lambda_.IFunction] | None = None,
        api: CqrsApi | None = None,
        healing: Healing | None = None,
        sequences: Sequences | None = None,
        thresholds: AlarmThresholds | None = None,
        dashboard: bool = True,
        nested_alarms: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self.alarm_topic = _topic(alarm_topic, notifications)
        self._notify = actions.SnsAction(self.alarm_topic)
        self.thresholds = thresholds or AlarmThresholds()
        self.metrics = ServiceMetrics(app_name=app_name, env_name=env_name)
        self.alarms: dict[str, cloudwatch.Alarm] = {}
        _check_kinds("tables", tables, (CqrsTable, EventStoreTable))
        _check_kinds("streams", streams, (StreamProcessing, EventProcessing))
        parts = WatchedParts(
            metrics=self.metrics,
            notifications=notifications,
            tables=tuple(table for table in tables if isinstance(table, CqrsTable)),
            streams=tuple(stream for stream in streams if isinstance(stream, StreamProcessing)),
            event_tables=tuple(table for table in tables if isinstance(table, EventStoreTable)),
            event_streams=tuple(stream for stream in streams if isinstance(stream, EventProcessing)),
            workflow=workflow,
            functions=dict(functions or {}),
            api=api,
            healing=healing,
            sequences=sequences,
        )
        if parts.is_empty:
            msg = (
                f"{self.node.path} must watch something, got no part of a service; "
                "give tables, streams, workflow, functions, api, healing, sequences or notifications"
            )
            raise InvalidPropsError(msg)
        nests = _Nests(self) if nested_alarms else None
        for watched in _watched(parts, self.thresholds):
            self._add(watched, nests.of(watched.module) if nests and watched.module else self)
        self.dashboard: cloudwatch.Dashboard | None = None
        if dashboard:
            self.dashboard = new_dashboard(self, parts, self.alarms)

    def add_alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        *,
        means: str,
        next_step: str,
        periods: int = 1,
        breaching: int | None = None,
        is_state: bool = False,
    ) -> cloudwatch.Alarm:
        """Add an alarm of your own that goes where the others go. It is not on the dashboard.

        Args:
            name: Its id, and its key in `alarms`.
            metric: What is measured, with its period and statistic.
            threshold: It rings at this value or above.
            means: What it means, in a sentence.
            next_step: What an operator does first.
            periods: How many periods are looked at.
            breaching: In how many of them the threshold must be reached. Defaults to all.
            is_state: Whether it also tells when it is over.

        Raises:
            InvalidPropsError: The texts are longer than CloudWatch allows.

        """
        return self._add(
            Watched(
                name=name,
                metric=metric,
                threshold=threshold,
                means=means,
                next_step=next_step,
                periods=periods,
                breaching=breaching,
                is_state=is_state,
            ),
            self,
        )

    def _add(self, watched: Watched, scope: Construct) -> cloudwatch.Alarm:
        description = f"{self.metrics.service}: {watched.means} Next: {watched.next_step}."
        check_length(
            f"means and next_step of {watched.name}, together with the name of the service,",
            description,
            _LONGEST_DESCRIPTION,
            hint="name a page that says the rest",
        )
        alarm = cloudwatch.Alarm(
            scope,
            watched.name,
            metric=watched.metric,
            threshold=watched.threshold,
            comparison_operator=_Operator.LESS_THAN_THRESHOLD
            if watched.is_heartbeat
            else _Operator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=watched.periods,
            datapoints_to_alarm=watched.breaching or watched.periods,
            treat_missing_data=_Missing.BREACHING if watched.is_heartbeat else _Missing.NOT_BREACHING,
            alarm_description=description,
        )
        alarm.add_alarm_action(self._notify)
        if watched.is_state:
            alarm.add_ok_action(self._notify)
        self.alarms[watched.name] = alarm
        return alarm


class _Nests:
    """Nested stacks for the alarms of modules, in the order in which the modules come."""

    def __init__(self, scope: Construct) -> None:
        self._scope = scope
        self._modules: list[str] = []
        self._stacks: list[NestedStack] = []

    def of(self, module: str) -> NestedStack:
        """Give the nested stack of a module."""
        if module not in self._modules:
            if len(self._modules) % _MODULES_OF_A_NEST == 0:
                self._stacks.append(NestedStack(self._scope, f"Alarms{len(self._stacks) + 1}"))
            self._modules.append(module)
        return self._stacks[self._modules.index(module) // _MODULES_OF_A_NEST]


def _watched(parts: WatchedParts, thresholds: AlarmThresholds) -> Iterator[Watched]:
    yield from stream_alarms(parts.streams, thresholds)
    yield from event_stream_alarms(parts.event_streams, thresholds)
    if parts.workflow is not None:
        yield from workflow_alarms(parts.workflow, thresholds)
    for table in parts.tables:
        yield from module_alarms(table, parts.metrics, thresholds)
    for events in parts.event_tables:
        yield from event_module_alarms(events, parts.metrics, thresholds)
    if parts.healing is not None:
        yield from healing_alarms(parts.healing, parts.metrics, thresholds)
    if parts.notifications is not None:
        yield from messaging_alarms(parts.notifications, parts.metrics, thresholds)
    if parts.api is not None:
        yield from api_alarms(parts.api, thresholds)
    for name, function in parts.functions.items():
        yield from function_alarms(name, function, thresholds)
    yield from _watched_tables(parts, thresholds)


def _watched_tables(parts: WatchedParts, thresholds: AlarmThresholds) -> Iterator[Watched]:
    for table in parts.tables:
        yield from table_alarms(table, thresholds)
    for events in parts.event_tables:
        yield from event_table_alarms(events, thresholds)
    if parts.sequences is not None:
        yield from sequence_alarms(parts.sequences, thresholds)


def _check_kinds(prop: str, given: Sequence[Construct], kinds: tuple[type[Construct], ...]) -> None:
    """Refuse what is of no kind that is watched: it would be passed over."""
    for number, part in enumerate(given):
        if not isinstance(part, kinds):
            wanted = " or ".join(named(kind.__name__) for kind in kinds)
            path, kind = part.node.path, named(type(part).__name__)
            msg = f"{prop}[{number}] must be {wanted}, got {path}, {kind}; leave it out"
            raise InvalidPropsError(msg)


def _topic(given: sns.ITopic | None, notifications: Notifications | None) -> sns.ITopic:
    if given is not None:
        return given
    if notifications is None:
        msg = "alarm_topic must be given without notifications, got None; pass the topic that alarms go to"
        raise InvalidPropsError(msg)
    return notifications.alarm_topic
