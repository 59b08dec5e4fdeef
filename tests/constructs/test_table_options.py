"""What tables may have beside the usual, and what reaches them by CDK's own means."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from constructs_lib import (
    CqrsTable,
    FailedRecords,
    Identity,
    InvalidPropsError,
    SessionTable,
    TableOptions,
)
from tests.constructs.conftest import permissions, warnings_of

HOME = cdk.Environment(account="111122223333", region="eu-west-1")
AWAY = dynamodb.ReplicaTableProps(region="us-east-1")


@pytest.fixture
def home(app: cdk.App) -> cdk.Stack:
    return cdk.Stack(app, "Home", env=HOME)


def tables(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    """The tables' properties, by the kind of table."""
    found = Template.from_stack(stack).find_resources("AWS::DynamoDB::GlobalTable")
    kinds = ("Command", "Data", "History", "Sync")
    return {kind: table["Properties"] for name, table in found.items() for kind in kinds if kind in name}


def test_each_option_reaches_the_tables_that_it_is_for(home: cdk.Stack) -> None:
    stream = kinesis.Stream(home, "Changes")
    warm = dynamodb.WarmThroughput(read_units_per_second=15_000, write_units_per_second=5_000)
    options = TableOptions(
        replicas=[AWAY],
        replica_key_arns={"us-east-1": "arn:aws:kms:us-east-1:111122223333:key/there"},
        contributor_insights=True,
        kinesis_stream=stream,
        warm_throughput=warm,
        max_write_request_units=100,
        point_in_time_recovery_days=7,
    )
    key = kms.Key.from_key_arn(home, "Key", "arn:aws:kms:eu-west-1:111122223333:key/here")
    CqrsTable(home, "Orders", data_sync=True, encryption_key=key, **options.given())
    found = tables(home)
    regions = {kind: {r["Region"]: r for r in table["Replicas"]} for kind, table in found.items()}
    both = {"eu-west-1", "us-east-1"}
    assert {kind: set(of) for kind, of in regions.items()} == {
        "Command": {"eu-west-1"},
        "Data": both,
        "History": both,
        "Sync": {"eu-west-1"},
    }
    # What DynamoDB copies by; the command table's is what starts the processing.
    assert {
        kind: table.get("StreamSpecification", {}).get("StreamViewType") for kind, table in found.items()
    } == {
        "Command": "NEW_IMAGE",
        "Data": "NEW_AND_OLD_IMAGES",
        "History": "NEW_AND_OLD_IMAGES",
        "Sync": None,
    }
    assert {kind for kind, table in found.items() if "WarmThroughput" in table} == {"Command", "Data"}
    assert found["Command"]["GlobalSecondaryIndexes"][0]["WarmThroughput"]["WriteUnitsPerSecond"] == 5_000
    for kind, of in regions.items():
        for region, replica in of.items():
            assert replica["DeletionProtectionEnabled"] is True
            assert replica["PointInTimeRecoverySpecification"]["RecoveryPeriodInDays"] == 7
            assert replica["ContributorInsightsSpecification"] == {"Enabled": True}
            assert ("KinesisStreamSpecification" in replica) is ((kind, region) == ("Data", "eu-west-1"))
            assert ("there" in str(replica["SSESpecification"])) is (region == "us-east-1")


def test_an_option_may_be_written_as_cdks_structs_may_be(home: cdk.Stack) -> None:
    orders: dict[str, Any] = {
        "replicas": [{"region": "us-east-1"}],
        "warm_throughput": {"read_units_per_second": 15_000},
    }
    CqrsTable(home, "Orders", **orders)
    found = tables(home)["Data"]
    assert {replica["Region"] for replica in found["Replicas"]} == {"eu-west-1", "us-east-1"}
    assert found["WarmThroughput"] == {"ReadUnitsPerSecond": 15_000}


