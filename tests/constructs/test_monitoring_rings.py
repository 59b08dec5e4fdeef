"""Alarms that ring: each metric crosses its threshold, and the alarm topic's subscribers are told.

The alarms are deployed by CloudFormation on the emulator, in a region of its own, so that no
other test's metrics are in it. Its CloudWatch looks at an alarm when a metric is put, by
dimensions and period by period, and publishes to SNS. The test writes each metric as the alarm
names it.

What this does not show: that AWS writes these metrics with these names and dimensions. The
emulator writes only Invocations, Errors, Throttles and Duration of functions, none of queues,
executions, tables, mappings and APIs, and it makes no metrics of EMF lines: the test reads the
runtime's own lines as CloudWatch would. That an alarm is OK again after a time without data is
in the template only (`test_monitoring`): the emulator does not look at an alarm by itself.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import aws_cdk as cdk
import boto3
import pytest
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_stepfunctions as sfn

from constructs_lib import (
    AlarmThresholds,
    CommandWorkflow,
    CqrsApi,
    CqrsMonitoring,
    CqrsTable,
    Healing,
    Notifications,
    StreamProcessing,
)
from runtime import metrics
from runtime.contract import Metric
from tests.constructs.conftest import new_app, stable
from tests.constructs.functions import new_function
from tests.constructs.monitored import FUNCTIONS
from tests.constructs.test_monitoring import INTENT
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.local import Emulator

REGION = "eu-central-1"


class Deployed:
    """A service's alarms on the emulator, and somebody who listens to them."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        template = stable(self._stack())
        bucket = "rings-templates"  # a template of this size cannot be sent along
        self.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        cloudformation = self.client("cloudformation")
        self.client("s3").put_object(Bucket=bucket, Key="rings.json", Body=json.dumps(template))
        cloudformation.create_stack(
            StackName="Rings", TemplateURL=f"{emulator.endpoint_url}/{bucket}/rings.json"
        )
        (found,) = wait_until(lambda: self._settled(cloudformation), seconds=30)
        assert found["StackStatus"] == "CREATE_COMPLETE", found.get("StackStatusReason")
        resources = cloudformation.describe_stack_resources(StackName="Rings")["StackResources"]
        self.physical = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources}
        self.alarm_names = {name: self.physical[logical] for name, logical in self._logical.items()}
        self.cloudwatch = self.client("cloudwatch")
        self.queue_url = self._subscribe(found["Outputs"])

    @cache  # noqa: B019 - one for the module
    def client(self, service: str) -> Any:
        return boto3.Session(
            aws_access_key_id=self._emulator.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._emulator.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        ).client(service, endpoint_url=self._emulator.endpoint_url)

    def alarm(self, name: str) -> dict[str, Any]:
        answer = self.cloudwatch.describe_alarms(AlarmNames=[self.alarm_names[name]])
        (alarm,) = answer["MetricAlarms"]
        return dict(alarm)

    def put(self, name: str, value: float, *, periods: int = 1, ago: int = 0) -> str:
        """Write a value of what an alarm watches into each of the last periods; its state after that.

        The last of them is so many periods ``ago``.
        """
        alarm = self.alarm(name)
        seconds = alarm["Period"]
        for number in range(ago, ago + periods):
            self.cloudwatch.put_metric_data(
                Namespace=alarm["Namespace"],
                MetricData=[
                    {
                        "MetricName": alarm["MetricName"],
                        "Dimensions": alarm["Dimensions"],
                        "Timestamp": datetime.now(UTC) - timedelta(seconds=seconds * number + seconds / 2),
                        "Value": value,
                    }
                ],
            )
        return str(self.alarm(name)["StateValue"])

    def told(self) -> list[dict[str, Any]]:
        """What the alarm topic's subscribers have been sent since the last time."""
        sqs = self.client("sqs")
        found = []
        while batch := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def _stack(self) -> cdk.Stack:
        stack = cdk.Stack(new_app(), "Rings")
        order = CqrsTable(stack, "Order", data_sync=True)
        timeout = cdk.Duration.seconds(20)
        functions = {name: new_function(stack, f"F{name}", timeout=timeout) for name in FUNCTIONS}
        machine, only_applies = (
            sfn.StateMachine.from_state_machine_arn(
                stack, name, f"arn:aws:states:{REGION}:000000000000:stateMachine:{name}"
            )
            for name in ("orders", "orders-apply")
        )
        workflow = CommandWorkflow(stack, "Workflow", state_machine=machine)
        workflow.apply_only = only_applies  # as one has that is made, and not brought
        public = apigatewayv2.HttpNoneAuthorizer()
        notifications = Notifications(stack, "Notifications", alarm_emails=["on-call@example.com"])
        made = CqrsMonitoring(
            stack,
            "Monitoring",
            app_name="shop",
            env_name="prod",
            notifications=notifications,
            tables=[order],
            streams=[StreamProcessing(stack, "Orders", table=order, function=functions["stream"])],
            workflow=workflow,
            functions=functions,
            api=CqrsApi(stack, "Http", function=functions["api"], authorizer=public),
            healing=Healing(stack, "Healing"),
        )
        cdk.CfnOutput(stack, "AlarmTopicArn", value=notifications.alarm_topic.topic_arn)
        # Of another stage, so that its metrics are those of the runtime alone.
        written = CqrsMonitoring(
            stack,
            "Written",
            app_name="shop",
            env_name="stg",
            notifications=notifications,
            tables=[order],
            healing=Healing(stack, "StgHealing"),
            thresholds=AlarmThresholds(dead_letters=None, oldest_notification=None, table_throttles=None),
            dashboard=False,
        )
        alarms = {**made.alarms, **{f"stg {name}": alarm for name, alarm in written.alarms.items()}}
        self._logical = {
            name: stack.resolve(cast("Any", alarm.node.default_child).logical_id)
            for name, alarm in alarms.items()
        }
        return stack

    def _settled(self, cloudformation: Any) -> list[dict[str, Any]]:
        stacks: list[dict[str, Any]] = cloudformation.describe_stacks(StackName="Rings")["Stacks"]
        return [stack for stack in stacks if not stack["StackStatus"].endswith("IN_PROGRESS")]

    def _subscribe(self, outputs: list[dict[str, str]]) -> str:
        (topic,) = (o["OutputValue"] for o in outputs if o["OutputKey"] == "AlarmTopicArn")
        sqs = self.client("sqs")
        url: str = sqs.create_queue(QueueName="on-call")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
        return url


