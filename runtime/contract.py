"""Names that the constructs write and the runtime reads: one definition, no dependencies.

The constructs import this module at synthesis time and the functions import it in
Lambda, so a name that both sides need cannot drift. It imports nothing.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "AGGREGATES_COLUMN",
    "AGGREGATES_INDEX",
    "CHECK_FUNCTION",
    "CHECK_OPERATION",
    "COMMAND_SUFFIX",
    "DATA_SUFFIX",
    "DIGEST_LENGTH",
    "DIGEST_MARK",
    "DIGEST_TAG",
    "ENV_NAME_PATTERN",
    "EVENTS_SUFFIX",
    "EVENT_STREAM_FILTER",
    "FEATURE_TABLE",
    "FEED_COLUMN",
    "FEED_INDEX",
    "FEED_PROJECTED",
    "FEED_SLICES",
    "FEED_SORT_KEY",
    "HANDLER_ROWS",
    "HEAL_OPERATION",
    "HISTORY_SUFFIX",
    "KINDS",
    "KIND_COMMANDS",
    "KIND_EVENTS",
    "MASTER_DATA_NAME",
    "METRIC_MODULE",
    "METRIC_NAMESPACE",
    "METRIC_SERVICE",
    "MODES",
    "MODE_INLINE",
    "MODE_WORKFLOW",
    "MODULE_NAME_PATTERN",
    "NOTIFICATION_ACTIONS",
    "NOTIFICATION_SERVICE",
    "NO_MODULE",
    "NO_TENANT_SEGMENT",
    "OBJECTS_FOLDER",
    "OPEN_COLUMN",
    "OPEN_INDEX",
    "OPEN_SLICES",
    "OPEN_SORT_KEY",
    "PARTITION_KEY",
    "SEQUENCES_NAME",
    "SEQUENCE_FEATURE",
    "SESSION_NAME",
    "SORT_KEY",
    "STREAM_FILTER",
    "SYNC_SUFFIX",
    "TENANT_TAG",
    "TTL_ATTRIBUTE",
    "UNAVAILABLE_ERRORS",
    "Action",
    "Claim",
    "Env",
    "FunctionKind",
    "Metric",
    "metric_service",
]

PARTITION_KEY: Final = "pk"
SORT_KEY: Final = "sk"
TTL_ATTRIBUTE: Final = "ttl"

#: What ``NODE_ENV`` may be: any start of a table's name.
ENV_NAME_PATTERN: Final = "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"

COMMAND_SUFFIX: Final = "command"
DATA_SUFFIX: Final = "data"
HISTORY_SUFFIX: Final = "history"
SYNC_SUFFIX: Final = "sync"
EVENTS_SUFFIX: Final = "events"
SESSION_NAME: Final = "session"
MASTER_DATA_NAME: Final = "master-data"
SEQUENCES_NAME: Final = "sequences"

#: Names of the library's own features, and what a feature may say of itself in `Env.FEATURES`.
SEQUENCE_FEATURE: Final = "sequence"
FEATURE_TABLE: Final = "table"

MODE_WORKFLOW: Final = "workflow"
MODE_INLINE: Final = "inline"
MODES: Final = (MODE_WORKFLOW, MODE_INLINE)

#: What a module keeps: whole states, each command the next one, or the events that make a state. In
#: `Env.MODULES` a module of events is `{"kind": "events", "handlers": true, "events": "name of a table"}`,
#: or, where the tables have the conventional names, what it has in words: `"events handlers"`.
KIND_COMMANDS: Final = "commands"
KIND_EVENTS: Final = "events"
KINDS: Final = (KIND_COMMANDS, KIND_EVENTS)

#: What a module may be called: the name is in those of tables, and in code.
MODULE_NAME_PATTERN: Final = "[a-z][a-z0-9_-]*"

#: Which stream records start a command: inserts that were not already processed by a
#: synchronous publish. `exists` has to sit on the leaf (`syncMode.S`): on the node above
#: it matches every record.
STREAM_FILTER: Final[dict[str, Any]] = {
    "eventName": ["INSERT"],
    "dynamodb": {"NewImage": {"syncMode": {"S": [{"exists": False}]}}},
}

#: Which records of an events table's stream tell of a commit: the other rows of that table, which remember
#: the ids of commands, have no append id. Commits are only ever inserted; what is erased is blanked, which is
#: no news, and gets a commit that closes it. `exists` has to sit on the leaf, as above.
EVENT_STREAM_FILTER: Final[dict[str, Any]] = {
    "eventName": ["INSERT"],
    "dynamodb": {"NewImage": {"last": {"N": [{"exists": True}]}, "append": {"S": [{"exists": True}]}}},
}

#: How a process outside of Lambda finds what is new in an events table, where there is the index of this
#: name. Each commit then has the two columns: the number of a slice in decimal, from "0" to one below
#: `FEED_SLICES`, so that no single partition of the index takes all writes, and the time, by which a slice is
#: sorted. Each look is a query a slice. Beside the keys the index has what tells whether a commit is worth
#: reading.
FEED_INDEX: Final = "feed"
FEED_COLUMN: Final = "feed"
FEED_SORT_KEY: Final = "feedAt"
FEED_SLICES: Final = 4
FEED_PROJECTED: Final = ("last", "types")

#: How the aggregates of a tenant are listed, where there is the index of this name: the first commit of each
#: has the column, `{stream}#{tenant}`, and the index is sorted by the commit's partition key.
AGGREGATES_INDEX: Final = "aggregates"
AGGREGATES_COLUMN: Final = "aggregates"

#: Partition key, in a sync table, of the rows that are about an event handler itself, and no aggregate of a
#: tenant: which of its generations is the live one.
HANDLER_ROWS: Final = "$handler"

#: How unfinished work is found without looking at what is finished. A command has the column
#: from its publish until its final status, and the index of this name over the command table
#: has the commands with the column, nothing else: it is as small as what is under way. The
#: column's value is the number of a slice in decimal, from "0" to one below `OPEN_SLICES`, so
#: that no single partition of the index takes all writes; in a slice the oldest command comes
#: first. The index has keys only, of the table and of itself. `open` is a reserved word of
#: DynamoDB: an expression has to name it by a placeholder.
OPEN_COLUMN: Final = "open"
OPEN_SORT_KEY: Final = "createdAt"
OPEN_INDEX: Final = "open"
OPEN_SLICES: Final = 16

#: What the schedule asks of the operator function, in the field `operation` of the payload.
HEAL_OPERATION: Final = "heal"

#: What a deployment asks of every function, likewise: whether its code has the modules that the stack has.
CHECK_OPERATION: Final = "check"

#: `Env.FUNCTION` of the function that asks it. It has nothing of the service's code itself.
CHECK_FUNCTION: Final = "check"

#: Names of the errors that say of a task: nothing is wrong with the command, something that it needs is
#: busy or out of reach. The state machine tries them again for longer.
UNAVAILABLE_ERRORS: Final = (
    "ReadModelUnavailableError",
    "StoreUnavailableError",
    "ContentionError",
    "OutcomeUnknownError",
)

#: The part of a realtime channel's path that stands for no tenant: nobody may subscribe to it.
NO_TENANT_SEGMENT: Final = "none"

#: Attributes that are too large for a row are the object `ddb/{table}/{tenant}/{digest}/{sha256}.json`
#: of the attributes bucket. `digest` is that of the aggregate's key: the first 32 digits of a SHA-256,
#: in hexadecimal. A tenant that makes no plain folder name is there as `~` and such a digest of its own.
OBJECTS_FOLDER: Final = "ddb"
DIGEST_MARK: Final = "~"
DIGEST_LENGTH: Final = 32

#: Tags of a session that reaches the rows and objects of one tenant: its code, and the digest of it.
TENANT_TAG: Final = "tenant"
DIGEST_TAG: Final = "tenant-digest"

#: Values of the message attribute `action` that reach the notification queue.
NOTIFICATION_ACTIONS: Final = ("command-status", "task-status")
#: Another one: the service that sent the message, as `metric_service` names it.
NOTIFICATION_SERVICE: Final = "service"


class Claim:
    """Claims of a token, by the names that Cognito gives them; `Env` has variables for others."""

    USER: Final = "sub"
    TENANT: Final = "custom:tenant"
    ROLES: Final = "custom:roles"
    GROUPS: Final = "custom:groups"
    USE: Final = "token_use"
    USE_ACCESS: Final = "access"


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
    #: The state machine for modules without data sync handlers; without it, the other one does for all.
    SFN_APPLY_ARN: Final = "SFN_APPLY_ARN"
    SNS_TOPIC_ARN: Final = "SNS_TOPIC_ARN"
    SNS_ALARM_TOPIC_ARN: Final = "SNS_ALARM_TOPIC_ARN"
    COGNITO_USER_POOL_ID: Final = "COGNITO_USER_POOL_ID"
    COGNITO_USER_POOL_CLIENT_ID: Final = "COGNITO_USER_POOL_CLIENT_ID"
    COMMON_TENANT_CODES: Final = "COMMON_TENANT_CODES"
    CROSS_TENANT_ROLES: Final = "CROSS_TENANT_ROLES"
    ITEM_SIZE_LIMIT: Final = "ITEM_SIZE_LIMIT"
    USER_CLAIM: Final = "USER_CLAIM"
    TENANT_CLAIM: Final = "TENANT_CLAIM"
    ROLES_CLAIM: Final = "ROLES_CLAIM"
    GROUPS_CLAIM: Final = "GROUPS_CLAIM"
    REQUEST_BODY_SIZE_LIMIT: Final = "REQUEST_BODY_SIZE_LIMIT"
    APPSYNC_EVENTS_ENDPOINT: Final = "APPSYNC_EVENTS_ENDPOINT"
    APPSYNC_EVENTS_NAMESPACE: Final = "APPSYNC_EVENTS_NAMESPACE"
    SES_FROM_EMAIL: Final = "SES_FROM_EMAIL"
    NOTIFICATION_QUEUE_URL: Final = "NOTIFICATION_QUEUE_URL"
    DEAD_LETTER_QUEUE_URL: Final = "DEAD_LETTER_QUEUE_URL"
    FAILED_RECORDS_BUCKET_NAME: Final = "FAILED_RECORDS_BUCKET_NAME"
    TENANT_ROLE_ARN: Final = "TENANT_ROLE_ARN"
    #: What the stack has of features, by name, in JSON: `{"sequence": {"table": "brought"}}`. What a feature
    #: has of conventional name is not said, only that it is there: `{"sequence": {}}`.
    FEATURES: Final = "CQRS_FEATURES"
    SEQUENCES_TABLE_NAME: Final = "SEQUENCES_TABLE_NAME"


class FunctionKind:
    """Values of `Env.FUNCTION`: what a function of the stack is for."""

    API: Final = "api"
    STREAM: Final = "stream"
    WORKER: Final = "worker"
    NOTIFIER: Final = "notifier"
    OPERATOR: Final = "operator"
    #: Runs event handlers. A stack has it where one of its modules has some.
    PROJECTOR: Final = "projector"


class Action:
    """What the state machine asks of the worker, in the field `action` of the payload."""

    APPLY: Final = "apply"
    HANDLE: Final = "handle"
    PARK: Final = "park"
    FINISH: Final = "finish"
    FAIL: Final = "fail"


#: Namespace and dimensions of the metrics that the functions write. A tenant or a key is
#: never one of them: each new value of a dimension is a metric to pay for.
METRIC_NAMESPACE: Final = "Cqrs"
METRIC_MODULE: Final = "module"
METRIC_SERVICE: Final = "service"

#: The module of what belongs to none in particular.
NO_MODULE: Final = "all"


class Metric:
    """Names of the metrics that the functions write."""

    COMMANDS_PUBLISHED: Final = "CommandsPublished"
    COMMANDS_APPLIED: Final = "CommandsApplied"
    COMMANDS_FAILED: Final = "CommandsFailed"
    HANDLERS_PARKED: Final = "HandlersParked"
    RECORDS_FAILED: Final = "RecordsFailed"
    #: Commands that nobody had finished, and that the scheduled operation `heal` finished.
    COMMANDS_HEALED: Final = "CommandsHealed"
    #: Looks of `heal` that came to their end in every module: the heartbeat of the schedule.
    HEALS: Final = "Heals"
    NOTIFICATIONS_LOST: Final = "NotificationsLost"
    COMMAND_LAG: Final = "CommandLag"
    EVENTS_APPENDED: Final = "EventsAppended"
    #: Appends that were refused, as somebody else was faster.
    APPEND_CONFLICTS: Final = "AppendConflicts"
    #: Events that handlers were shown and took.
    EVENTS_HANDLED: Final = "EventsHandled"
    #: Milliseconds from the append of an event until a handler has taken it.
    EVENT_LAG: Final = "EventLag"
    EVENT_HANDLERS_PARKED: Final = "EventHandlersParked"


def metric_service(env_name: str | None, app_name: str | None) -> str:
    """Give the dimension that keeps stages and services of one account apart: "prod-shop"."""
    return f"{env_name}-{app_name}" if env_name and app_name else "cqrs"