@pytest.mark.parametrize(
    ("props", "message"),
    [
        (
            {"replicas": [dynamodb.ReplicaTableProps(region="eu-west-1")]},
            r"got \['eu-west-1'\]; leave 'eu-west-1'",
        ),
        ({"replicas": [AWAY, AWAY]}, "leave 'us-east-1' out"),
        ({"replica_key_arns": {"us-east-1": "arn"}}, r"replica_key_arns must be .* got \['us-east-1'\]"),
        ({"warm_throughput": dynamodb.WarmThroughput(read_units_per_second=100)}, "at least 12000, got 100"),
        ({"warm_throughput": dynamodb.WarmThroughput(write_units_per_second=100)}, "at least 4000, got 100"),
    ],
)
def test_what_dynamodb_would_refuse_is_refused(home: cdk.Stack, props: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        CqrsTable(home, "Orders", **props)


def test_copies_need_a_known_region_its_keys_and_names_that_are_free_there(
    app: cdk.App, stack: cdk.Stack, home: cdk.Stack
) -> None:
    with pytest.raises(
        InvalidPropsError, match=r"replicas needs a stack with a known region, got \['us-east-1'\]"
    ):
        CqrsTable(stack, "Orders", replicas=[AWAY])
    with pytest.raises(InvalidPropsError, match=r"replica_key_arns must be .*\['us-east-1'\], got \[\]"):
        CqrsTable(home, "Encrypted", replicas=[AWAY], encryption_key=kms.Key(home, "Key"))
    away = cdk.Stack(app, "Away", env=cdk.Environment(account=HOME.account, region="us-east-1"))
    CqrsTable(away, "Orders", table_name_prefix="dev-shop-order")
    with pytest.raises(InvalidPropsError, match=r"'dev-shop-order-data' .* both in 111122223333/us-east-1"):
        CqrsTable(home, "Orders", table_name_prefix="dev-shop-order", replicas=[AWAY])


def test_an_index_that_is_added_later_may_be_read(home: cdk.Stack) -> None:
    """The escape hatch for what has no property: the tables are CDK's own."""
    orders = CqrsTable(home, "Orders", replicas=[AWAY])
    role = iam.Role(home, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    orders.grants.read(role)
    orders.grants.apply(role)
    assert isinstance(orders.data_table, dynamodb.TableV2)
    by_code = dynamodb.Attribute(name="code", type=dynamodb.AttributeType.STRING)
    orders.data_table.add_global_secondary_index(index_name="byCode", partition_key=by_code)
    allowed = {name: actions for name, actions in permissions(home).items() if name.endswith("/index/*")}
    assert [("Data" in name, "dynamodb:Query" in actions) for name, actions in allowed.items()] == [
        (True, True)
    ]
    # The copies are for reading, by whoever makes rights of their own (ADR 0029).
    assert not [name for name in permissions(home) if "us-east-1" in name]


@pytest.mark.parametrize("of_all", [True, False], ids=["RemovalPolicies", "apply_removal_policy"])
def test_what_may_be_deleted_is_not_protected(home: cdk.Stack, *, of_all: bool) -> None:
    orders = CqrsTable(home, "Orders", replicas=[AWAY])
    SessionTable(home, "Sessions")
    Identity(home, "Identity")
    FailedRecords(home, "Failed")
    if of_all:
        cdk.RemovalPolicies.of(home).destroy()
    else:
        orders.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
    resources = Template.from_stack(home).to_json()["Resources"]
    protected = {
        name[:-8]: (
            resource["Properties"].get("DeletionProtection") == "ACTIVE"
            or any(r["DeletionProtectionEnabled"] for r in resource["Properties"].get("Replicas", ()))
        )
        for name, resource in resources.items()
        if resource["Type"] in {"AWS::DynamoDB::GlobalTable", "AWS::Cognito::UserPool"}
    }
    assert protected == {
        name[:-8]: resource["DeletionPolicy"] == "Retain"
        for name, resource in resources.items()
        if name[:-8] in protected
    }
    assert protected["OrdersData"] is False
    assert protected["IdentityUserPool"] is not of_all
    # What empties a bucket cannot be added later: with objects in it the stack would stay.
    said = {"cqrs:destroyableTables"}
    if of_all:
        said |= {"cqrs:destroyableUsers", "cqrs:destroyableBucket"}
    assert set(warnings_of(home)) == said


def test_what_is_kept_after_all_is_protected(home: cdk.Stack) -> None:
    orders = CqrsTable(home, "Orders", removal_policy=cdk.RemovalPolicy.DESTROY)
    orders.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
    assert all(table["Replicas"][0]["DeletionProtectionEnabled"] for table in tables(home).values())
    assert warnings_of(home) == []
    with pytest.raises(InvalidPropsError, match=r"policy must be RETAIN, .* or DESTROY, got SNAPSHOT"):
        orders.apply_removal_policy(cdk.RemovalPolicy.SNAPSHOT)


def test_what_a_rollback_may_take_back_is_not_protected_whoever_says_so(home: cdk.Stack) -> None:
    orders = CqrsTable(home, "Orders")
    orders.apply_removal_policy(cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
    assert not any(table["Replicas"][0]["DeletionProtectionEnabled"] for table in tables(home).values())
    assert warnings_of(home) == ["cqrs:unprotected"]
