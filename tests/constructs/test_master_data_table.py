from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from constructs_lib import InvalidPropsError, MasterDataTable
from tests.constructs.conftest import permissions, stable, warnings_of

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

TABLE = "AWS::DynamoDB::GlobalTable"


def role(stack: cdk.Stack) -> iam.Role:
    return iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    MasterDataTable(stack, "MasterData")
    assert stable(stack) == template_snapshot


def test_everything(app: cdk.App, template_snapshot: SnapshotAssertion) -> None:
    stack = cdk.Stack(app, "Test", env=cdk.Environment(region="eu-west-1"))
    MasterDataTable(
        stack,
        "MasterData",
        table_name="dev-shop-master-data",
        encryption_key=kms.Key(stack, "Key"),
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    assert stable(stack) == template_snapshot


def test_logical_ids_are_a_contract(stack: cdk.Stack) -> None:
    MasterDataTable(stack, "MasterData")
    assert set(Template.from_stack(stack).find_resources(TABLE)) == {"MasterDataTable0B500C52"}


def test_settings_stay_and_can_be_restored(stack: cdk.Stack) -> None:
    MasterDataTable(stack, "MasterData")
    (table,) = Template.from_stack(stack).find_resources(TABLE).values()
    (replica,) = table["Properties"]["Replicas"]
    assert "TimeToLiveSpecification" not in table["Properties"]
    assert replica["PointInTimeRecoverySpecification"] == {
        "PointInTimeRecoveryEnabled": True,
        "RecoveryPeriodInDays": 35,
    }
    assert replica["DeletionProtectionEnabled"] is True
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert warnings_of(stack) == []


@pytest.mark.parametrize(
    ("intent", "expected"),
    [("read", {"dynamodb:BatchGetItem"}), ("write", {"dynamodb:BatchGetItem", "dynamodb:PutItem"})],
)
def test_an_intent_allows_exactly(stack: cdk.Stack, intent: str, expected: set[str]) -> None:
    getattr(MasterDataTable(stack, "MasterData").grants, intent)(role(stack)).assert_success()
    assert list(permissions(stack).values()) == [expected]


def test_an_existing_table_is_used_as_it_is(stack: cdk.Stack) -> None:
    table = dynamodb.TableV2.from_table_name(stack, "Old", "old-master")
    MasterDataTable(stack, "MasterData", table=table).grants.read(role(stack))
    assert Template.from_stack(stack).find_resources(TABLE) == {}
    (name,) = permissions(stack)
    assert name.endswith("table/old-master")


def test_a_key_in_a_stack_without_a_region_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match=r"encryption_key needs .* got Test/Key"):
        MasterDataTable(stack, "MasterData", encryption_key=kms.Key(stack, "Key"))


def test_throttling_metric_names_the_table(stack: cdk.Stack) -> None:
    metric = MasterDataTable(stack, "MasterData").metric_throttled()
    assert "MasterDataTable" in str(stack.resolve(metric.to_metric_config()))