@pytest.fixture(scope="module")
def deployed(emulator: Emulator) -> Deployed:
    return Deployed(emulator)


@pytest.mark.parametrize("name", INTENT)
def test_an_alarm_rings_when_its_metric_crosses(deployed: Deployed, name: str) -> None:
    _, metric, statistic, threshold, (breaching, periods), is_state = INTENT[name]
    assert deployed.put(name, threshold * 0.4, periods=periods) == "OK"
    assert not [message for message in deployed.told() if message["NewStateValue"] == "ALARM"]
    # A sum has 0.4 already; of two values the 99th percentile is just below the larger one.
    over = threshold * {"Sum": 0.6, "p99": 1.01}.get(statistic, 1.0)
    if breaching > 1:
        assert deployed.put(name, over, periods=breaching - 1) == "OK"
        assert deployed.told() == []
    assert deployed.put(name, over, periods=breaching) == "ALARM"
    (message,) = deployed.told()
    assert message["Trigger"]["MetricName"] == metric
    assert message["AlarmDescription"].startswith("prod-shop: ")
    assert " Next: " in message["AlarmDescription"]
    assert bool(deployed.alarm(name)["OKActions"]) == is_state


def test_a_heartbeat_that_stops_rings_and_one_that_is_back_tells_so(deployed: Deployed) -> None:
    """A period without one counts as a missed one. The emulator looks only where there is something."""
    name, old = "HealingStopped", "stg HealingStopped"
    assert deployed.put(name, 0) == "ALARM"
    assert deployed.put(name, 1) == "OK"
    told = deployed.told()
    assert [message["NewStateValue"] for message in told] == ["ALARM", "OK"]
    assert told[0]["AlarmDescription"].startswith("prod-shop: The service does not finish any more")
    # The last one was two periods ago: that is not too long.
    assert deployed.put(old, 1, ago=2) == "OK"
    assert [message["NewStateValue"] for message in deployed.told()] == ["OK"]


def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What CloudWatch makes of the EMF lines that were written: namespaces and data."""
    for line in capsys.readouterr().out.splitlines():
        document = json.loads(line)
        for directive in document["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                for metric in directive["Metrics"]:
                    yield (
                        directive["Namespace"],
                        {
                            "MetricName": metric["Name"],
                            "Unit": metric["Unit"],
                            "Values": document[metric["Name"]],
                            "Dimensions": [{"Name": name, "Value": document[name]} for name in names],
                        },
                    )


@pytest.mark.parametrize(
    "watched",
    [
        ("CommandsFailed-order", metrics.COMMANDS_FAILED, "order"),
        ("CommandsHealed-order", Metric.COMMANDS_HEALED, "order"),
        ("HandlersParked-order", metrics.HANDLERS_PARKED, "order"),
        ("NotificationsLost", metrics.NOTIFICATIONS_LOST, "all"),
    ],
    ids=lambda watched: watched[0],
)
def test_what_the_runtime_writes_is_what_is_watched(
    deployed: Deployed,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    watched: tuple[str, str, str],
) -> None:
    alarm, metric, module = watched
    monkeypatch.setenv("APP_NAME", "shop")
    for stage, state in (("dev", "INSUFFICIENT_DATA"), ("stg", "ALARM")):
        monkeypatch.setenv("NODE_ENV", stage)
        metrics.count(metric, module)
        metrics.flush()
        for namespace, datum in lines(capsys):
            deployed.cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum])
        assert deployed.alarm(f"stg {alarm}")["StateValue"] == state
    assert [message["NewStateValue"] for message in deployed.told()] == ["ALARM"]
