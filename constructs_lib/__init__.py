"""AWS CDK constructs for CQRS and event sourcing on DynamoDB.

Names are loaded on first use: `constructs_lib.local` needs neither the CDK nor Node.js.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constructs_lib.api.cqrs_api import CqrsApi
    from constructs_lib.api.identity import Identity
    from constructs_lib.errors import BundlingError, ConstructError, InvalidPropsError
    from constructs_lib.functions.cqrs_function import CqrsFunction
    from constructs_lib.functions.cqrs_functions import CqrsFunctions
    from constructs_lib.functions.function_options import FunctionOptions
    from constructs_lib.layers.dependencies_layer import DependenciesLayer
    from constructs_lib.layers.runtime_layer import RuntimeLayer
    from constructs_lib.messaging.notifications import Notifications
    from constructs_lib.messaging.notifications_grants import NotificationsGrants
    from constructs_lib.messaging.realtime_api import RealtimeApi, RealtimeApiGrants
    from constructs_lib.monitoring.alarm_thresholds import AlarmThresholds
    from constructs_lib.monitoring.cqrs_monitoring import CqrsMonitoring
    from constructs_lib.pipeline.command_workflow import CommandWorkflow, CommandWorkflowGrants, WorkflowType
    from constructs_lib.pipeline.retry_policy import RetryPolicy
    from constructs_lib.pipeline.stream_processing import StreamProcessing
    from constructs_lib.stack.cqrs_module import CqrsModule
    from constructs_lib.stack.cqrs_stack import CqrsStack
    from constructs_lib.tables.attributes_bucket import AttributesBucket, AttributesBucketGrants
    from constructs_lib.tables.cqrs_table import CqrsTable
    from constructs_lib.tables.cqrs_table_grants import CqrsTableGrants
    from constructs_lib.tables.master_data_table import MasterDataTable, MasterDataTableGrants
    from constructs_lib.tables.processing import Processing
    from constructs_lib.tables.session_table import SessionTable, SessionTableGrants

_HOMES = {
    "monitoring.alarm_thresholds": ("AlarmThresholds",),
    "tables.attributes_bucket": (
        "AttributesBucket",
        "AttributesBucketGrants",
    ),
    "pipeline.command_workflow": (
        "CommandWorkflow",
        "CommandWorkflowGrants",
        "WorkflowType",
    ),
    "api.cqrs_api": ("CqrsApi",),
    "functions.cqrs_function": ("CqrsFunction",),
    "functions.cqrs_functions": ("CqrsFunctions",),
    "stack.cqrs_module": ("CqrsModule",),
    "monitoring.cqrs_monitoring": ("CqrsMonitoring",),
    "stack.cqrs_stack": ("CqrsStack",),
    "tables.cqrs_table": ("CqrsTable",),
    "tables.cqrs_table_grants": ("CqrsTableGrants",),
    "layers.dependencies_layer": ("DependenciesLayer",),
    "errors": (
        "BundlingError",
        "ConstructError",
        "InvalidPropsError",
    ),
    "functions.function_options": ("FunctionOptions",),
    "api.identity": ("Identity",),
    "messaging.notifications": ("Notifications",),
    "messaging.notifications_grants": ("NotificationsGrants",),
    "messaging.realtime_api": (
        "RealtimeApi",
        "RealtimeApiGrants",
    ),
    "tables.master_data_table": (
        "MasterDataTable",
        "MasterDataTableGrants",
    ),
    "tables.processing": ("Processing",),
    "pipeline.retry_policy": ("RetryPolicy",),
    "layers.runtime_layer": ("RuntimeLayer",),
    "tables.session_table": (
        "SessionTable",
        "SessionTableGrants",
    ),
    "pipeline.stream_processing": ("StreamProcessing",),
}
_MODULE_OF = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}

__all__ = [
    "AlarmThresholds",
    "AttributesBucket",
    "AttributesBucketGrants",
    "BundlingError",
    "CommandWorkflow",
    "CommandWorkflowGrants",
    "ConstructError",
    "CqrsApi",
    "CqrsFunction",
    "CqrsFunctions",
    "CqrsModule",
    "CqrsMonitoring",
    "CqrsStack",
    "CqrsTable",
    "CqrsTableGrants",
    "DependenciesLayer",
    "FunctionOptions",
    "Identity",
    "InvalidPropsError",
    "MasterDataTable",
    "MasterDataTableGrants",
    "Notifications",
    "NotificationsGrants",
    "Processing",
    "RealtimeApi",
    "RealtimeApiGrants",
    "RetryPolicy",
    "RuntimeLayer",
    "SessionTable",
    "SessionTableGrants",
    "StreamProcessing",
    "WorkflowType",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name not in _MODULE_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
