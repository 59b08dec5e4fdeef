"""A service of every kind of part, for tests of what watches it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk.assertions import Template

from constructs_lib import (
    CommandWorkflow,
    CqrsApi,
    CqrsMonitoring,
    CqrsTable,
    Healing,
    Notifications,
    StreamProcessing,
)
from tests.constructs.functions import new_function

if TYPE_CHECKING:
    from constructs import Construct

FUNCTIONS = ("api", "stream", "worker", "notifier")


def parts(scope: Construct) -> dict[str, Any]:
    """What `CqrsMonitoring` can watch: one of each, and a module with data sync handlers."""
    order = CqrsTable(scope, "Order", data_sync=True)
    timeouts = {"timeout": cdk.Duration.seconds(20)}
    functions = {name: new_function(scope, name.capitalize(), **timeouts) for name in FUNCTIONS}
    return {
        "notifications": Notifications(scope, "Notifications", alarm_emails=["on-call@example.com"]),
        "tables": [order],
        "streams": [StreamProcessing(scope, "Orders", table=order, function=functions["stream"])],
        "workflow": CommandWorkflow(scope, "Workflow", worker=functions["worker"]),
        "functions": functions,
        "api": CqrsApi(
            scope, "Http", function=functions["api"], authorizer=apigatewayv2.HttpNoneAuthorizer()
        ),
        "healing": Healing(scope, "Healing"),
    }


def monitored(scope: Construct, **props: Any) -> CqrsMonitoring:
    """Everything, watched."""
    return CqrsMonitoring(
        scope, "Monitoring", **{"app_name": "shop", "env_name": "prod", **parts(scope), **props}
    )


def alarms_of(made: CqrsMonitoring) -> dict[str, dict[str, Any]]:
    """Properties of the alarms of ``made`` in its template, by their names."""
    stack = cdk.Stack.of(made)
    resources = Template.from_stack(stack).to_json()["Resources"]
    return {
        name: resources[stack.resolve(cast("Any", alarm.node.default_child).logical_id)]["Properties"]
        for name, alarm in made.alarms.items()
    }


def dashboard_of(made: CqrsMonitoring) -> list[dict[str, Any]]:
    """The widgets of the dashboard of ``made``, with "?" for what is known at deployment only."""
    (found,) = Template.from_stack(cdk.Stack.of(made)).find_resources("AWS::CloudWatch::Dashboard").values()
    written = found["Properties"]["DashboardBody"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else "?" for part in written)
    widgets: list[dict[str, Any]] = json.loads(text)["widgets"]
    return widgets
