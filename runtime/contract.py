"""Names that the constructs write and the runtime reads: one definition, no dependencies.

The constructs import this module at synthesis time and the functions import it in
Lambda, so a name that both sides need cannot drift. It imports nothing.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "COMMAND_SUFFIX",
    "DATA_SUFFIX",
    "HISTORY_SUFFIX",
    "MASTER_DATA_NAME",
    "MODES",
    "MODE_INLINE",
    "MODE_WORKFLOW",
    "NOTIFICATION_ACTIONS",
    "NO_TENANT_SEGMENT",
    "PARTITION_KEY",
    "SESSION_NAME",
    "SORT_KEY",
    "STREAM_FILTER",
    "SYNC_SUFFIX",
    "TTL_ATTRIBUTE",
    "Action",
    "Env",
    "FunctionKind",
]

PARTITION_KEY: Final = "pk"
SORT_KEY: Final = "sk"
TTL_ATTRIBUTE: Final = "ttl"

COMMAND_SUFFIX: Final = "command"
DATA_SUFFIX: Final = "data"
HISTORY_SUFFIX: Final = "history"
SYNC_SUFFIX: Final = "sync"
SESSION_NAME: Final = "session"
MASTER_DATA_NAME: Final = "master-data"

MODE_WORKFLOW: Final = "workflow"
MODE_INLINE: Final = "inline"
MODES: Final = (MODE_WORKFLOW, MODE_INLINE)

#: Which stream records start a command: inserts that were not already processed by a
#: synchronous publish. `exists` has to sit on the leaf (`syncMode.S`): on the node above
#: it matches every record.
STREAM_FILTER: Final[dict[str, Any]] = {
    "eventName": ["INSERT"],
    "dynamodb": {"NewImage": {"syncMode": {"S": [{"exists": False}]}}},
}

#: The part of a realtime channel's path that stands for no tenant: nobody may subscribe to it.
NO_TENANT_SEGMENT: Final = "none"

#: Values of the message attribute `action` that reach the notification queue.
NOTIFICATION_ACTIONS: Final = ("command-status", "task-status")


class Env:
    """Environment variables of the functions."""

    NODE_ENV: Final = "NODE_ENV"
    APP_NAME: Final = "APP_NAME"
    LOG_LEVEL: Final = "LOG_LEVEL"
    FUNCTION: Final = "CQRS_FUNCTION"
    MODULES: Final = "CQRS_MODULES"
    SESSION_TABLE_NAME: Final = "SESSION_TABLE_NAME"
    RYW_SESSION_TTL_MINUTES: Final = "RYW_SESSION_TTL_MINUTES"
    MASTER_DATA_TABLE_NAME: Final = "MASTER_DATA_TABLE_NAME"
    S3_BUCKET_NAME: Final = "S3_BUCKET_NAME"
    ATTRIBUTE_LIMIT_SIZE: Final = "ATTRIBUTE_LIMIT_SIZE"
    SFN_COMMAND_ARN: Final = "SFN_COMMAND_ARN"
    SNS_TOPIC_ARN: Final = "SNS_TOPIC_ARN"
    SNS_ALARM_TOPIC_ARN: Final = "SNS_ALARM_TOPIC_ARN"
    COGNITO_USER_POOL_ID: Final = "COGNITO_USER_POOL_ID"
    COGNITO_USER_POOL_CLIENT_ID: Final = "COGNITO_USER_POOL_CLIENT_ID"
    COMMON_TENANT_CODES: Final = "COMMON_TENANT_CODES"
    CROSS_TENANT_ROLES: Final = "CROSS_TENANT_ROLES"
    REQUEST_BODY_SIZE_LIMIT: Final = "REQUEST_BODY_SIZE_LIMIT"
    APPSYNC_EVENTS_ENDPOINT: Final = "APPSYNC_EVENTS_ENDPOINT"
    APPSYNC_EVENTS_NAMESPACE: Final = "APPSYNC_EVENTS_NAMESPACE"
    SES_FROM_EMAIL: Final = "SES_FROM_EMAIL"
    NOTIFICATION_QUEUE_URL: Final = "NOTIFICATION_QUEUE_URL"
    DEAD_LETTER_QUEUE_URL: Final = "DEAD_LETTER_QUEUE_URL"
    FAILED_RECORDS_BUCKET_NAME: Final = "FAILED_RECORDS_BUCKET_NAME"


class FunctionKind:
    """Values of `Env.FUNCTION`: what a function of the stack is for."""

    API: Final = "api"
    STREAM: Final = "stream"
    WORKER: Final = "worker"
    NOTIFIER: Final = "notifier"
    OPERATOR: Final = "operator"


class Action:
    """What the state machine asks of the worker, in the field `action` of the payload."""

    APPLY: Final = "apply"
    HANDLE: Final = "handle"
    PARK: Final = "park"
    FINISH: Final = "finish"
    FAIL: Final = "fail"
