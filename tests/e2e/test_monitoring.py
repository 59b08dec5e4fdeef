"""What the deployed functions write into their logs is what the deployed alarms watch.

The emulator makes no metrics of EMF lines; here the test reads them as CloudWatch does. The
other alarms are rung by `tests/constructs/test_monitoring_rings.py`.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.shelves import Shelves
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.deployment import Deployment

Series = tuple[str, str, frozenset[tuple[str, str]]]


@pytest.fixture
def sk() -> str:
    return uuid.uuid4().hex[:12]


def alarms(deployment: Deployment) -> dict[Series, dict[str, Any]]:
    """The stack's alarms on metrics of its own functions, by what each watches."""
    pages = deployment.emulator.client("cloudwatch").get_paginator("describe_alarms").paginate()
    return {
        (
            alarm["Namespace"],
            alarm["MetricName"],
            frozenset((d["Name"], d["Value"]) for d in alarm["Dimensions"]),
        ): alarm
        for page in pages
        for alarm in page["MetricAlarms"]
        if alarm["Namespace"] == "Cqrs" and alarm["AlarmName"].startswith("EndToEnd-")
    }


def written(deployment: Deployment, metric: str) -> Iterator[tuple[Series, list[float]]]:
    """The values of a metric in the logs of the stack's functions, by series."""
    functions = deployment.emulator.client("lambda").get_paginator("list_functions").paginate()
    groups = {
        function["LoggingConfig"]["LogGroup"]
        for page in functions
        for function in page["Functions"]
        if function["FunctionName"].startswith("EndToEnd-")
    }
    logs = deployment.emulator.client("logs")
    for group in groups:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
            for event in page["events"]:
                _, found, line = event["message"].partition('{"_aws"')
                if not found or f'"{metric}"' not in line:
                    continue
                document = json.loads(found + line)
                for directive in document["_aws"]["CloudWatchMetrics"]:
                    for names in directive["Dimensions"]:
                        dimensions = frozenset((name, document[name]) for name in names)
                        yield (directive["Namespace"], metric, dimensions), document[metric]


def test_every_module_tells_how_long_its_commands_wait(deployment: Deployment, sk: str) -> None:
    """By the worker for two of them, by the stream function for the one that is inline."""
    modules = ("note", "memo", "task")
    for module in modules:
        deployment.publish(module, sk)
    watched = {series for series in alarms(deployment) if series[1] == "CommandLag"}
    assert {dict(dimensions)["module"] for _, _, dimensions in watched} == set(modules)

    def told() -> dict[Series, list[float]] | None:
        lags = dict(written(deployment, "CommandLag"))
        return lags if watched <= set(lags) else None

    lags = wait_until(told, every=0.2)
    assert lags
    assert set(lags) == watched
    assert all(0 <= value < 600_000 for values in lags.values() for value in values)


def test_a_module_of_events_tells_how_long_they_wait(deployment: Deployment, sk: str) -> None:
    Shelves(deployment).acquire(sk)
    (watched,) = (series for series in alarms(deployment) if series[1] == "EventLag")
    assert dict(watched[2])["module"] == "library"
    lags = wait_until(lambda: dict(written(deployment, "EventLag")), every=0.2)
    assert set(lags) == {watched}
    assert all(0 <= value < 600_000 for values in lags.values() for value in values)


def park_a_command(deployment: Deployment, sk: str) -> None:
    deployment.publish("task", sk, attributes={"fails": 1000})
    deployment.wait_for("task", f"{sk}@1", "sync_data:FAILED")


def park_an_event(deployment: Deployment, sk: str) -> None:
    shelves = Shelves(deployment)
    shelves.acquire(sk, fails=1000)
    shelves.wait_until_parked(sk)


@pytest.mark.parametrize(
    ("counted", "park"), [("HandlersParked", park_a_command), ("EventHandlersParked", park_an_event)]
)
def test_the_alarm_of_a_parked_handler_rings(
    deployment: Deployment, sk: str, counted: str, park: Callable[[Deployment, str], None]
) -> None:
    park(deployment, sk)
    found = wait_until(lambda: dict(written(deployment, counted)), every=0.2)
    ((namespace, metric, dimensions),) = found
    alarm = alarms(deployment)[namespace, metric, dimensions]
    assert "cqrs redrive" in alarm["AlarmDescription"]
    assert alarm["AlarmActions"] == [deployment.outputs["AlarmTopicArn"]]
    cloudwatch = deployment.emulator.client("cloudwatch")
    cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions],
                "Values": values,
            }
            for values in found.values()
        ],
    )
    (after,) = cloudwatch.describe_alarms(AlarmNames=[alarm["AlarmName"]])["MetricAlarms"]
    assert after["StateValue"] == "ALARM"
