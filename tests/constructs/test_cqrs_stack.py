from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Template

from constructs_lib import (
    AlarmThresholds,
    AttributesBucket,
    CqrsModule,
    CqrsStack,
    CqrsTable,
    FailedRecords,
    FunctionOptions,
    Identity,
    InvalidPropsError,
    MasterDataTable,
    Notifications,
    Processing,
    SessionTable,
    WorkflowType,
)
from runtime.contract import Env
from runtime.settings import Settings
from tests.constructs.conftest import new_app, stable, warnings_of
from tests.constructs.functions import imported_function
from tests.constructs.monitored import alarms_of
from tests.constructs.test_monitoring import ALARMS

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

COSTS = Path(__file__).parents[2] / "docs" / "costs.md"
STATEFUL = {"AWS::DynamoDB::GlobalTable", "AWS::S3::Bucket", "AWS::Cognito::UserPool", "AWS::SQS::Queue"}


def with_code(folder: Path) -> Path:
    (folder / "main.py").write_text("app = None\n", encoding="utf-8")
    return folder


@pytest.fixture
def code(tmp_path: Path) -> Path:
    return with_code(tmp_path)


def shop(app: cdk.App, folder: Path, **props: Any) -> CqrsStack:
    return CqrsStack(
        app,
        "Shop",
        **{
            "app_name": "shop",
            "modules": [CqrsModule("order")],
            "code": folder,
            "alarm_emails": ["on-call@example.com"],
            "python_runtime": lambda_.Runtime.PYTHON_3_13,
            **props,
        },
    )


@pytest.fixture(scope="module")
def minimal(tmp_path_factory: pytest.TempPathFactory) -> CqrsStack:
    """A stack with nothing but what it must be given; for tests that only read it."""
    return shop(new_app(), with_code(tmp_path_factory.mktemp("minimal")))


@pytest.fixture(scope="module")
def in_production(tmp_path_factory: pytest.TempPathFactory) -> CqrsStack:
    """One of each kind of table, under the names of production; for tests that only read it."""
    folder, modules = with_code(tmp_path_factory.mktemp("prod")), [CqrsModule("order", data_sync=True)]
    return shop(new_app(), folder, env_name="prod", modules=modules, master_data=True)


