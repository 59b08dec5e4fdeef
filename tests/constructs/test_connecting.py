"""Parts connect themselves: each grants the functions what they do with it, and tells them where it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from constructs_lib import (
    AttributesBucket,
    CommandWorkflow,
    CqrsFunction,
    CqrsFunctions,
    CqrsTable,
    FailedRecords,
    FunctionDefaults,
    Identity,
    InvalidPropsError,
    MasterDataTable,
    Notifications,
    Processing,
    RealtimeApi,
    SessionTable,
)
from runtime.contract import Env
from tests.constructs.conftest import new_app, stable
from tests.constructs.functions import CODE, new_function
from tests.constructs.test_cqrs_functions import ALWAYS, KINDS, allowed, functions_of, variables

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs import Construct

    from constructs_lib import Part


def functions(stack: cdk.Stack, **props: Any) -> CqrsFunctions:
    """Functions that are connected to nothing."""
    return CqrsFunctions(
        stack,
        "Functions",
        code=CODE,
        handler="index.handler",
        app_name="shop",
        python_runtime=lambda_.Runtime.PYTHON_3_13,
        **props,
    )


#: Each part, the functions that hear of it, and the variables that say where it is.
PARTS: dict[str, tuple[Callable[[Construct], Part], dict[str, set[str]]]] = {
    "sessions": (
        lambda scope: SessionTable(scope, "Sessions"),
        {"Api": {Env.SESSION_TABLE_NAME, Env.RYW_SESSION_TTL_MINUTES}},
    ),
    "settings of tenants": (
        lambda scope: MasterDataTable(scope, "MasterData"),
        {kind: {Env.MASTER_DATA_TABLE_NAME} for kind in ("Api", "Worker", "Operator")},
    ),
    "large attributes": (
        lambda scope: AttributesBucket(scope, "Attributes"),
        {kind: {Env.S3_BUCKET_NAME} for kind in ("Api", "Worker", "Operator")},
    ),
    "failed records": (
        lambda scope: FailedRecords(scope, "FailedRecords"),
        {"Operator": {Env.FAILED_RECORDS_BUCKET_NAME}},
    ),
    "notifications": (
        lambda scope: Notifications(scope, "Notifications", alarm_emails=["on-call@example.com"]),
        {
            "Api": {Env.SNS_TOPIC_ARN},
            "Worker": {Env.SNS_TOPIC_ARN, Env.SNS_ALARM_TOPIC_ARN},
            "Operator": {Env.SNS_TOPIC_ARN, Env.NOTIFICATION_QUEUE_URL, Env.DEAD_LETTER_QUEUE_URL},
        },
    ),
    "users": (
        lambda scope: Identity(scope, "Identity"),
        {"Api": {Env.COGNITO_USER_POOL_ID, Env.COGNITO_USER_POOL_CLIENT_ID}},
    ),
    "realtime": (
        lambda scope: RealtimeApi(scope, "Realtime", identity=Identity(scope, "Identity")),
        {"Notifier": {Env.APPSYNC_EVENTS_ENDPOINT, Env.APPSYNC_EVENTS_NAMESPACE}},
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_tells_where_it_is(stack: cdk.Stack, name: str) -> None:
    make, told = PARTS[name]
    make(stack).connect(functions(stack))
    found = {kind: set(variables(stack, kind)) - ALWAYS for kind in KINDS}
    assert {kind: names for kind, names in found.items() if names} == told
    # The user pool is told, and used by nobody.
    without_rights = {"users": {"Api"}}.get(name, set())
    for kind in set(told) - without_rights:
        assert "Allow" in allowed(stack, kind).replace("xray", "")


def test_a_workflow_connects_itself(stack: cdk.Stack) -> None:
    made = functions(stack)
    CommandWorkflow(stack, "Workflow", worker=made.worker).connect(made)
    told = {kind for kind in KINDS if Env.SFN_COMMAND_ARN in variables(stack, kind)}
    assert told == {"Api", "Stream", "Operator"}
    assert "states:DescribeExecution" in allowed(stack, "Operator")
    assert "states:DescribeExecution" not in allowed(stack, "Stream")


def test_without_parts_the_functions_know_of_no_module(stack: cdk.Stack) -> None:
    functions(stack)
    assert {variables(stack, kind)[Env.MODULES] for kind in KINDS} == {"{}"}


def test_every_function_hears_of_every_module(stack: cdk.Stack) -> None:
    made = functions(stack, env_name="prod")
    for name in ("order", "invoice"):
        CqrsTable(stack, name, table_name_prefix=f"prod-shop-{name}", data_sync=name == "order").connect(made)
    told = {variables(stack, kind)[Env.MODULES] for kind in KINDS}
    assert [json.loads(text) for text in told] == [{"order": {"sync": True}, "invoice": {}}]


@pytest.mark.parametrize("table_first", [True, False], ids=["table first", "table last"])
def test_the_order_in_which_parts_connect_does_not_matter(stack: cdk.Stack, *, table_first: bool) -> None:
    """An inline table makes the stream function one that applies: it needs the topic and the settings."""
    made = functions(stack)
    parts: list[Part] = [
        CqrsTable(stack, "Note", processing=Processing.INLINE),
        MasterDataTable(stack, "MasterData"),
        Notifications(stack, "Notifications", alarm_emails=["on-call@example.com"]),
    ]
    for part in parts if table_first else reversed(parts):
        part.connect(made)
    assert {Env.SNS_TOPIC_ARN, Env.MASTER_DATA_TABLE_NAME} < set(variables(stack, "Stream"))
    granted = allowed(stack, "Stream")
    assert "sns:Publish" in granted
    assert "dynamodb:PutItem" in granted
    assert "MasterDataTable" in granted


def test_a_second_inline_table_gives_the_stream_function_nothing_twice(stack: cdk.Stack) -> None:
    made = functions(stack)
    given: list[lambda_.IFunction] = []
    made.for_each_applier(given.append)
    for name in ("Note", "Log"):
        CqrsTable(stack, name, processing=Processing.INLINE).connect(made)
    assert given == [made.api, made.worker, made.operator, made.stream]


def test_failed_records_may_be_in_a_bucket_of_ones_own(stack: cdk.Stack) -> None:
    bucket = s3.Bucket(stack, "Mine")
    assert FailedRecords(stack, "FailedRecords", bucket=bucket).bucket is bucket
    with pytest.raises(InvalidPropsError, match="removal_policy has no effect"):
        FailedRecords(stack, "Others", bucket=bucket, removal_policy=cdk.RemovalPolicy.DESTROY)


def test_sessions_are_looked_for_as_long_as_the_table_says_or_the_functions(stack: cdk.Stack) -> None:
    SessionTable(stack, "Sessions", read_your_writes=cdk.Duration.seconds(90)).connect(functions(stack))
    assert variables(stack, "Api")[Env.RYW_SESSION_TTL_MINUTES] == "1.5"
    other = cdk.Stack(new_app(), "Other")
    sessions = SessionTable(other, "Sessions", read_your_writes=cdk.Duration.seconds(90))
    functions(other, session_table=sessions, read_your_writes=cdk.Duration.minutes(2))
    assert variables(other, "Api")[Env.RYW_SESSION_TTL_MINUTES] == "2"


def test_sessions_are_looked_for_a_day_at_most(stack: cdk.Stack) -> None:
    with pytest.raises(
        InvalidPropsError, match="read_your_writes must be from 1 second to 1 day, got 2 days"
    ):
        SessionTable(stack, "Sessions", read_your_writes=cdk.Duration.days(2))


SHARED = FunctionDefaults(
    environment={"STAGE": "blue", "REGION": "north"},
    architecture=lambda_.Architecture.X86_64,
    python_runtime=lambda_.Runtime.PYTHON_3_12,
    log_retention=logs.RetentionDays.ONE_WEEK,
    removal_policy=cdk.RemovalPolicy.DESTROY,
)


def test_functions_share_their_defaults(stack: cdk.Stack) -> None:
    CqrsFunctions(stack, "Functions", code=CODE, handler="index.handler", app_name="shop", defaults=SHARED)
    for made in functions_of(stack).values():
        assert made["Architectures"] == ["x86_64"]
        assert made["Runtime"] == "python3.12"
        assert made["Environment"]["Variables"]["STAGE"] == "blue"
    groups = Template.from_stack(stack).find_resources("AWS::Logs::LogGroup").values()
    assert [group["Properties"]["RetentionInDays"] for group in groups] == [7] * 5
    assert {group["DeletionPolicy"] for group in groups} == {"Delete"}


def test_what_a_function_is_given_goes_before_its_defaults(stack: cdk.Stack) -> None:
    CqrsFunction(
        stack,
        "Report",
        code=CODE,
        handler="index.handler",
        defaults=SHARED,
        environment={"STAGE": "green"},
        architecture=lambda_.Architecture.ARM_64,
        python_runtime=lambda_.Runtime.PYTHON_3_13,
        log_retention=logs.RetentionDays.ONE_YEAR,
        removal_policy=cdk.RemovalPolicy.RETAIN,
    )
    (made,) = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    assert made["Properties"]["Architectures"] == ["arm64"]
    assert made["Properties"]["Runtime"] == "python3.13"
    assert made["Properties"]["Environment"]["Variables"] == {"STAGE": "green", "REGION": "north"}
    (group,) = Template.from_stack(stack).find_resources("AWS::Logs::LogGroup").values()
    assert (group["Properties"]["RetentionInDays"], group["DeletionPolicy"]) == (365, "Retain")


def test_the_same_by_keywords_and_by_defaults() -> None:
    props: dict[str, Any] = {
        "architecture": lambda_.Architecture.X86_64,
        "python_runtime": lambda_.Runtime.PYTHON_3_12,
        "log_retention": logs.RetentionDays.ONE_WEEK,
        "removal_policy": cdk.RemovalPolicy.DESTROY,
    }
    templates = []
    for given in (props, {"defaults": FunctionDefaults(**props)}):
        stack = cdk.Stack(new_app(), "Shop")
        CqrsFunctions(stack, "Functions", code=CODE, handler="index.handler", app_name="shop", **given)
        templates.append(stable(stack))
    assert templates[0] == templates[1]


def test_a_function_that_was_brought_keeps_its_own_environment(stack: cdk.Stack) -> None:
    mine = new_function(stack, "Mine", environment={"MINE": "1"})
    made = functions(stack, worker=mine, environment={"OTHERS": "2"})
    AttributesBucket(stack, "Attributes").connect(made)
    environments = {
        name: set(function["Properties"]["Environment"]["Variables"])
        for name, function in Template.from_stack(stack).find_resources("AWS::Lambda::Function").items()
    }
    assert [names for name, names in environments.items() if name.startswith("Mine")] == [{"MINE"}]
    assert "Worker" not in functions_of(stack)
