from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk.assertions import Template

from constructs_lib import (
    AttributesBucket,
    CommandWorkflow,
    CqrsFunctions,
    CqrsTable,
    FailedRecords,
    FunctionOptions,
    Identity,
    InvalidPropsError,
    MasterDataTable,
    Notifications,
    Processing,
    SessionTable,
)
from runtime.contract import Env
from tests.constructs.conftest import stable
from tests.constructs.functions import CODE, imported_function

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

KINDS = ("Api", "Stream", "Worker", "Notifier", "Operator")
ALWAYS = {Env.NODE_ENV, Env.APP_NAME, Env.MODULES, Env.FUNCTION}


def layer(stack: cdk.Stack, name: str) -> lambda_.ILayerVersion:
    arn = f"arn:aws:lambda:eu-west-1:111111111111:layer:{name}:7"
    return lambda_.LayerVersion.from_layer_version_arn(stack, name, arn)


def minimal(stack: cdk.Stack, **props: Any) -> CqrsFunctions:
    return CqrsFunctions(
        stack,
        "Functions",
        code=CODE,
        handler="index.handler",
        app_name="shop",
        tables=props.pop("tables", None) or [CqrsTable(stack, "Order")],
        notifications=Notifications(stack, "Notifications", alarm_emails=["on-call@example.com"]),
        python_runtime=lambda_.Runtime.PYTHON_3_13,
        **props,
    )


def everything(stack: cdk.Stack) -> CqrsFunctions:
    functions = minimal(
        stack,
        env_name="prod",
        tables=[
            CqrsTable(stack, "Order", data_sync=True),
            CqrsTable(stack, "Note", processing=Processing.INLINE),
        ],
        session_table=SessionTable(stack, "Sessions"),
        read_your_writes=cdk.Duration.seconds(90),
        master_data_table=MasterDataTable(stack, "MasterData"),
        attributes_bucket=AttributesBucket(stack, "Attributes"),
        identity=Identity(stack, "Identity"),
        layers=[layer(stack, "runtime")],
        dependency_layers=[layer(stack, "packages")],
        environment={"DATABASE_HOST": "db.example.com", Env.LOG_LEVEL: "DEBUG"},
        worker=FunctionOptions(memory_size=1024, timeout=cdk.Duration.minutes(2), reserved_concurrency=9),
    )
    CommandWorkflow(stack, "Workflow", worker=functions.worker).connect(functions)
    FailedRecords(stack, "FailedRecords", bucket=s3.Bucket(stack, "Records")).connect(functions)
    functions.add_secret("DATABASE_SECRET_ARN", secretsmanager.Secret(stack, "Secret"))
    return functions


