"""What CDK's own ``Stack`` takes, a `CqrsStack` takes: it fits into other people's accounts."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import CqrsModule, CqrsStack, InvalidPropsError
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
    stage = cdk.Stage(new_app(), "Preview", env=cdk.Environment(account="111122223333", region="eu-west-1"))
    stack = shop(
        stage,
        env_name="pr-42",
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
    roles = template.find_resources("AWS::IAM::Role").values()
    assert len(roles) > 5
    assert all("policy/boundary" in str(role["Properties"]["PermissionsBoundary"]) for role in roles)


def test_a_boundary_that_is_applied_later_reaches_every_role_and_a_stack_name_is_taken_once() -> None:
    app = new_app()
    inner = shop(app, stack_name="shop", heal_every=None, monitoring=False)
    with pytest.raises(
        InvalidPropsError, match=r"the stack name 'shop' must be taken once .* from Shop .* from Later/Shop "
    ):
        shop(cdk.Stage(app, "Later"), stack_name="shop", app_name="other")
    iam.PermissionsBoundary.of(inner).apply(
        iam.ManagedPolicy.from_managed_policy_name(inner, "B", "boundary")
    )
    roles = Template.from_stack(inner).find_resources("AWS::IAM::Role").values()
    assert all("PermissionsBoundary" in role["Properties"] for role in roles)


def test_a_keyword_that_the_installed_cdk_does_not_know_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older CDK gets only what was given, so that it has to know nothing else."""
    monkeypatch.setattr(module, "_known", lambda: frozenset({"env"}))
    given = module.stack_keywords(stack_name=None, notification_arns=None, env="e", property_injectors=None)
    assert given == {"env": "e"}
    with pytest.raises(
        InvalidPropsError, match="property_injectors must be a keyword of the installed aws-cdk"
    ):
        module.stack_keywords(stack_name=None, notification_arns=None, property_injectors=[])
