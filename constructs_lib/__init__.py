"""AWS CDK constructs for CQRS and event sourcing on DynamoDB.

Names are loaded on first use: `constructs_lib.local` needs neither the CDK nor Node.js.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constructs_lib.attributes_bucket import AttributesBucket, AttributesBucketGrants
    from constructs_lib.command_workflow import CommandWorkflow, CommandWorkflowGrants, WorkflowType
    from constructs_lib.cqrs_api import CqrsApi
    from constructs_lib.cqrs_function import CqrsFunction
    from constructs_lib.cqrs_functions import CqrsFunctions
    from constructs_lib.cqrs_module import CqrsModule
    from constructs_lib.cqrs_stack import CqrsStack
    from constructs_lib.cqrs_table import CqrsTable
    from constructs_lib.cqrs_table_grants import CqrsTableGrants
    from constructs_lib.dependencies_layer import DependenciesLayer
    from constructs_lib.errors import BundlingError, ConstructError, InvalidPropsError
    from constructs_lib.function_options import FunctionOptions
    from constructs_lib.identity import Identity
    from constructs_lib.notifications import Notifications
    from constructs_lib.notifications_grants import NotificationsGrants
    from constructs_lib.processing import Processing
    from constructs_lib.retry_policy import RetryPolicy
    from constructs_lib.runtime_layer import RuntimeLayer
    from constructs_lib.session_table import SessionTable, SessionTableGrants
    from constructs_lib.stream_processing import StreamProcessing

_HOMES = {
    "attributes_bucket": (
        "AttributesBucket",
        "AttributesBucketGrants",
    ),
    "command_workflow": (
        "CommandWorkflow",
        "CommandWorkflowGrants",
        "WorkflowType",
    ),
    "cqrs_api": ("CqrsApi",),
    "cqrs_function": ("CqrsFunction",),
    "cqrs_functions": ("CqrsFunctions",),
    "cqrs_module": ("CqrsModule",),
    "cqrs_stack": ("CqrsStack",),
    "cqrs_table": ("CqrsTable",),
    "cqrs_table_grants": ("CqrsTableGrants",),
    "dependencies_layer": ("DependenciesLayer",),
    "errors": (
        "BundlingError",
        "ConstructError",
        "InvalidPropsError",
    ),
    "function_options": ("FunctionOptions",),
    "identity": ("Identity",),
    "notifications": ("Notifications",),
    "notifications_grants": ("NotificationsGrants",),
    "processing": ("Processing",),
    "retry_policy": ("RetryPolicy",),
    "runtime_layer": ("RuntimeLayer",),
    "session_table": (
        "SessionTable",
        "SessionTableGrants",
    ),
    "stream_processing": ("StreamProcessing",),
}
_MODULE_OF = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}

__all__ = [
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
    "CqrsStack",
    "CqrsTable",
    "CqrsTableGrants",
    "DependenciesLayer",
    "FunctionOptions",
    "Identity",
    "InvalidPropsError",
    "Notifications",
    "NotificationsGrants",
    "Processing",
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
