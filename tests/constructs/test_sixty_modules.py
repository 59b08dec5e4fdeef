"""A service of sixty modules in one stack: within the quotas of an account that asked for nothing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns

from constructs_lib import CqrsModule, CqrsStack, EventModule, InvalidPropsError
from constructs_lib.quotas.role_policies import coming_policies
from constructs_lib.quotas.stack_size import MOST_BYTES, StackSize, check_template_size
from tests.constructs.conftest import new_app
from tests.constructs.functions import CODE

if TYPE_CHECKING:
    from aws_cdk.cx_api import CloudFormationStackArtifact

MODULES = [f"module{number:02d}" for number in range(60)]


class Service:
    def __init__(self) -> None:
        # Without the feature flags that recommend to merge what roles may do.
        self.stack = CqrsStack(
            new_app(flags=False),
            "Shop",
            app_name="shop",
            modules=[CqrsModule(name, data_sync=True) for name in MODULES],
            code=CODE,
            handler="index.handler",
            python_runtime=lambda_.Runtime.PYTHON_3_13,
            alarm_emails=["on-call@example.com"],
            # Its alarms would be in nested stacks, see the tests of monitoring.
            monitoring=False,
        )
        self.artifact: CloudFormationStackArtifact = (
            cdk.App.of(self.stack).synth().get_stack_by_name(self.stack.stack_name)
        )
        self.template: dict[str, Any] = self.artifact.template

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [r["Properties"] for r in self.template["Resources"].values() if r["Type"] == kind]


@pytest.fixture(scope="module")
def service() -> Service:
    return Service()


def test_they_fit(service: Service) -> None:
    assert len(service.of("AWS::DynamoDB::GlobalTable")) == 60 * 4 + 1
    assert len(service.template["Resources"]) < 400
    roles = Counter(role["Ref"] for p in service.of("AWS::IAM::ManagedPolicy") for role in p["Roles"])
    assert max(roles.values()) <= 10
    # Names that follow the convention need not be told.
    (api,) = (f for f in service.of("AWS::Lambda::Function") if f["Description"] == "shop dev: api")
    told = json.loads(api["Environment"]["Variables"]["CQRS_MODULES"])
    assert told == {name: {"sync": True} for name in MODULES}


def test_as_many_modules_of_events_fit() -> None:
    stack = CqrsStack(
        new_app(flags=False),
        "Shop",
        app_name="shop",
        modules=[EventModule(name, handlers=True, pull_index=True) for name in MODULES],
        code=CODE,
        handler="index.handler",
        python_runtime=lambda_.Runtime.PYTHON_3_13,
        runtime_layer=lambda_.LayerVersion.from_layer_version_arn(
            cdk.Stack(), "Layer", "arn:aws:lambda:eu-west-1:111111111111:layer:runtime:1"
        ),
        alarm_emails=["on-call@example.com"],
        monitoring=False,
    )
    # That it was made is the proof: what is too large is refused. Some room is left for what is added.
    assert len(StackSize.of(stack).resources) < 300
    assert max(coming_policies(role) for role in stack.functions.roles) <= 5
    api = stack.functions.api
    assert isinstance(api, lambda_.Function)
    api.add_environment("MINE", "x" * 800)
    stack.functions.check_quotas()


def test_outputs_of_tables_are_left_out_where_they_would_be_too_many(service: Service) -> None:
    assert {"ApiUrl", "OperatorFunctionName"} <= set(service.template["Outputs"])
    assert not any(name.startswith("Module") for name in service.template["Outputs"])


def test_a_template_may_have_a_megabyte(service: Service) -> None:
    written = Path(service.artifact.template_full_path).stat().st_size
    # What was synthesized passed, and stays as it is: this is only counted.
    sns.CfnTopic(service.stack, "Large", display_name="x" * (MOST_BYTES - written))
    with pytest.raises(
        InvalidPropsError, match="Shop must have at most 1000000 bytes in its template, got 1"
    ):
        check_template_size(service.stack, indented=True, way_out="split it")
