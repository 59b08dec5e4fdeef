from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import CqrsFunctions, Healing, InvalidPropsError
from tests.constructs.conftest import stable
from tests.constructs.functions import CODE

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


def connected(stack: cdk.Stack, **props: Any) -> Healing:
    functions = CqrsFunctions(
        stack,
        "Functions",
        code=CODE,
        handler="index.handler",
        app_name="shop",
        python_runtime=lambda_.Runtime.PYTHON_3_13,
    )
    healing = Healing(stack, "Healing", **props)
    healing.connect(functions)
    return healing


def rule(stack: cdk.Stack) -> dict[str, Any]:
    (found,) = Template.from_stack(stack).find_resources("AWS::Events::Rule").values()
    properties: dict[str, Any] = found["Properties"]
    return properties


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    Healing(stack, "Healing")
    assert stable(stack) == template_snapshot


def test_everything(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    Healing(stack, "Healing", heal_every=cdk.Duration.hours(1))
    assert stable(stack) == template_snapshot


def test_it_asks_the_operator_function_to_heal(stack: cdk.Stack) -> None:
    connected(stack)
    made = rule(stack)
    assert (made["ScheduleExpression"], made["State"]) == ("rate(5 minutes)", "ENABLED")
    (target,) = made["Targets"]
    assert target["Arn"]["Fn::GetAtt"][0].startswith("FunctionsOperatorFunction")
    assert json.loads(target["Input"]) == {"operation": "heal"}
    # The next call does what a lost one did not: none is kept for later.
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}


def test_only_the_rule_may_call_the_operator_function(stack: cdk.Stack) -> None:
    connected(stack)
    (permission,) = Template.from_stack(stack).find_resources("AWS::Lambda::Permission").values()
    properties = permission["Properties"]
    assert properties["Principal"] == "events.amazonaws.com"
    assert properties["SourceArn"]["Fn::GetAtt"][0].startswith("HealingRule")
    assert properties["FunctionName"]["Fn::GetAtt"][0].startswith("FunctionsOperatorFunction")


@pytest.mark.parametrize(
    ("every", "expression"),
    [
        (cdk.Duration.minutes(1), "rate(1 minute)"),
        (cdk.Duration.seconds(120), "rate(2 minutes)"),
        (cdk.Duration.hours(12), "rate(12 hours)"),
    ],
)
def test_how_often_is_a_prop(stack: cdk.Stack, every: cdk.Duration, expression: str) -> None:
    connected(stack, heal_every=every)
    assert rule(stack)["ScheduleExpression"] == expression


@pytest.mark.parametrize(
    ("every", "message"),
    [
        (cdk.Duration.seconds(59), "heal_every must be from 1 minute to 12 hours, got 59 seconds"),
        (cdk.Duration.minutes(721), "heal_every must be from 1 minute to 12 hours, got 12 hours 1 minute"),
        (cdk.Duration.seconds(90), "heal_every must be in whole minutes, got 1 minute 30 seconds"),
    ],
)
def test_what_eventbridge_does_not_know_is_refused(
    stack: cdk.Stack, every: cdk.Duration, message: str
) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        Healing(stack, "Healing", heal_every=every)
