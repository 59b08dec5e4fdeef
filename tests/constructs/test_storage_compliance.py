from __future__ import annotations

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from constructs_lib import (
    AttributesBucket,
    CqrsTable,
    EventStoreTable,
    MasterDataTable,
    Sequences,
    SessionTable,
)
from tests.constructs.conftest import RECOMMENDED_FLAGS, SKIP_BUNDLING


@pytest.fixture
def checked_app() -> cdk.App:
    """An app with CDK's own validation of templates and both rule packs; findings fail the synthesis."""
    app = cdk.App(context={**RECOMMENDED_FLAGS, **SKIP_BUNDLING}, builtin_cloud_formation_validation=True)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True), ServerlessChecks(app))
    return app


@pytest.mark.parametrize("own_key", [False, True], ids=["default keys", "customer managed key"])
def test_the_storage_has_no_open_finding(checked_app: cdk.App, *, own_key: bool) -> None:
    stack = cdk.Stack(checked_app, "Test", env=cdk.Environment(region="eu-west-1"))
    key = kms.Key(stack, "Key", enable_key_rotation=True) if own_key else None
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    orders = CqrsTable(stack, "Orders", data_sync=True, encryption_key=key)
    orders.grants.publish(role)
    orders.grants.replay(role)
    blog = EventStoreTable(stack, "Blog", handlers=True, pull_index=True, encryption_key=key)
    blog.grants.operate(role)
    blog.grants.pull(role)
    SessionTable(stack, "Sessions", encryption_key=key).grants.track(role)
    MasterDataTable(stack, "MasterData", encryption_key=key).grants.write(role)
    Sequences(stack, "Sequences", encryption_key=key).grants.administer(role)
    AttributesBucket(stack, "Attributes", encryption_key=key).grants.read_write(role)
    checked_app.synth()


def test_rule_packs_fail_the_synthesis(checked_app: cdk.App) -> None:
    s3.Bucket(cdk.Stack(checked_app, "Test"), "Open")
    with pytest.raises(RuntimeError, match="AwsSolutions-S10"):
        checked_app.synth()


def test_cloudformations_own_validation_fails_the_synthesis(checked_app: cdk.App) -> None:
    stack = cdk.Stack(checked_app, "Test")
    cdk.CfnResource(stack, "Table", type="AWS::DynamoDB::GlobalTable", properties={"Nonsense": 1})
    with pytest.raises(RuntimeError, match="'Nonsense' was unexpected"):
        checked_app.synth()
