"""Stacks that cannot be deleted, that roll back, and that find what a former one has left."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.listing import listed
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.local import Emulator

ROW = {"pk": {"S": "ORDER#acme"}}
NOBODY = "arn:aws:lambda:us-east-1:000000000000:function:nobody"
#: Fails when all the others are made.
BROKEN = {"Type": "AWS::CloudFormation::CustomResource", "Properties": {"ServiceToken": NOBODY}}
BUCKET = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Delete"}


class Stacks:
    """The CloudFormation of an emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self._client = emulator.client("cloudformation")
        self.dynamodb, self.s3 = emulator.client("dynamodb"), emulator.client("s3")

    def create(self, resources: dict[str, Any], name: str | None = None) -> tuple[str, str]:
        """The name of a new stack, and how it ended."""
        name = name or f"stack-{uuid.uuid4().hex[:8]}"
        self._client.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
        return name, self._end(name)

    def take_over(self, resources: dict[str, Any]) -> str:
        """As ``cdk deploy --import-existing-resources`` does."""
        name = f"stack-{uuid.uuid4().hex[:8]}"
        change_set = self._client.create_change_set(
            StackName=name,
            ChangeSetName="all",
            ChangeSetType="CREATE",
            ImportExistingResources=True,
            TemplateBody=json.dumps({"Resources": resources}),
        )["Id"]
        wait_until(
            lambda: self._client.describe_change_set(ChangeSetName=change_set)["Status"] == "CREATE_COMPLETE"
        )
        self._client.execute_change_set(ChangeSetName=change_set)
        return self._end(name)

    def delete(self, name: str) -> str:
        stack = self._client.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        self._client.delete_stack(StackName=name)
        return self._end(stack)

    def resource(self, stack: str, logical_id: str) -> str:
        found = self._client.describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def has_table(self, name: str) -> bool:
        return name in listed(self.dynamodb, "list_tables", "TableNames")

    def _end(self, name: str) -> str:
        def status() -> str:
            return str(self._client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])

        # What is left of a failed creation is only then cleared up.
        between = {"CREATE_FAILED", "REVIEW_IN_PROGRESS"}
        wait_until(lambda: not status().endswith("IN_PROGRESS") and status() not in between)
        return status()


@pytest.fixture
def stacks(emulator: Emulator) -> Stacks:
    return Stacks(emulator)


@pytest.fixture
def table_name() -> str:
    return f"t-{uuid.uuid4().hex[:8]}"


def table(name: str | None, *, protected: bool = True, policy: str = "Retain") -> dict[str, Any]:
    properties = {
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        "Replicas": [{"Region": "us-east-1", "DeletionProtectionEnabled": protected}],
    }
    named = {"TableName": name} if name else {}
    return {"Type": "AWS::DynamoDB::GlobalTable", "DeletionPolicy": policy, "Properties": properties | named}


def pool(protection: str) -> dict[str, Any]:
    properties = {"UserPoolName": "p", "DeletionProtection": protection}
    return {"Type": "AWS::Cognito::UserPool", "DeletionPolicy": "Delete", "Properties": properties}


@pytest.mark.parametrize(
    ("resource", "fill"),
    [
        (lambda name: table(name, policy="Delete"), lambda _stacks, _id: None),
        (lambda _: pool("ACTIVE"), lambda _stacks, _id: None),
        (lambda _: BUCKET, lambda stacks, name: stacks.s3.put_object(Bucket=name, Key="k", Body=b"b")),
    ],
    ids=["protected table", "protected pool", "bucket that is not empty"],
)
def test_a_stack_is_not_deleted_with_what_the_service_keeps(
    stacks: Stacks, table_name: str, resource: Callable[[str], Any], fill: Callable[[Stacks, str], None]
) -> None:
    stack, _ = stacks.create({"Kept": resource(table_name)})
    name = stacks.resource(stack, "Kept")
    fill(stacks, name)
    assert stacks.delete(stack) == "DELETE_FAILED"
    assert stacks.resource(stack, "Kept") == name