def resources(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = Template.from_stack(stack).to_json()["Resources"]
    return found


def test_minimal(minimal: CqrsStack, template_snapshot: SnapshotAssertion) -> None:
    assert stable(minimal) == template_snapshot
    assert warnings_of(minimal) == []


def test_everything(app: cdk.App, code: Path, template_snapshot: SnapshotAssertion) -> None:
    (code / "service.py").write_text("app = None\n", encoding="utf-8")
    requirements = code / "requirements.txt"
    requirements.write_text(f"ulid==1.1 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    stack = shop(
        app,
        code,
        env_name="stg",
        modules=[
            CqrsModule("order", data_sync=True),
            CqrsModule("order_note", processing=Processing.INLINE),
        ],
        handler="service.app",
        dependencies=requirements,
        environment={"DATABASE_URL": "postgresql://db.example.com"},
        read_your_writes=cdk.Duration.minutes(1),
        master_data=True,
        realtime=True,
        workflow_type=WorkflowType.EXPRESS,
        cors_origins=["https://shop.example.com"],
        password_auth=True,
        api=FunctionOptions(memory_size=1024),
        notifier=FunctionOptions(timeout=cdk.Duration.minutes(1)),
        architecture=lambda_.Architecture.X86_64,
        log_retention=logs.RetentionDays.ONE_WEEK,
        removal_policy=cdk.RemovalPolicy.DESTROY,
        description="a shop",
        tags={"team": "shop"},
        termination_protection=True,
    )
    assert stable(stack) == template_snapshot
    assert set(warnings_of(stack)) == {
        "cqrs:destroyableBucket",
        "cqrs:destroyableTables",
        "cqrs:destroyableUsers",
    }


def test_logical_ids_of_what_holds_data_are_a_contract(in_production: CqrsStack) -> None:
    assert {name for name, r in resources(in_production).items() if r["Type"] in STATEFUL} == {
        "AttributesBucket656950E7",
        "FailedRecordsDEC8AD7E",
        "IdentityUserPool96FE3B9B",
        "MasterDataTable0B500C52",
        "NotificationsDeadLetters2AC1E002",
        "NotificationsQueue91395D8F",
        "SessionsTableA5E8383B",
        "orderCommandF671DE3C",
        "orderData5B95F630",
        "orderHistoryD56E3F14",
        "orderSync948DC202",
    }


@pytest.mark.parametrize("flags", [True, False], ids=["recommended flags", "no flags"])
def test_by_default_nothing_that_holds_data_is_deleted(
    minimal: CqrsStack, code: Path, *, flags: bool
) -> None:
    stack = minimal if flags else shop(new_app(flags=False), code)
    kinds = STATEFUL - {"AWS::SQS::Queue"}
    policies = {r["Type"]: r.get("DeletionPolicy") for r in resources(stack).values()}
    assert {kind: policies[kind] for kind in kinds} == dict.fromkeys(kinds, "Retain")


def test_outputs_say_where_everything_is(app: cdk.App, code: Path) -> None:
    modules = [CqrsModule("order", data_sync=True), CqrsModule("order-note")]
    stack = shop(app, code, modules=modules, master_data=True)
    assert set(Template.from_stack(stack).to_json()["Outputs"]) == {
        "AlarmTopicArn",
        "ApiUrl",
        "ApplyStateMachineArn",
        "AttributesBucketName",
        "MasterDataTableName",
        "NotificationQueueUrl",
        "OperatorFunctionName",
        "OrderCommandTableName",
        "OrderDataTableName",
        "OrderHistoryTableName",
        "OrderNoteCommandTableName",
        "OrderNoteDataTableName",
        "OrderNoteHistoryTableName",
        "OrderSyncTableName",
        "SessionTableName",
        "StateMachineArn",
        "TopicArn",
        "UserPoolClientId",
        "UserPoolId",
    }


def test_outputs_of_tables_can_be_left_out_and_those_of_others_are_counted_at_synthesis(
    app: cdk.App, code: Path
) -> None:
    stack = shop(app, code, table_outputs=False, monitoring=False)
    for number in range(200 - 11 + 1):
        cdk.CfnOutput(stack, f"Mine{number}", value="x")
    message = (
        r"Shop must have at most 200 outputs, got 201; leave those of the tables out \(table_outputs=False"
    )
    with pytest.raises(RuntimeError, match=message):
        app.synth()


def test_tables_have_the_names_that_the_runtime_assumes(in_production: CqrsStack) -> None:
    template = Template.from_stack(in_production)
    variables = next(
        f["Properties"]["Environment"]["Variables"]
        for name, f in template.find_resources("AWS::Lambda::Function").items()
        if name.startswith("FunctionsApi")
    )
    assert json.loads(variables[Env.MODULES]) == {"order": {"sync": True}}
    names = {name: variables[name] for name in (Env.NODE_ENV, Env.APP_NAME, Env.MODULES)}
    settings = Settings.from_environment(names)
    tables = settings.tables_of("order")
    deployed = {
        t["Properties"]["TableName"] for t in template.find_resources("AWS::DynamoDB::GlobalTable").values()
    }
    master_data = Settings(node_env="prod", app_name="shop").master_data_table
    of_the_module = {tables.command, tables.data, tables.history, tables.sync}
    assert deployed == {*of_the_module, settings.session_table, master_data}


def test_read_your_writes_can_be_switched_off(app: cdk.App, code: Path) -> None:
    stack = shop(app, code, read_your_writes=None)
    assert stack.session_table is None
    assert Env.SESSION_TABLE_NAME not in json.dumps(Template.from_stack(stack).to_json())


def test_a_table_with_settings_is_made_on_demand_only(minimal: CqrsStack) -> None:
    assert minimal.master_data_table is None
    assert "MasterData" not in json.dumps(Template.from_stack(minimal).to_json())


def test_a_service_is_watched_by_default(in_production: CqrsStack) -> None:
    stack = in_production
    assert stack.monitoring is not None
    assert stack.monitoring.alarm_topic is stack.notifications.alarm_topic
    # Nothing that can be watched was forgotten.
    assert set(stack.monitoring.alarms) == set(ALARMS)
    assert stack.monitoring.metrics.service == "prod-shop"
    assert len(Template.from_stack(stack).find_resources("AWS::CloudWatch::Dashboard")) == 1


def test_thresholds_are_props_and_monitoring_can_be_left_out(app: cdk.App, code: Path) -> None:
    stack = shop(app, code, monitoring=AlarmThresholds(dead_letters=7, stream_lag=None))
    assert stack.monitoring is not None
    assert alarms_of(stack.monitoring)["DeadLetters"]["Threshold"] == 7
    assert "StreamLag" not in stack.monitoring.alarms
    without = shop(new_app(), code, monitoring=False)
    assert without.monitoring is None
    assert not [r for r in resources(without).values() if "CloudWatch" in r["Type"]]


def test_unfinished_commands_are_healed_by_default(minimal: CqrsStack) -> None:
    assert minimal.healing is not None
    (rule,) = (r["Properties"] for r in resources(minimal).values() if r["Type"] == "AWS::Events::Rule")
    assert rule["ScheduleExpression"] == "rate(5 minutes)"
    assert rule["Targets"][0]["Arn"]["Fn::GetAtt"][0].startswith("FunctionsOperatorFunction")


def test_how_often_unfinished_commands_are_healed_is_a_prop(app: cdk.App, code: Path) -> None:
    stack = shop(app, code, heal_every=cdk.Duration.hours(2))
    (rule,) = (r["Properties"] for r in resources(stack).values() if r["Type"] == "AWS::Events::Rule")
    assert rule["ScheduleExpression"] == "rate(2 hours)"
    with pytest.raises(InvalidPropsError, match="heal_every must be from 1 minute to 12 hours, got 1 day"):
        shop(new_app(), code, heal_every=cdk.Duration.days(1))


def test_healing_can_be_switched_off(app: cdk.App, code: Path) -> None:
    stack = shop(app, code, heal_every=None)
    assert stack.healing is None
    assert not [r for r in resources(stack).values() if r["Type"] == "AWS::Events::Rule"]


def test_every_log_has_a_group_that_expires(app: cdk.App, code: Path) -> None:
    week = logs.RetentionDays.ONE_WEEK
    stack = shop(app, code, log_retention=week, master_data=True, realtime=True)
    found = resources(stack)
    groups = {name: r["Properties"] for name, r in found.items() if r["Type"] == "AWS::Logs::LogGroup"}
    assert {group["RetentionInDays"] for group in groups.values()} == {7}
    logging = {
        "AWS::Lambda::Function": lambda of: of["LoggingConfig"]["LogGroup"],
        "AWS::StepFunctions::StateMachine": lambda of: of["LoggingConfiguration"]["Destinations"][0],
        "AWS::ApiGatewayV2::Stage": lambda of: of["AccessLogSettings"]["DestinationArn"],
    }
    used = [
        json.dumps(logging[resource["Type"]](resource["Properties"]))
        for resource in found.values()
        if resource["Type"] in logging
    ]
    # Each to a group of its own, but for the two state machines, and no group that nobody writes to.
    assert sorted(name for text in set(used) for name in groups if f'"{name}"' in text) == sorted(groups)
    assert (len(used), len(set(used)), len(groups)) == (9, 8, 8)


@pytest.mark.parametrize(("modules", "alarms"), [(1, 32), (10, 113)])
def test_what_is_watched_costs_what_the_documentation_says(
    app: cdk.App, code: Path, modules: int, alarms: int
) -> None:
    stack = shop(app, code, modules=[CqrsModule(f"module{number}") for number in range(modules)])
    assert stack.monitoring is not None
    assert len(stack.monitoring.alarms) == alarms
    price = f"${alarms * 0.10:.2f}"
    (line,) = (line for line in COSTS.read_text(encoding="utf-8").splitlines() if line.startswith("| alarms"))
    assert f" {price} |" in line
    # CloudFormation takes 500 resources and 1 MB.
    assert len(resources(stack)) < 250
    assert len(json.dumps(Template.from_stack(stack).to_json(), indent=1)) < 400_000


def test_parts_of_another_stack_are_used(app: cdk.App, code: Path) -> None:
    shared = cdk.Stack(app, "Shared")
    identity = Identity(shared, "Identity")
    notifications = Notifications(shared, "Notifications", alarm_emails=["on-call@example.com"])
    master_data = MasterDataTable(shared, "MasterData")
    sessions = SessionTable(shared, "Sessions", read_your_writes=cdk.Duration.minutes(2))
    attributes = AttributesBucket(shared, "Attributes")
    failed = FailedRecords(shared, "FailedRecords")
    tables = CqrsTable(shared, "Orders", module_name="order", processing=Processing.INLINE)
    stack = shop(
        app,
        code,
        modules=[CqrsModule("order", table=tables)],
        alarm_emails=[],
        identity=identity,
        notifications=notifications,
        master_data=master_data,
        session_table=sessions,
        attributes_bucket=attributes,
        failed_records=failed,
        worker=imported_function(cdk.Stack(app, "Other"), "worker"),
    )
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::Cognito::UserPool", 0)
    template.resource_count_is("AWS::SNS::Topic", 0)
    template.resource_count_is(
        "AWS::Lambda::Function", 5
    )  # four of the service, and the one that checks them
    for kind in ("AWS::DynamoDB::GlobalTable", "AWS::S3::Bucket", "AWS::SQS::Queue"):
        template.resource_count_is(kind, 0)
    assert stack.master_data_table is master_data
    assert stack.session_table is sessions
    assert stack.attributes_bucket is attributes
    assert stack.failed_records is failed
    told = [
        made["Properties"]["Environment"]["Variables"]
        for made in template.find_resources("AWS::Lambda::Function").values()
    ]
    assert [made[Env.RYW_SESSION_TTL_MINUTES] for made in told if Env.RYW_SESSION_TTL_MINUTES in made] == [
        "2"
    ]
    assert "MasterDataTableName" in template.to_json()["Outputs"]


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"env_name": "my env"}, r"env_name must match .*, got 'my env'; use letters, digits"),
        ({"env_name": "-x"}, "env_name must match"),
        ({"env_name": "é"}, "env_name must match"),
        ({"stack_name": "my_shop"}, "stack_name must match .* got 'my_shop'"),
        ({"notification_arns": ["x"]}, r"notification_arns\[0\] must match .* give the ARN, such as"),
        ({"notification_arns": ["arn:aws:sns:Dublin:111111111111:x"]}, "must match .* got 'arn:aws:sns:Dub"),
        ({"notification_arns": [cdk.Aws.STACK_ID]}, r"notification_arns\[0\] must be known at synthesis"),
        ({"nested_alarms": True, "monitoring": False}, "nested_alarms needs alarms, got True beside mon"),
        ({"app_name": "my shop"}, "app_name must match .* got 'my shop'"),
        ({"modules": []}, "modules must name at least one module, got none"),
        ({"modules": [CqrsModule("a-b"), CqrsModule("a_b")]}, "different names, got 'a-b' and 'a_b'"),
        ({"modules": [CqrsModule("a"), CqrsModule("a")]}, "different names, got 'a' and 'a'"),
        ({"code": "no/such/folder"}, "code must be a folder, got 'no/such/folder'"),
        ({"environment": {"NODE_ENV": "x"}}, "environment must not be NODE_ENV"),
    ],
)
def test_what_cannot_be_deployed_is_refused(
    app: cdk.App, code: Path, props: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        shop(app, code, **props)


def test_props_of_parts_that_were_brought_are_refused(app: cdk.App, code: Path) -> None:
    shared = cdk.Stack(app, "Shared")
    with pytest.raises(
        InvalidPropsError, match="password_auth has no effect on a resource that identity brings"
    ):
        shop(app, code, identity=Identity(shared, "Identity"), password_auth=True)
    with pytest.raises(InvalidPropsError, match="alarm_emails has no effect"):
        shop(new_app(), code, notifications=Notifications(shared, "Notifications"))
    sessions = SessionTable(shared, "Sessions")
    for given, said in ((None, "None"), (cdk.Duration.minutes(2), "2 minutes")):
        with pytest.raises(InvalidPropsError, match=f"read_your_writes has no effect.* got {said} beside Sh"):
            shop(new_app(), code, session_table=sessions, read_your_writes=given)


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"name": "Order"}, "name must match .* got 'Order'"),
        ({"name": "order", "data_sync": True}, "data_sync has no effect on a resource that table brings"),
        ({"name": "order", "processing": Processing.INLINE}, "processing has no effect"),
        ({"name": "invoice"}, "table must belong to the module 'invoice', got the tables of 'order'"),
    ],
)
def test_a_module_that_contradicts_its_tables_is_refused(
    stack: cdk.Stack, props: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        CqrsModule(table=CqrsTable(stack, "Order"), **props)
