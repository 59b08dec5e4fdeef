from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Template

from constructs_lib import CqrsFunction, FunctionDefaults, InvalidPropsError
from tests.constructs.conftest import permissions, stable
from tests.constructs.functions import CODE

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


def new(stack: cdk.Stack, **props: Any) -> CqrsFunction:
    return CqrsFunction(stack, "Worker", code=CODE, handler="index.handler", **props)


def properties(stack: cdk.Stack) -> dict[str, Any]:
    (found,) = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    result: dict[str, Any] = found["Properties"]
    return result


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    new(stack, python_runtime=lambda_.Runtime.PYTHON_3_13)
    assert stable(stack) == template_snapshot


def test_everything(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    arn = "arn:aws:lambda:eu-west-1:111111111111:layer:cqrs:7"
    new(
        stack,
        layers=[lambda_.LayerVersion.from_layer_version_arn(stack, "Layer", arn)],
        environment={"NAME": "value"},
        memory_size=1024,
        timeout=cdk.Duration.minutes(2),
        architecture=lambda_.Architecture.X86_64,
        python_runtime=lambda_.Runtime.PYTHON_3_14,
        reserved_concurrency=5,
        description="applies commands",
        log_retention=logs.RetentionDays.ONE_WEEK,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    assert stable(stack) == template_snapshot


def test_the_role_may_log_and_trace_and_nothing_else(stack: cdk.Stack) -> None:
    new(stack)
    (log_group,) = Template.from_stack(stack).find_resources("AWS::Logs::LogGroup")
    assert permissions(stack) == {
        log_group: {"logs:CreateLogStream", "logs:PutLogEvents"},
        "*": {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
    }
    (role,) = Template.from_stack(stack).find_resources("AWS::IAM::Role").values()
    assert "ManagedPolicyArns" not in role["Properties"]


def test_what_is_tested_is_what_is_deployed(stack: cdk.Stack) -> None:
    new(stack)
    assert properties(stack)["Runtime"] == f"python{sys.version_info.major}.{sys.version_info.minor}"


def test_logs_are_json_and_expire(stack: cdk.Stack) -> None:
    new(stack)
    assert properties(stack)["LoggingConfig"]["LogFormat"] == "JSON"
    assert properties(stack)["TracingConfig"] == {"Mode": "Active"}
    Template.from_stack(stack).has_resource_properties("AWS::Logs::LogGroup", {"RetentionInDays": 30})


@pytest.mark.parametrize("given", [{"tracing": False}, {"defaults": FunctionDefaults(tracing=False)}])
def test_without_tracing_there_are_no_traces_and_no_right_to_them(
    stack: cdk.Stack, given: dict[str, Any]
) -> None:
    new(stack, **given)
    assert "TracingConfig" not in properties(stack)
    assert "xray" not in json.dumps(Template.from_stack(stack).to_json())


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"memory_size": 64}, "memory_size must be from 128 to 10240, got 64"),
        (
            {"timeout": cdk.Duration.minutes(16)},
            "timeout must be from 1 second to 15 minutes, got 16 minutes",
        ),
        ({"reserved_concurrency": -1}, "reserved_concurrency must be at least 0, got -1"),
    ],
)
def test_limits_of_lambda_are_refused_at_synthesis(
    stack: cdk.Stack, props: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        new(stack, **props)
