"""A service whose modules are all of events: nothing of the way of a command is made for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch

from constructs_lib import (
    CommandWorkflow,
    CqrsFunctions,
    CqrsModule,
    CqrsMonitoring,
    CqrsTable,
    EventModule,
    EventStoreTable,
    FailedRecords,
    FunctionOptions,
    InvalidPropsError,
    Notifications,
    RetainedData,
    SessionTable,
    WorkflowType,
)
from runtime.contract import Env
from tests.constructs.conftest import new_app, stable
from tests.constructs.functions import CODE, new_function
from tests.constructs.monitored import dashboard_of
from tests.constructs.test_event_modules import ENV, FUNCTION, Service, shop

if TYPE_CHECKING:
    from constructs_lib import CqrsStack

#: What only a command passes through, by the types of resources.
OF_COMMANDS = ("AWS::StepFunctions::", "AWS::SQS::", "AWS::Events::", "AWS::SNS::Subscription")
QUEUE, TOPIC, MAPPING = "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::Lambda::EventSourceMapping"


@pytest.fixture(scope="module")
def alone() -> Service:
    return Service(shop(new_app(), EventModule("blog", handlers=True), alarm_emails=[], monitoring=True))


def outputs_of(service: Service) -> set[str]:
    return set(service.template["Outputs"])


def test_there_is_nothing_that_only_a_command_passes_through(alone: Service) -> None:
    kinds = {resource["Type"] for resource in alone.resources.values()}
    assert [kind for kind in kinds if kind.startswith(OF_COMMANDS)] == []
    assert set(alone.variables()) == set(alone.stack.functions.made) == {"api", "operator", "projector"}
    tables = {r["Properties"]["TableName"] for r in alone.of("AWS::DynamoDB::GlobalTable").values()}
    assert tables == {"dev-shop-blog-events", "dev-shop-blog-sync"}
    assert len(alone.of(TOPIC)) == len(alone.of(MAPPING)) == 1
    allowed = json.dumps(list(alone.of("AWS::IAM::Policy").values()))
    assert "states:" not in allowed
    assert "sqs:" not in allowed
    left_out = {
        "StateMachineArn",
        "ApplyStateMachineArn",
        "TopicArn",
        "NotificationQueueUrl",
        "SessionTableName",
    }
    assert {"AlarmTopicArn", "OperatorFunctionName", "ApiUrl"} <= outputs_of(alone)
    assert not left_out & outputs_of(alone)


def test_functions_are_told_of_what_is_there(alone: Service) -> None:
    told = alone.variables()
    gone = {
        Env.SFN_COMMAND_ARN,
        Env.SFN_APPLY_ARN,
        Env.SNS_TOPIC_ARN,
        Env.NOTIFICATION_QUEUE_URL,
        Env.DEAD_LETTER_QUEUE_URL,
        Env.SESSION_TABLE_NAME,
        Env.RYW_SESSION_TTL_MINUTES,
    }
    assert [gone & set(variables) for variables in told.values()] == [set()] * 3
    assert Env.SNS_ALARM_TOPIC_ARN in told["projector"]
    assert Env.FAILED_RECORDS_BUCKET_NAME in told["operator"]
    assert all(Env.S3_BUCKET_NAME in variables for variables in told.values())
    (check,) = alone.of("Custom::CqrsCodeCheck").values()
    assert set(check["Properties"]["Functions"]) == {"api", "operator", "projector"}


def test_what_is_watched_is_what_is_there(alone: Service) -> None:
    made = alone.stack.monitoring
    assert isinstance(made, CqrsMonitoring)
    of_functions = {
        f"Function{what}-{kind}"
        for what in ("Errors", "Throttles", "Duration")
        for kind in ("api", "projector")
    }
    of_module = {
        f"{name}-blog"
        for name in (
            "EventHandlersParked",
            "EventLag",
            "RecordsSetAside",
            "RecordsDropped",
            "ThrottledAppends",
            "ThrottledReads",
            "ThrottledCursors",
        )
    }
    of_service = {"EventStreamLag", "NotificationsLost", "ApiServerErrors", "ApiLatency"}
    assert set(made.alarms) == of_functions | of_module | of_service
    lost = made.alarms["NotificationsLost"].node.default_child
    assert isinstance(lost, cloudwatch.CfnAlarm)
    assert "projector" in str(lost.alarm_description)
    assert "client" not in str(lost.alarm_description)
    titles = [widget["properties"].get("title") for widget in dashboard_of(made)]
    assert "Records that failed" in titles
    (text,) = (widget["properties"]["markdown"] for widget in dashboard_of(made) if widget["type"] == "text")
    assert "cqrs handlers rebuild" in text
    assert "reconcile" not in text
    assert not {"Executions", "Dead letters", "Oldest notification (s)", "Commands"} & set(titles)


def test_without_handlers_there_is_no_stream_either() -> None:
    found = Service(shop(new_app(), EventModule("audit"), alarm_emails=[], monitoring=True))
    assert set(found.variables()) == {"api", "operator"}
    assert found.of(MAPPING) == {}
    # The attributes bucket, which large events go to.
    assert len(found.of("AWS::S3::Bucket")) == 1
    assert Env.FAILED_RECORDS_BUCKET_NAME not in found.variables()["operator"]
    with pytest.raises(
        InvalidPropsError, match="failed_records is not there: all modules of the stack are of events"
    ):
        _ = found.stack.failed_records


def test_alarms_that_an_address_does_not_take_have_a_queue() -> None:
    stack = shop(new_app(), EventModule("audit"), monitoring=True)
    found = Service(stack)
    assert len(found.of(QUEUE)) == 1
    (subscription,) = found.of("AWS::SNS::Subscription").values()
    assert subscription["Properties"]["Protocol"] == "email"
    assert subscription["Properties"]["RedrivePolicy"]
    assert stack.monitoring is not None
    assert "DeadLetters" in stack.monitoring.alarms
    assert "OldestNotification" not in stack.monitoring.alarms


def test_a_first_module_of_commands_moves_nothing() -> None:
    blog = EventModule("blog", handlers=True)
    before = Service(shop(new_app(), blog, monitoring=True)).resources
    after = Service(shop(new_app(), blog, CqrsModule("order"), monitoring=True)).resources
    # The check is another one for other code, by its design.
    gone = {name for name in before if not name.startswith("CodeCheck")} - set(after)
    assert gone == set()
    kept = {
        "AWS::DynamoDB::GlobalTable",
        "AWS::S3::Bucket",
        "AWS::Cognito::UserPool",
        "AWS::KMS::Key",
        MAPPING,
    }
    for name, resource in before.items():
        if resource["Type"] in kept:
            assert after[name] == resource, name


@pytest.mark.parametrize("part", ["stream", "worker", "notifier"])
def test_a_part_that_is_not_there_says_so(alone: Service, part: str) -> None:
    with pytest.raises(InvalidPropsError, match=f"{part} is not there: Shop/Functions is without modules of"):
        getattr(alone.stack.functions, part)
    assert alone.stack.functions.find(part) is None


def test_the_workflow_and_the_topic_say_so_too(alone: Service) -> None:
    with pytest.raises(InvalidPropsError, match="workflow is not there: all modules of the stack are of ev"):
        _ = alone.stack.workflow
    for part in ("topic", "queue", "dead_letter_queue"):
        with pytest.raises(InvalidPropsError, match=f"^{part} is not there: these notifications are for al"):
            getattr(alone.stack.notifications, part)
    function = new_function(cdk.Stack(new_app(), "Other"))
    for right, part in (("publish", "topic"), ("replay", "queue")):
        with pytest.raises(InvalidPropsError, match=f"^{part} is not there"):
            getattr(alone.stack.notifications.grants, right)(function)
    assert alone.stack.healing is None
    assert alone.stack.session_table is None


def test_a_worker_for_triggers_of_ones_own() -> None:
    stack = shop(new_app(), EventModule("blog"), worker=FunctionOptions(memory_size=512))
    found = Service(stack)
    assert set(found.variables()) == {"api", "operator", "worker"}
    assert stack.functions.find("worker") is stack.functions.worker
    assert Env.SNS_ALARM_TOPIC_ARN in found.variables()["worker"]
    assert Env.SNS_TOPIC_ARN not in found.variables()["worker"]
    assert found.of("AWS::StepFunctions::StateMachine") == {}


@pytest.mark.parametrize(
    "props", [{"notifier": FunctionOptions()}, {"realtime": True}], ids=["own", "realtime"]
)
def test_whoever_tells_clients_has_a_topic_and_a_queue(props: dict[str, Any]) -> None:
    stack = shop(new_app(), EventModule("blog"), **props)
    found = Service(stack)
    assert set(found.variables()) == {"api", "operator", "notifier"}
    assert (len(found.of(TOPIC)), len(found.of(QUEUE)), len(found.of(MAPPING))) == (2, 2, 1)
    assert {"TopicArn", "NotificationQueueUrl"} <= outputs_of(found)
    assert Env.NOTIFICATION_QUEUE_URL in found.variables()["operator"]
    assert [v for v in found.variables().values() if Env.SNS_TOPIC_ARN in v] == []


@pytest.mark.parametrize(
    ("prop", "value"),
    [
        ("stream", lambda _: FunctionOptions()),
        ("session_table", lambda scope: SessionTable(scope, "Sessions")),
        ("read_your_writes", lambda _: cdk.Duration.minutes(7)),
        ("heal_every", lambda _: cdk.Duration.minutes(7)),
        ("workflow_type", lambda _: WorkflowType.EXPRESS),
        ("master_data", lambda _: True),
    ],
)
def test_what_is_for_commands_is_refused_by_name(app: cdk.App, prop: str, value: Any) -> None:
    given = {prop: value(cdk.Stack(app, "Others"))}
    message = (
        f"{prop} is for modules of commands, got it where all modules are of events .blog, audit.; leave"
    )
    with pytest.raises(InvalidPropsError, match=message):
        shop(app, EventModule("blog"), EventModule("audit"), **given)


def test_what_is_switched_off_anyway_may_be_said(app: cdk.App) -> None:
    shop(app, EventModule("blog"), read_your_writes=None, heal_every=None, master_data=False)


def test_a_service_of_events_sends_its_alarms_to_the_topic_of_another_one(app: cdk.App) -> None:
    orders = shop(app, CqrsModule("order"))
    events: CqrsStack = shop_called(app, "Blog", EventModule("blog", handlers=True), orders.notifications)
    assert events.notifications.alarm_topic is orders.notifications.alarm_topic
    assert events.notifications.alarms_only
    found = Service(events)
    assert (found.of(TOPIC), found.of(QUEUE)) == ({}, {})
    assert Env.SNS_ALARM_TOPIC_ARN in found.variables()["projector"]
    assert Env.NOTIFICATION_QUEUE_URL not in found.variables()["operator"]
    assert isinstance(events.monitoring, CqrsMonitoring)
    # The queue and its dead letters are the other service's, which watches them.
    assert {"OldestNotification", "DeadLetters"}.isdisjoint(events.monitoring.alarms)
    assert "NotificationsLost" in events.monitoring.alarms


@pytest.mark.parametrize(
    ("name", "handlers"),
    [("session_table_name", True), ("master_data_table_name", True), ("failed_records_bucket_name", False)],
)
def test_what_is_not_made_is_not_taken_back_either(app: cdk.App, name: str, *, handlers: bool) -> None:
    given: Any = {name: "dev-shop-session"}
    with pytest.raises(InvalidPropsError, match=f"{name} has no effect on a stack that makes no such part"):
        shop(app, EventModule("blog", handlers=handlers), retained=RetainedData(**given), env=ENV)


def test_a_service_of_commands_needs_more_than_a_topic_for_alarms(app: cdk.App) -> None:
    events = shop(app, EventModule("blog"))
    with pytest.raises(InvalidPropsError, match="is not there: these notifications are for alarms only"):
        shop_called(app, "Orders", CqrsModule("order"), events.notifications)


def shop_called(
    app: cdk.App, name: str, module: CqrsModule | EventModule, notifications: Notifications
) -> CqrsStack:
    from constructs_lib import CqrsStack  # noqa: PLC0415 - for its type above

    return CqrsStack(
        app,
        name,
        app_name=name.lower(),
        modules=[module],
        code=CODE,
        handler="index.handler",
        notifications=notifications,
        check_code=False,
    )


class TestInAStackOfYourOwn:
    """The parts, one by one."""

    def test_functions_of_events_alone(self, stack: cdk.Stack) -> None:
        blog = EventStoreTable(stack, "Blog", handlers=True)
        alarms = Notifications(stack, "Alarms", alarms_only=True)
        functions = CqrsFunctions(
            stack,
            "Functions",
            code=CODE,
            app_name="shop",
            tables=[blog],
            notifications=alarms,
            commands=False,
        )
        FailedRecords(stack, "Failed").connect(functions)
        assert set(functions.made) == {"api", "operator", "projector"}
        found = stable(stack)["Resources"].values()
        assert len([r for r in found if r["Type"] == FUNCTION]) == 3
        assert [r for r in found if r["Type"] == QUEUE] == []

    def test_topics_of_another_service_are_there_for_its_alarms_alone(self, stack: cdk.Stack) -> None:
        CqrsFunctions(
            stack,
            "Functions",
            code=CODE,
            app_name="shop",
            tables=[EventStoreTable(stack, "Blog", handlers=True)],
            notifications=Notifications(stack, "Theirs"),
            commands=False,
        )
        functions = [r for r in stable(stack)["Resources"].values() if r["Type"] == FUNCTION]
        told = {name for f in functions for name in f["Properties"]["Environment"]["Variables"]}
        assert Env.SNS_ALARM_TOPIC_ARN in told
        assert not told & {Env.SNS_TOPIC_ARN, Env.NOTIFICATION_QUEUE_URL, Env.DEAD_LETTER_QUEUE_URL}

    def test_by_default_commands_may_come(self, stack: cdk.Stack) -> None:
        functions = CqrsFunctions(
            stack, "Functions", code=CODE, app_name="shop", tables=[EventStoreTable(stack, "Blog")]
        )
        CommandWorkflow(stack, "Workflow", worker=functions.worker).connect(functions)
        CqrsTable(stack, "Order").connect(functions)
        assert set(functions.made) == {"api", "stream", "worker", "notifier", "operator"}

    def test_tables_of_commands_are_refused(self, stack: cdk.Stack) -> None:
        functions = CqrsFunctions(
            stack, "Functions", code=CODE, app_name="shop", commands=False, worker=FunctionOptions()
        )
        message = "Test/Order keeps commands, and Test/Functions/Api/Function belongs to functions without"
        with pytest.raises(InvalidPropsError, match=message):
            CqrsTable(stack, "Order").connect(functions)

    @pytest.mark.parametrize(
        ("prop", "value"),
        [("service", "prod-shop"), ("max_receive_count", 3), ("topic", None), ("queue", None)],
    )
    def test_what_has_no_place_beside_alarms_is_refused(
        self, stack: cdk.Stack, prop: str, value: object
    ) -> None:
        theirs = getattr(Notifications(stack, "Theirs"), prop, None) if value is None else value
        given: dict[str, Any] = {prop: theirs}
        with pytest.raises(InvalidPropsError, match=f"{prop} has no effect beside alarms_only, got both"):
            Notifications(stack, "Alarms", alarms_only=True, **given)

    def test_an_existing_topic_for_alarms_needs_nothing_new(self, stack: cdk.Stack) -> None:
        theirs = Notifications(stack, "Theirs").alarm_topic
        before = set(stable(stack)["Resources"])
        mine = Notifications(stack, "Alarms", alarms_only=True, alarm_topic=theirs)
        assert (mine.alarm_topic, mine.encryption_key) == (theirs, None)
        assert {child.node.path for child in mine.node.find_all()} == {"Test/Alarms"}
        assert before
