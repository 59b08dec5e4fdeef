"""The parts of a service that are watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.api.cqrs_api import CqrsApi
    from constructs_lib.features.sequences import Sequences
    from constructs_lib.messaging.notifications import Notifications
    from constructs_lib.monitoring.service_metrics import ServiceMetrics
    from constructs_lib.pipeline.command_workflow import CommandWorkflow
    from constructs_lib.pipeline.event_processing import EventProcessing
    from constructs_lib.pipeline.healing import Healing
    from constructs_lib.pipeline.stream_processing import StreamProcessing
    from constructs_lib.tables.cqrs_table import CqrsTable
    from constructs_lib.tables.event_store_table import EventStoreTable

__all__ = ["WatchedParts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedParts:
    """What a `CqrsMonitoring` was given, as its alarms and its dashboard need it."""

    metrics: ServiceMetrics
    notifications: Notifications | None
    tables: tuple[CqrsTable, ...]
    streams: tuple[StreamProcessing, ...]
    event_tables: tuple[EventStoreTable, ...]
    event_streams: tuple[EventProcessing, ...]
    workflow: CommandWorkflow | None
    functions: Mapping[str, lambda_.IFunction]
    api: CqrsApi | None
    healing: Healing | None
    sequences: Sequences | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to watch."""
        one = self.notifications or self.workflow or self.api or self.healing or self.sequences
        of_modules = self.tables or self.streams or self.event_tables or self.event_streams
        return not (one or of_modules or self.functions)
