from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from constructs_lib import SessionTable
from tests.constructs.conftest import permissions, stable, warnings_of

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

TABLE = "AWS::DynamoDB::GlobalTable"


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    SessionTable(stack, "Sessions")
    assert stable(stack) == template_snapshot


def test_everything(app: cdk.App, template_snapshot: SnapshotAssertion) -> None:
    stack = cdk.Stack(app, "Test", env=cdk.Environment(region="eu-west-1"))
    SessionTable(
        stack,
        "Sessions",
        table_name="dev-shop-session",
        encryption_key=kms.Key(stack, "Key"),
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    assert stable(stack) == template_snapshot


def test_logical_ids_are_a_contract(stack: cdk.Stack) -> None:
    SessionTable(stack, "Sessions")
    assert set(Template.from_stack(stack).find_resources(TABLE)) == {"SessionsTableA5E8383B"}


def test_sessions_expire_and_the_table_stays(stack: cdk.Stack) -> None:
    SessionTable(stack, "Sessions")
    (table,) = Template.from_stack(stack).find_resources(TABLE).values()
    assert table["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["Replicas"][0]["DeletionProtectionEnabled"] is True
    assert warnings_of(stack) == []


def test_tracking_allows_no_scan(stack: cdk.Stack) -> None:
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    SessionTable(stack, "Sessions").grants.track(role).assert_success()
    assert permissions(stack) == {
        "SessionsTableA5E8383B": {
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:Query",
            "dynamodb:PutItem",
            "dynamodb:DeleteItem",
        }
    }


def test_an_existing_table_is_used_as_it_is(stack: cdk.Stack) -> None:
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    table = dynamodb.TableV2.from_table_name(stack, "Old", "old-sessions")
    SessionTable(stack, "Sessions", table=table).grants.track(role)
    assert Template.from_stack(stack).find_resources(TABLE) == {}
    (name,) = permissions(stack)
    assert name.endswith("table/old-sessions")


def test_throttling_metric_names_the_table(stack: cdk.Stack) -> None:
    metric = SessionTable(stack, "Sessions").metric_throttled()
    assert "SessionsTableA5E8383B" in str(stack.resolve(metric.to_metric_config()))
