"""Each CDK gets acknowledgements in the form that it, and the cdk-nag that goes with it, can read."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from constructs_lib.props.acknowledge import acknowledge
from tests.constructs.conftest import new_app

GRANULAR = "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::<Bucket>/*]"


@pytest.fixture
def role() -> iam.Role:
    stack = cdk.Stack(new_app(), "Test")
    return iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def acknowledged(role: iam.Role) -> dict[str, str]:
    """What the construct itself says, as cdk-nag 3 reads it."""
    found: dict[str, str] = {}
    for entry in role.node.metadata:
        if entry.type == cdk.Validations.ACKNOWLEDGED_RULES_METADATA_KEY:
            found |= {key.removeprefix("Annotation::"): str(text) for key, text in entry.data.items()}
    return found


def in_the_template(role: iam.Role) -> dict[str, Any]:
    """What each resource says, as cdk-nag 2 reads it."""
    role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=["*"]))
    resources = Template.from_stack(cdk.Stack.of(role)).to_json()["Resources"]
    return {
        r["Type"]: r["Metadata"]["cdk_nag"] for r in resources.values() if "cdk_nag" in r.get("Metadata", {})
    }


@pytest.mark.newest
def test_a_cdk_that_knows_acknowledgements_keeps_them_out_of_the_template(role: iam.Role) -> None:
    acknowledge(role, "because it is so", "AwsSolutions-IAM4", GRANULAR)
    assert acknowledged(role) == {"AwsSolutions-IAM4": "because it is so", GRANULAR: "because it is so"}
    assert in_the_template(role) == {}


def test_an_older_cdk_has_them_on_every_resource(role: iam.Role, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cdk, "Acknowledgment", raising=False)
    acknowledge(role, "because it is so", "AwsSolutions-IAM4")
    acknowledge(role, "because it must", GRANULAR)
    rules = [
        {"id": "AwsSolutions-IAM4", "reason": "because it is so"},
        {
            "id": "AwsSolutions-IAM5",
            "reason": "because it must",
            "applies_to": ["Resource::arn:<AWS::Partition>:s3:::<Bucket>/*"],
        },
    ]
    expected = {"rules_to_suppress": rules}
    # The policy came later than what was said about its role.
    assert in_the_template(role) == {"AWS::IAM::Role": expected, "AWS::IAM::Policy": expected}


@pytest.mark.newest
def test_a_cdk_that_refuses_an_id_with_an_arn_gets_it_past_its_own_check(
    role: iam.Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CDK from 2.257 to 2.269 does."""
    real = cdk.Validations.acknowledge

    def strict(self: cdk.Validations, *rules: cdk.Acknowledgment) -> None:
        if any(str(rule.id).count("::") > 1 for rule in rules):
            msg = "Invalid validation rule ID"
            raise RuntimeError(msg)
        real(self, *rules)

    monkeypatch.setattr(cdk.Validations, "acknowledge", strict)
    acknowledge(role, "because it is so", "AwsSolutions-IAM4", GRANULAR)
    assert acknowledged(role) == {"AwsSolutions-IAM4": "because it is so", GRANULAR: "because it is so"}
