"""The parts of a service that are watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.api.cqrs_api import CqrsApi
    from constructs_lib.messaging.notifications import Notifications
    from constructs_lib.monitoring.service_metrics import ServiceMetrics
    from constructs_lib.pipeline.command_workflow import CommandWorkflow
    from constructs_lib.pipeline.healing import Healing
    from constructs_lib.pipeline.stream_processing import StreamProcessing
    from constructs_lib.tables.cqrs_table import CqrsTable

__all__ = ["WatchedParts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedParts:
    """What a `CqrsMonitoring` was given, as its alarms and its dashboard need it."""

    metrics: ServiceMetrics
    notifications: Notifications | None
    tables: tuple[CqrsTable, ...]
    streams: tuple[StreamProcessing, ...]
    workflow: CommandWorkflow | None
    functions: Mapping[str, lambda_.IFunction]
    api: CqrsApi | None
    healing: Healing | None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to watch."""
        one = self.notifications or self.workflow or self.api or self.healing
        return not (one or self.tables or self.streams or self.functions)
