"""What CDK's own ``Stack`` takes, a `CqrsStack` takes: it fits into other people's accounts."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import CqrsModule, CqrsStack, InvalidPropsError, TableOptions
from constructs_lib.stack import stack_keywords as module
from tests.constructs.conftest import new_app
from tests.constructs.functions import CODE

if TYPE_CHECKING:
    from constructs import Construct


def shop(scope: Construct, **props: Any) -> CqrsStack:
    layer = lambda_.LayerVersion.from_layer_version_arn(
        cdk.Stack(scope, "Layers"), "Runtime", "arn:aws:lambda:eu-west-1:111122223333:layer:runtime:1"
    )
    return CqrsStack(
        scope,
        "Shop",
        **{
            "app_name": "shop",
            "modules": [CqrsModule("order")],
            "code": CODE,
            "alarm_emails": ["on-call@example.com"],
            "python_runtime": lambda_.Runtime.PYTHON_3_13,
            "runtime_layer": layer,
            **props,
        },
    )


def test_every_keyword_of_cdks_stack_is_one_of_ours() -> None:
    """A keyword that is missing here came with a newer CDK: add it to `CqrsStack`."""
    theirs = set(inspect.signature(cdk.Stack.__init__).parameters) - {"self", "scope", "id"}
    assert theirs - set(inspect.signature(CqrsStack.__init__).parameters) == set()


def test_keywords_reach_the_stack_of_a_stage_and_its_roles() -> None:
    topic = "arn:aws:sns:eu-west-1:111122223333:deployments"
    app, env = new_app(), cdk.Environment(account="111122223333", region="eu-west-1")
    stage = cdk.Stage(app, "Preview", env=env)
    stack = shop(
        stage,
        env_name="pr-42",
        modules=[CqrsModule("order", table=TableOptions(point_in_time_recovery_days=7))],
        realtime=True,
        tenant_sessions=True,
        description="the shop",
        tags={"team": "shop"},
        termination_protection=True,
        stack_name="shop-pr-42",
        synthesizer=cdk.DefaultStackSynthesizer(qualifier="abc"),
        permissions_boundary=cdk.PermissionsBoundary.from_name("boundary"),
        cross_region_references=True,
        notification_arns=[topic],
        analytics_reporting=False,
        suppress_template_indentation=True,
        property_injectors=[],
    )
    artifact = stage.synth().get_stack_by_name("shop-pr-42")
    template = Template.from_stack(stack)
    assert artifact.termination_protection is True
    assert artifact.tags == {"team": "shop"}
    assert artifact.notification_arns == [topic]
    assert "cdk-abc-deploy-role" in str(artifact.assume_role_arn)
    assert template.to_json()["Description"] == "the shop"
    assert {
        t["Properties"]["TableName"] for t in template.find_resources("AWS::DynamoDB::GlobalTable").values()
    } >= {
        "pr-42-shop-order-command",
        "pr-42-shop-session",
    }
    assert str(template.find_resources("AWS::DynamoDB::GlobalTable")).count("'RecoveryPeriodInDays': 7") == 3
    roles = template.find_resources("AWS::IAM::Role").values()
    assert len(roles) > 5
    assert all("policy/boundary" in str(role["Properties"]["PermissionsBoundary"]) for role in roles)
    # A stack of the same name would be deployed over this one.
    with pytest.raises(
        InvalidPropsError,
        match=r"stack name 'shop-pr-42' must be .* from Preview/Shop .* from Later/Shop .* another env=",
    ):
        shop(cdk.Stage(app, "Later", env=env), stack_name="shop-pr-42")


def test_a_keyword_that_the_installed_cdk_does_not_know_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older CDK gets only what was given, so that it has to know nothing else."""
    monkeypatch.setattr(module, "_known", lambda: frozenset({"env"}))
    given = module.stack_keywords(stack_name=None, notification_arns=None, env="e", property_injectors=None)
    assert given == {"env": "e"}
    with pytest.raises(
        InvalidPropsError, match="property_injectors must be a keyword of the installed aws-cdk"
    ):
        module.stack_keywords(stack_name=None, notification_arns=None, property_injectors=[])
