"""What is watched, when it rings, where it goes. `test_monitoring_rings` makes the alarms ring."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from constructs_lib import (
    AlarmThresholds,
    CqrsMonitoring,
    CqrsTable,
    Healing,
    InvalidPropsError,
    Notifications,
    StreamProcessing,
)
from tests.constructs.conftest import new_app, stable, warnings_of
from tests.constructs.functions import imported_function, new_function
from tests.constructs.monitored import FUNCTIONS, alarms_of, dashboard_of, monitored, parts

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

LAMBDA, STATES, SQS, API, DYNAMODB = (
    f"AWS/{name}" for name in ("Lambda", "States", "SQS", "ApiGateway", "DynamoDB")
)
#: Metric, statistic, threshold, breaching of how many periods of 5 minutes, tells when it is over.
INTENT = {
    "StreamLag": (LAMBDA, "IteratorAge", "Maximum", 300_000, (1, 1), True),
    "RecordsSetAside-order": (LAMBDA, "OnFailureDestinationDeliveredEventCount", "Sum", 1, (1, 1), False),
    "RecordsDropped-order": (LAMBDA, "DroppedEventCount", "Sum", 1, (1, 1), False),
    "ExecutionsFailed": (STATES, "ExecutionsFailed", "Sum", 1, (1, 1), False),
    "ExecutionsTimedOut": (STATES, "ExecutionsTimedOut", "Sum", 1, (1, 1), False),
    "ExecutionsFailed-apply": (STATES, "ExecutionsFailed", "Sum", 1, (1, 1), False),
    "ExecutionsTimedOut-apply": (STATES, "ExecutionsTimedOut", "Sum", 1, (1, 1), False),
    "CommandsFailed-order": ("Cqrs", "CommandsFailed", "Sum", 1, (1, 1), False),
    "CommandsHealed-order": ("Cqrs", "CommandsHealed", "Sum", 1, (1, 1), False),
    "HandlersParked-order": ("Cqrs", "HandlersParked", "Sum", 1, (1, 1), False),
    "CommandLag-order": ("Cqrs", "CommandLag", "p99", 60_000, (2, 3), True),
    "DeadLetters": (SQS, "ApproximateNumberOfMessagesVisible", "Maximum", 1, (1, 1), True),
    "OldestNotification": (SQS, "ApproximateAgeOfOldestMessage", "Maximum", 900, (1, 1), True),
    "NotificationsLost": ("Cqrs", "NotificationsLost", "Sum", 1, (1, 1), False),
    "ApiServerErrors": (API, "5xx", "Sum", 5, (1, 1), False),
    "ApiLatency": (API, "Latency", "p99", 3000, (3, 3), True),
    "ThrottledCommands-order": (DYNAMODB, "WriteThrottleEvents", "Sum", 10, (2, 3), False),
    "ThrottledData-order": (DYNAMODB, "WriteThrottleEvents", "Sum", 10, (2, 3), False),
    "ThrottledReads-order": (DYNAMODB, "ReadThrottleEvents", "Sum", 10, (2, 3), False),
    "ThrottledHistory-order": (DYNAMODB, "WriteThrottleEvents", "Sum", 10, (2, 3), False),
    **{f"FunctionErrors-{name}": (LAMBDA, "Errors", "Sum", 5, (3, 3), False) for name in FUNCTIONS},
    **{f"FunctionThrottles-{name}": (LAMBDA, "Throttles", "Sum", 1, (2, 3), False) for name in FUNCTIONS},
    # 90 % of the functions' 20 seconds
    **{
        f"FunctionDuration-{name}": (LAMBDA, "Duration", "Maximum", 18_000, (2, 3), False)
        for name in FUNCTIONS
    },
}
#: Rings below its threshold, and where there is no data.
HEARTBEATS = {"HealingStopped": ("Cqrs", "Heals", "Sum", 1, (3, 3), True)}
ALARMS = INTENT | HEARTBEATS
OFF = {
    "stream_lag": {"StreamLag"},
    "records_set_aside": {"RecordsSetAside", "RecordsDropped"},
    "executions_failed": {"ExecutionsFailed"},
    "executions_timed_out": {"ExecutionsTimedOut"},
    "commands_failed": {"CommandsFailed"},
    "commands_healed": {"CommandsHealed"},
    "heals_missed": {"HealingStopped"},
    "handlers_parked": {"HandlersParked"},
    "command_lag": {"CommandLag"},
    "dead_letters": {"DeadLetters"},
    "oldest_notification": {"OldestNotification"},
    "notifications_lost": {"NotificationsLost"},
    "function_errors": {"FunctionErrors"},
    "function_throttles": {"FunctionThrottles"},
    "function_duration_percent": {"FunctionDuration"},
    "table_throttles": {"ThrottledCommands", "ThrottledData", "ThrottledReads", "ThrottledHistory"},
    "api_latency": {"ApiLatency"},
    "api_server_errors": {"ApiServerErrors"},
}


class Watched:
    """Everything, watched: made once for the tests that only look."""

    def __init__(self) -> None:
        stack = cdk.Stack(new_app(), "Test")
        self.made = monitored(stack)
        self.alarms = alarms_of(self.made)
        self.widgets = dashboard_of(self.made)
        self.resources: dict[str, Any] = Template.from_stack(stack).to_json()["Resources"]


@pytest.fixture(scope="module")
def service() -> Watched:
    return Watched()


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    topic = sns.Topic(stack, "Topic")
    CqrsMonitoring(
        stack,
        "Monitoring",
        app_name="shop",
        alarm_topic=topic,
        functions={"worker": imported_function(stack, "worker")},
    )
    assert stable(stack) == template_snapshot


def test_everything(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    pager = sns.Topic(stack, "Pager")
    made = monitored(
        stack,
        alarm_topic=pager,
        thresholds=AlarmThresholds(
            stream_lag=cdk.Duration.minutes(1), api_server_errors=50, function_duration_percent=50
        ),
    )
    shown = stable(stack)["Resources"]
    assert {name: shown[name] for name in shown if name.startswith("Monitoring")} == template_snapshot, (
        "what belongs to the monitoring"
    )
    assert warnings_of(stack) == []
    assert set(made.alarms) == set(ALARMS)
    assert made.alarm_topic is pager


def test_each_alarm_watches_what_it_is_for(service: Watched) -> None:
    found = {}
    for name, alarm in service.alarms.items():
        assert alarm["Period"] == 300
        statistic = alarm.get("Statistic") or alarm["ExtendedStatistic"]
        periods = (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"])
        found[name] = (
            alarm["Namespace"],
            alarm["MetricName"],
            statistic,
            alarm["Threshold"],
            periods,
            "OKActions" in alarm,
        )
    assert found == ALARMS


def test_each_alarm_watches_a_part_that_there_is(service: Watched) -> None:
    dimensions = {name: alarm["Dimensions"] for name, alarm in service.alarms.items()}
    resources = service.resources
    expected = {
        "FunctionName": "AWS::Lambda::Function",
        "EventSourceMappingUUID": "AWS::Lambda::EventSourceMapping",
        "StateMachineArn": "AWS::StepFunctions::StateMachine",
        "QueueName": "AWS::SQS::Queue",
        "ApiId": "AWS::ApiGatewayV2::Api",
        "TableName": "AWS::DynamoDB::GlobalTable",
    }
    for name, listed in dimensions.items():
        if ALARMS[name][0] == "Cqrs":
            module = "order" if name.endswith("-order") else "all"
            assert listed == [{"Name": "module", "Value": module}, {"Name": "service", "Value": "prod-shop"}]
            continue
        ((kind, value),) = ((dimension["Name"], dimension["Value"]) for dimension in listed)
        logical_id = value.get("Ref") or value["Fn::GetAtt"][0]
        assert resources[logical_id]["Type"] == expected[kind]
        if "-" in name and kind == "FunctionName":
            assert logical_id.lower().startswith(name.split("-")[1])
    throttled = [name for name in dimensions if name.startswith("Throttled")]
    tables = {name: dimensions[name][0]["Value"]["Ref"][:-8] for name in throttled}
    assert tables == {
        "ThrottledCommands-order": "OrderCommand",
        "ThrottledData-order": "OrderData",
        "ThrottledReads-order": "OrderData",
        "ThrottledHistory-order": "OrderHistory",
    }
    assert "DeadLetters" in str(dimensions["DeadLetters"])
    assert "NotificationsQueue" in str(dimensions["OldestNotification"])


def test_each_alarm_says_what_it_means_and_what_to_do_next(service: Watched) -> None:
    texts = {name: a["AlarmDescription"] for name, a in service.alarms.items()}
    for name, text in texts.items():
        assert text.startswith("prod-shop: "), name
        means, next_step = text.removeprefix("prod-shop: ").split(" Next: ")
        assert len(means) > 40, name
        assert len(next_step) > 20, name
        assert len(text) <= 1024, name
    commands = {name: command for name in texts for command in COMMANDS if command in texts[name]}
    assert commands.keys() >= {
        "StreamLag",
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "CommandLag-order",
        "FunctionErrors-worker",
        "OldestNotification",
    }
    assert commands["RecordsSetAside-order"] == commands["RecordsDropped-order"] == "cqrs reconcile"
    assert commands["CommandsFailed-order"] == "cqrs reconcile"
    assert commands["HandlersParked-order"] == "cqrs redrive"
    assert commands["DeadLetters"] == "cqrs replay-dlq"


#: The last one that a text names is the one that heals.
COMMANDS = ("cqrs status", "cqrs redrive", "cqrs reconcile", "cqrs replay-dlq")


def test_alarms_go_to_the_alarm_topic_and_are_silent_without_data(service: Watched) -> None:
    for name, alarm in service.alarms.items():
        (action,) = alarm["AlarmActions"]
        assert action["Ref"].startswith("NotificationsAlarmTopic"), name
        assert alarm.get("OKActions", [action]) == [action]
        assert "InsufficientDataActions" not in alarm
        rings = ("GreaterThanOrEqualToThreshold", "notBreaching")
        if name in HEARTBEATS:
            rings = ("LessThanThreshold", "breaching")
        assert (alarm["ComparisonOperator"], alarm["TreatMissingData"]) == rings


def test_an_alarm_costs_one_metric(service: Watched) -> None:
    """Metric math is billed by its metrics, and the local emulator refuses it."""
    assert not [name for name, alarm in service.alarms.items() if "Metrics" in alarm]


def test_none_leaves_an_alarm_out(stack: cdk.Stack) -> None:
    # Those of events are looked at where events are.
    of_events = {"event_stream_lag", "event_lag"}
    assert set(OFF) | of_events == set(AlarmThresholds.__dataclass_fields__)
    everything = parts(stack)
    for field, kinds in OFF.items():
        made = CqrsMonitoring(
            stack,
            field,
            app_name="shop",
            thresholds=AlarmThresholds(**{field: None}),
            dashboard=False,
            **everything,
        )
        missing = set(ALARMS) - set(made.alarms)
        assert {name.split("-")[0] for name in missing} == kinds
        assert set(made.alarms) < set(ALARMS)


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"dead_letters": 0}, "dead_letters must be at least 1, got 0; None switches the alarm off"),
        ({"table_throttles": -1}, "table_throttles must be at least 1, got -1"),
        ({"function_duration_percent": 101}, "function_duration_percent must be from 1 to 100, got 101"),
        ({"function_duration_percent": 0}, "function_duration_percent must be from 1 to 100, got 0"),
        ({"stream_lag": cdk.Duration.days(2)}, "stream_lag must be from 1 second to 1 day, got 2 days"),
        ({"api_latency": cdk.Duration.minutes(1)}, "api_latency must be .* to 30 seconds, got 1 minute"),
        ({"command_lag": cdk.Duration.millis(0)}, "command_lag must be from 1 milli to 1 day, got"),
        ({"oldest_notification": cdk.Duration.days(15)}, "oldest_notification must be .* got 15 days"),
        ({"heals_missed": 1}, "heals_missed must be from 2 to 10, got 1; one alone may just be late"),
        ({"dead_letter": 1}, "AlarmThresholds has no property 'dead_letter' .* did you mean 'dead_letters'"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_thresholds_that_ring_always_or_never_are_refused(props: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        AlarmThresholds(**props)


@pytest.mark.parametrize(
    ("every", "period"),
    [
        (cdk.Duration.minutes(1), 300),
        (cdk.Duration.minutes(5), 300),
        (cdk.Duration.minutes(7), 420),
        (cdk.Duration.hours(12), 43200),
    ],
)
def test_a_heartbeat_is_missed_by_the_schedule_that_it_has(
    stack: cdk.Stack, every: cdk.Duration, period: int
) -> None:
    made = CqrsMonitoring(
        stack,
        "Monitoring",
        app_name="shop",
        alarm_topic=sns.Topic(stack, "Topic"),
        healing=Healing(stack, "Healing", heal_every=every),
        thresholds=AlarmThresholds(heals_missed=10),
    )
    (alarm,) = alarms_of(made).values()
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (period, 10, 10)
    # CloudWatch looks at seven days at most, at one day where periods are shorter than an hour.
    assert period * 10 <= (86400 if period < 3600 else 7 * 86400)


def test_there_must_be_a_topic_and_something_to_watch(stack: cdk.Stack) -> None:
    function = new_function(stack)
    with pytest.raises(InvalidPropsError, match="alarm_topic must be given without notifications, got None"):
        CqrsMonitoring(stack, "Silent", app_name="shop", functions={"worker": function})
    with pytest.raises(InvalidPropsError, match="Blind must watch something, got no part"):
        CqrsMonitoring(stack, "Blind", app_name="shop", alarm_topic=sns.Topic(stack, "Topic"))


def test_a_function_from_elsewhere_has_no_alarm_for_its_duration(stack: cdk.Stack) -> None:
    made = CqrsMonitoring(
        stack,
        "Monitoring",
        app_name="shop",
        alarm_topic=sns.Topic(stack, "Topic"),
        functions={"worker": imported_function(stack, "worker")},
    )
    assert set(made.alarms) == {"FunctionErrors-worker", "FunctionThrottles-worker"}


def test_a_module_without_handlers_has_none_that_could_be_parked(stack: cdk.Stack) -> None:
    made = monitored(stack, tables=[CqrsTable(stack, "Note")])
    assert "CommandsFailed-note" in made.alarms
    assert "HandlersParked-note" not in made.alarms


def test_streams_of_one_function_have_one_lag_and_records_of_their_own(stack: cdk.Stack) -> None:
    function = new_function(stack)
    tables = [CqrsTable(stack, name) for name in ("Bill", "Note")]
    streams = [
        StreamProcessing(stack, f"{table.module_name}s", table=table, function=function) for table in tables
    ]
    topic = sns.Topic(stack, "Topic")
    made = CqrsMonitoring(stack, "Monitoring", app_name="shop", alarm_topic=topic, streams=streams)
    assert set(made.alarms) == {
        "StreamLag",
        *(f"Records{what}-{module}" for what in ("SetAside", "Dropped") for module in ("bill", "note")),
    }
    memo = CqrsTable(stack, "Memo")
    other = StreamProcessing(stack, "Other", table=memo, function=new_function(stack, "Second"))
    made = CqrsMonitoring(stack, "Two", app_name="shop", alarm_topic=topic, streams=[streams[1], other])
    assert {"StreamLag-note", "StreamLag-memo"} <= set(made.alarms)


def test_monitoring_in_a_stack_of_its_own() -> None:
    app = new_app()
    service, operations = cdk.Stack(app, "Service"), cdk.Stack(app, "Operations")
    made = CqrsMonitoring(operations, "Monitoring", app_name="shop", **parts(service))
    template = Template.from_stack(operations)
    template.resource_count_is("AWS::CloudWatch::Alarm", len(made.alarms))
    assert set(made.alarms) == set(ALARMS)
    assert not Template.from_stack(service).find_resources("AWS::CloudWatch::Alarm")


def test_alarms_of_ones_own_go_where_the_others_go(stack: cdk.Stack) -> None:
    made = monitored(stack)
    made.add_alarm(
        "Stock",
        cloudwatch.Metric(namespace="Shop", metric_name="OutOfStock", statistic="Sum"),
        3,
        means="Three articles are sold out.",
        next_step="call the warehouse",
        periods=2,
        breaching=1,
        is_state=True,
    )
    alarm = alarms_of(made)["Stock"]
    assert alarm["AlarmDescription"] == "prod-shop: Three articles are sold out. Next: call the warehouse."
    assert (alarm["Threshold"], alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (3, 1, 2)
    assert alarm["OKActions"] == alarm["AlarmActions"]


def test_an_alarm_may_say_as_much_as_cloudwatch_takes(stack: cdk.Stack) -> None:
    worker = {"worker": imported_function(stack, "worker")}
    made = CqrsMonitoring(
        stack, "Monitoring", app_name="shop", alarm_topic=sns.Topic(stack, "Topic"), functions=worker
    )
    metric = cloudwatch.Metric(namespace="Shop", metric_name="OutOfStock", statistic="Sum")
    room = 1024 - len("dev-shop:  Next: x.")
    made.add_alarm("Full", metric, 1, means="x" * room, next_step="x")
    with pytest.raises(
        InvalidPropsError, match=r"means and next_step of More, .* at most 1024 characters, got 1025"
    ):
        made.add_alarm("More", metric, 1, means="x" * (room + 1), next_step="x")


def test_the_dashboard_begins_with_health_and_shows_every_part(service: Watched) -> None:
    widgets = service.widgets
    assert len(widgets[0]["properties"]["alarms"]) == len(service.alarms)
    assert "cqrs status" in widgets[1]["properties"]["markdown"]
    assert [widget["properties"]["title"] for widget in widgets[2:]] == [
        "Commands",
        "Applied by module",
        "From publish to applied, p99 (ms)",
        "Age of the stream (ms)",
        "Records that failed",
        "Executions",
        "Looks for what is unfinished",
        "Requests",
        "Time to answer (ms)",
        "Calls that failed",
        "Calls refused",
        "Longest call (ms)",
        "Tables: throttled",
        "Tables: write units",
        "Dead letters",
        "Oldest notification (s)",
        "Notifications lost",
    ]
    # Nothing overlaps, nothing sticks out: rows are as wide as the screen.
    for widget in widgets:
        assert widget["x"] + widget["width"] <= 24
    alarmed = {(alarm["Namespace"], alarm["MetricName"]) for alarm in service.alarms.values()}
    metrics = [metric for widget in widgets[2:] for metric in widget["properties"]["metrics"]]
    shown = {tuple(metric[:2]) for metric in metrics if isinstance(metric[0], str)}
    assert alarmed <= shown


def test_a_dashboard_of_many_modules_sums_them(stack: cdk.Stack) -> None:
    topic = sns.Topic(stack, "Topic")
    tables = [CqrsTable(stack, f"Order{number}") for number in range(3)]
    made = CqrsMonitoring(stack, "Monitoring", app_name="shop", alarm_topic=topic, tables=tables)
    totals, by_module = (widget["properties"]["metrics"] for widget in dashboard_of(made)[2:4])
    expressions = [metric[0] for metric in totals if isinstance(metric[0], dict)]
    assert expressions[0]["label"] == "published"
    assert expressions[0]["expression"] == "SUM([published_m0, published_m1, published_m2])"
    assert len({metric[-1]["id"] for metric in totals if isinstance(metric[0], str)}) == 5 * 3
    assert [metric[-1]["label"] for metric in by_module] == ["order0", "order1", "order2"]


def test_there_need_be_no_dashboard(stack: cdk.Stack) -> None:
    made = CqrsMonitoring(
        stack, "Monitoring", app_name="shop", notifications=Notifications(stack, "N"), dashboard=False
    )
    assert made.dashboard is None
    Template.from_stack(stack).resource_count_is("AWS::CloudWatch::Dashboard", 0)


def test_no_tenant_can_be_a_dimension_of_what_is_watched(service: Watched) -> None:
    names = {d["Name"] for alarm in service.alarms.values() for d in alarm["Dimensions"]}
    assert names == {
        "ApiId",
        "EventSourceMappingUUID",
        "FunctionName",
        "QueueName",
        "StateMachineArn",
        "TableName",
        "module",
        "service",
    }
    assert "tenant" not in json.dumps(service.widgets)


def test_alarms_of_modules_may_be_nested(stack: cdk.Stack) -> None:
    off: dict[str, Any] = dict.fromkeys(OFF)
    few = AlarmThresholds(**{**off, "commands_failed": 1, "function_errors": 5})
    names = [f"module{number}" for number in range(16)]
    made = CqrsMonitoring(
        stack,
        "Monitoring",
        app_name="shop",
        alarm_topic=sns.Topic(stack, "Topic"),
        tables=[CqrsTable.from_table_names(stack, name, table_name_prefix=f"shop-{name}") for name in names],
        functions={"worker": imported_function(stack, "worker")},
        thresholds=few,
        nested_alarms=True,
    )
    assert list(made.alarms) == [*(f"CommandsFailed-{name}" for name in names), "FunctionErrors-worker"]
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::CloudFormation::Stack", 2)
    template.resource_count_is("AWS::CloudWatch::Alarm", 1)
    # All of them are on the dashboard.
    (widget, *_) = [w["properties"] for w in dashboard_of(made) if w["type"] == "alarm"]
    assert len(widget["alarms"]) == 17