def test_what_nothing_keeps_is_deleted(stacks: Stacks, table_name: str) -> None:
    resources = {
        "Table": table(table_name, protected=False, policy="Delete"),
        "Bucket": BUCKET,
        "Pool": pool("INACTIVE"),
    }
    stack, _ = stacks.create(resources)
    assert stacks.delete(stack) == "DELETE_COMPLETE"
    assert not stacks.has_table(table_name)


def test_a_table_that_was_kept_is_not_made_again_nor_emptied(stacks: Stacks, table_name: str) -> None:
    """But a change set may import it, with its rows and its stream."""
    stack, _ = stacks.create({"Table": table(table_name)})
    stacks.dynamodb.put_item(TableName=table_name, Item=ROW)
    stream = stacks.dynamodb.describe_table(TableName=table_name)["Table"]["LatestStreamArn"]
    assert stacks.delete(stack) == "DELETE_COMPLETE"

    assert stacks.create({"Table": table(table_name)})[1] == "ROLLBACK_COMPLETE"
    assert stacks.dynamodb.scan(TableName=table_name)["Items"] == [ROW]

    assert stacks.take_over({"Table": table(table_name)}) == "CREATE_COMPLETE"
    assert stacks.dynamodb.scan(TableName=table_name)["Items"] == [ROW]
    assert stacks.dynamodb.describe_table(TableName=table_name)["Table"]["LatestStreamArn"] == stream


def test_a_table_without_a_name_gets_one_that_nobody_has(stacks: Stacks) -> None:
    stack, _ = stacks.create({"Table": table(None)})
    first = stacks.resource(stack, "Table")
    stacks.dynamodb.put_item(TableName=first, Item=ROW)
    stacks.delete(stack)
    again, status = stacks.create({"Table": table(None)}, name=stack)
    assert status == "CREATE_COMPLETE"
    assert stacks.resource(again, "Table") != first
    assert stacks.dynamodb.scan(TableName=first)["Items"] == [ROW]


@pytest.mark.parametrize(
    ("policy", "protected", "status", "remains"),
    [
        ("Retain", True, "ROLLBACK_COMPLETE", True),
        ("RetainExceptOnCreate", True, "ROLLBACK_FAILED", True),
        ("RetainExceptOnCreate", False, "ROLLBACK_COMPLETE", False),
    ],
)
def test_what_a_first_deployment_leaves_when_it_rolls_back(
    stacks: Stacks, table_name: str, policy: str, status: str, *, protected: bool, remains: bool
) -> None:
    resources = {"Table": table(table_name, protected=protected, policy=policy)}
    broken = {"Broken": BROKEN | {"DependsOn": ["Table"]}}
    assert stacks.create(resources | broken)[1] == status
    assert stacks.has_table(table_name) is remains
    if not remains:
        assert stacks.create(resources)[1] == "CREATE_COMPLETE"
    elif status == "ROLLBACK_COMPLETE":
        assert stacks.take_over(resources) == "CREATE_COMPLETE"


def test_gap_stock_deletes_and_empties_whatever_it_is_told(stock: Emulator, table_name: str) -> None:
    stacks = Stacks(stock)
    stack, _ = stacks.create({"Table": table(table_name), "Bucket": BUCKET, "Pool": pool("ACTIVE")})
    stacks.dynamodb.put_item(TableName=table_name, Item=ROW)
    stacks.s3.put_object(Bucket=stacks.resource(stack, "Bucket"), Key="k", Body=b"b")
    assert stacks.delete(stack) == "DELETE_COMPLETE"
    assert stacks.create({"Table": table(table_name)})[1] == "CREATE_COMPLETE"
    assert stacks.dynamodb.scan(TableName=table_name)["Items"] == []


def test_gap_stock_does_not_import_a_global_table(stock: Emulator, table_name: str) -> None:
    stacks = Stacks(stock)
    stack, _ = stacks.create({"Table": table(table_name)})
    stacks.dynamodb.put_item(TableName=table_name, Item=ROW)
    stacks.delete(stack)
    assert stacks.take_over({"Table": table(table_name)}) == "CREATE_COMPLETE"
    assert stacks.dynamodb.scan(TableName=table_name)["Items"] == []