def functions_of(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    found = Template.from_stack(stack).find_resources("AWS::Lambda::Function")
    return {
        kind: function["Properties"]
        for kind in KINDS
        for name, function in found.items()
        if name.startswith(f"Functions{kind}")
    }


def variables(stack: cdk.Stack, kind: str) -> dict[str, Any]:
    result: dict[str, Any] = functions_of(stack)[kind]["Environment"]["Variables"]
    return result


def allowed(stack: cdk.Stack, kind: str) -> str:
    """The policy of one function, as text."""
    policies = Template.from_stack(stack).find_resources("AWS::IAM::Policy")
    return " ".join(json.dumps(p) for name, p in policies.items() if name.startswith(f"Functions{kind}"))


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    minimal(stack)
    assert stable(stack) == template_snapshot


def test_everything(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    everything(stack)
    assert stable(stack) == template_snapshot


def test_each_function_gets_the_variables_that_it_needs(stack: cdk.Stack) -> None:
    everything(stack)
    own = {"DATABASE_HOST", "DATABASE_SECRET_ARN", Env.LOG_LEVEL}
    assert set(variables(stack, "Api")) == ALWAYS | own | {
        Env.SNS_TOPIC_ARN,
        Env.S3_BUCKET_NAME,
        Env.MASTER_DATA_TABLE_NAME,
        Env.SESSION_TABLE_NAME,
        Env.RYW_SESSION_TTL_MINUTES,
        Env.COGNITO_USER_POOL_ID,
        Env.COGNITO_USER_POOL_CLIENT_ID,
        Env.SFN_COMMAND_ARN,
    }
    assert set(variables(stack, "Stream")) == ALWAYS | own | {
        Env.SNS_TOPIC_ARN,
        Env.SFN_COMMAND_ARN,
        Env.SFN_APPLY_ARN,
        Env.MASTER_DATA_TABLE_NAME,
        Env.SESSION_TABLE_NAME,
    }
    assert set(variables(stack, "Worker")) == ALWAYS | own | {
        Env.SNS_TOPIC_ARN,
        Env.SNS_ALARM_TOPIC_ARN,
        Env.S3_BUCKET_NAME,
        Env.MASTER_DATA_TABLE_NAME,
        Env.SESSION_TABLE_NAME,
    }
    assert set(variables(stack, "Notifier")) == ALWAYS | own
    assert set(variables(stack, "Operator")) == ALWAYS | own | {
        Env.SNS_TOPIC_ARN,
        Env.S3_BUCKET_NAME,
        Env.MASTER_DATA_TABLE_NAME,
        Env.SESSION_TABLE_NAME,
        Env.SFN_COMMAND_ARN,
        Env.SFN_APPLY_ARN,
        Env.NOTIFICATION_QUEUE_URL,
        Env.DEAD_LETTER_QUEUE_URL,
        Env.FAILED_RECORDS_BUCKET_NAME,
    }
    assert variables(stack, "Api")[Env.RYW_SESSION_TTL_MINUTES] == "1.5"


def test_each_function_knows_what_it_is_for(stack: cdk.Stack) -> None:
    minimal(stack)
    kinds = {kind: variables(stack, kind)[Env.FUNCTION] for kind in KINDS}
    assert kinds == {kind: kind.lower() for kind in KINDS}


def test_each_function_has_a_role_of_its_own(stack: cdk.Stack) -> None:
    minimal(stack)
    assert len({str(function["Role"]) for function in functions_of(stack).values()}) == 5


def test_what_the_code_needs_is_wherever_the_code_is_imported(stack: cdk.Stack) -> None:
    everything(stack)
    assert {len(function["Layers"]) for function in functions_of(stack).values()} == {2}
    readers = [kind for kind in KINDS if "secretsmanager:GetSecretValue" in allowed(stack, kind)]
    assert readers == [*KINDS]


def test_one_function_may_have_variables_of_its_own(stack: cdk.Stack) -> None:
    own = FunctionOptions(environment={"POOL_SIZE": "5", "STAGE": "blue"})
    minimal(stack, environment={"STAGE": "green"}, worker=own)
    assert {variables(stack, kind).get("POOL_SIZE") for kind in KINDS if kind != "Worker"} == {None}
    assert (variables(stack, "Worker")["POOL_SIZE"], variables(stack, "Worker")["STAGE"]) == ("5", "blue")
    with pytest.raises(InvalidPropsError, match="environment of worker must not be CQRS_MODULES"):
        minimal(cdk.Stack(stack, "Other"), worker=FunctionOptions(environment={Env.MODULES: "{}"}))


@pytest.mark.parametrize(
    ("action", "kinds"),
    [
        ("states:StartExecution", ["Api", "Stream", "Operator"]),
        # Session rows, of which whoever applies a creation forgets that it is new, and cursors of handlers
        # that are gone.
        ("dynamodb:DeleteItem", ["Api", "Stream", "Worker", "Operator"]),
        ("dynamodb:PutItem", ["Api", "Stream", "Worker", "Operator"]),
        ("s3:PutObject", ["Api"]),
        ("s3:GetObject", ["Api", "Worker", "Operator"]),
        ("s3:DeleteObject", ["Operator"]),  # records that are done
        ("sns:Publish", ["Api", "Stream", "Worker", "Operator"]),
        ("sqs:ReceiveMessage", ["Operator"]),
        ("states:ListExecutions", ["Operator"]),
        ("dynamodb:Scan", ["Operator"]),
    ],
)
def test_each_role_has_the_least_that_it_needs(stack: cdk.Stack, action: str, kinds: list[str]) -> None:
    everything(stack)
    assert [kind for kind in KINDS if f'"{action}"' in allowed(stack, kind)] == kinds


def test_only_the_worker_raises_alarms(stack: cdk.Stack) -> None:
    everything(stack)
    assert [kind for kind in KINDS if "AlarmTopic" in allowed(stack, kind)] == ["Worker"]


@pytest.mark.parametrize(
    ("processing", "readers"),
    [
        (Processing.INLINE, ["Api", "Stream", "Worker", "Operator"]),
        (Processing.WORKFLOW, ["Api", "Worker", "Operator"]),
    ],
)
def test_whatever_applies_commands_knows_how_long_rows_are_kept(
    stack: cdk.Stack, processing: Processing, readers: list[str]
) -> None:
    tables = [CqrsTable(stack, "Order", processing=processing)]
    minimal(stack, tables=tables, master_data_table=MasterDataTable(stack, "MasterData"))
    assert [kind for kind in KINDS if "MasterData" in allowed(stack, kind)] == readers
    assert [kind for kind in KINDS if Env.MASTER_DATA_TABLE_NAME in variables(stack, kind)] == readers


def test_the_stream_function_writes_only_tables_that_are_applied_inline(stack: cdk.Stack) -> None:
    everything(stack)
    policy = allowed(stack, "Stream")
    assert "NoteData" in policy
    assert "OrderData" not in policy


def test_the_worker_may_apply_also_what_is_inline_today(stack: cdk.Stack) -> None:
    """Executions that began before the deployment that made a module inline go on after it."""
    everything(stack)
    policy = json.loads(allowed(stack, "Worker"))["Properties"]["PolicyDocument"]
    for table in ("Command", "Data", "History"):
        statements = [s for s in policy["Statement"] if f"Order{table}" in str(s["Resource"])]
        assert statements
        assert all(f"Note{table}" in str(s["Resource"]) for s in statements)


def test_without_an_inline_table_the_stream_function_writes_nothing(stack: cdk.Stack) -> None:
    minimal(stack)
    assert "dynamodb" not in allowed(stack, "Stream")
    assert "sns" not in allowed(stack, "Stream")
    assert Env.SNS_TOPIC_ARN not in variables(stack, "Stream")


def test_timeouts_fit_what_waits_for_the_function(stack: cdk.Stack) -> None:
    minimal(stack)
    timeouts = {kind: function["Timeout"] for kind, function in functions_of(stack).items()}
    assert timeouts == {"Api": 29, "Stream": 60, "Worker": 60, "Notifier": 30, "Operator": 900}


def test_an_existing_function_gets_its_permissions_only(stack: cdk.Stack) -> None:
    mine = imported_function(stack, "mine")
    functions = minimal(stack, worker=mine)
    CommandWorkflow(stack, "Workflow", worker=mine).connect(functions)
    functions.add_secret("DATABASE_SECRET_ARN", secretsmanager.Secret(stack, "Secret"))
    assert functions.worker is mine
    assert set(functions_of(stack)) == {"Api", "Stream", "Notifier", "Operator"}
    policies = Template.from_stack(stack).find_resources("AWS::IAM::Policy")
    (granted,) = (p for name, p in policies.items() if name.startswith("mine"))
    assert "dynamodb:UpdateItem" in json.dumps(granted)


@pytest.mark.parametrize("name", [Env.SFN_COMMAND_ARN, Env.FUNCTION, Env.SNS_TOPIC_ARN])
def test_variables_of_the_constructs_are_refused(stack: cdk.Stack, name: str) -> None:
    with pytest.raises(InvalidPropsError, match=f"environment must not be {name}"):
        minimal(stack, environment={name: "x"})
    functions = minimal(cdk.Stack(stack, "Other"))
    with pytest.raises(InvalidPropsError, match=f"{name}"):
        functions.add_secret(name, secretsmanager.Secret(stack, "Secret"))


def test_read_your_writes_without_a_session_table_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match="read_your_writes needs session_table, got 5 minutes"):
        minimal(stack, read_your_writes=cdk.Duration.minutes(5))


def test_a_session_table_alone_means_five_minutes(stack: cdk.Stack) -> None:
    minimal(stack, session_table=SessionTable(stack, "Sessions"))
    assert variables(stack, "Api")[Env.RYW_SESSION_TTL_MINUTES] == "5"


def test_the_operator_function_is_not_bound_to_a_workflow_or_a_bucket(stack: cdk.Stack) -> None:
    minimal(stack)
    unknown = {Env.SFN_COMMAND_ARN, Env.SFN_APPLY_ARN, Env.FAILED_RECORDS_BUCKET_NAME, Env.S3_BUCKET_NAME}
    assert not unknown.intersection(variables(stack, "Operator"))
    assert "states:" not in allowed(stack, "Operator")
    assert "s3:" not in allowed(stack, "Operator")


def test_an_existing_operator_function_gets_its_permissions_only(stack: cdk.Stack) -> None:
    mine = imported_function(stack, "mine")
    functions = minimal(stack, operator=mine)
    arn = "arn:aws:states:eu-west-1:111111111111:stateMachine:theirs"
    machine = sfn.StateMachine.from_state_machine_arn(stack, "Machine", arn)
    CommandWorkflow(stack, "Workflow", state_machine=machine).connect(functions)
    FailedRecords(stack, "FailedRecords", bucket=s3.Bucket(stack, "Records")).connect(functions)
    assert functions.operator is mine
    assert "Operator" not in functions_of(stack)
    policies = Template.from_stack(stack).find_resources("AWS::IAM::Policy")
    (granted,) = (json.dumps(policy) for name, policy in policies.items() if name.startswith("mine"))
    for action in ("dynamodb:Scan", "states:DescribeExecution", "s3:DeleteObject", "sqs:ReceiveMessage"):
        assert action in granted
    assert ":execution:theirs:*" in granted
