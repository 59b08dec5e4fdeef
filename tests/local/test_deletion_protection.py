"""What a deleted stack leaves: all that holds something by default, nothing where that was asked for."""

from __future__ import annotations

import json
import textwrap
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from constructs_lib.local import CdkCli
from tests.support.listing import listed
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.local import Emulator

#: Two stacks of what holds something: one as it is by default, one for a throwaway stage.
APP = """
    from aws_cdk import App, CfnOutput, RemovalPolicy, Stack
    from constructs_lib import AttributesBucket, CqrsTable, Identity, MasterDataTable

    app = App(builtin_cloud_formation_validation=False)  # which takes seconds
    for name, props in {"Kept": {}, "Gone": {"removal_policy": RemovalPolicy.DESTROY}}.items():
        stack = Stack(app, name)
        prefix = f"local-{name.lower()}"
        table = CqrsTable(stack, "Orders", module_name="order", table_name_prefix=prefix, **props)
        master = MasterDataTable(stack, "MasterData", **props)
        bucket = AttributesBucket(stack, "Attributes", auto_delete_objects=bool(props), **props)
        identity = Identity(stack, "Identity", **props)
        CfnOutput(stack, "Command", value=table.command_table.table_name)
        CfnOutput(stack, "Data", value=table.data_table.table_name)
        CfnOutput(stack, "History", value=table.history_table.table_name)
        CfnOutput(stack, "Master", value=master.table.table_name)
        CfnOutput(stack, "Bucket", value=bucket.bucket.bucket_name)
        CfnOutput(stack, "Pool", value=identity.user_pool.user_pool_id)
    app.synth()
"""
TABLES = ("Command", "Data", "History", "Master")
ROW = {"pk": {"S": "ORDER#acme"}, "sk": {"S": "A1"}, "attributes": {"M": {"title": {"S": "t"}}}}


def test_a_stack_that_is_deleted_leaves_its_data(emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    cdk = CdkCli(emulator, app=str(tmp_path / "app.py"), on_line=print)
    cdk.bootstrap()
    outputs = cdk.deploy()
    dynamodb, s3, users = (emulator.client(name) for name in ("dynamodb", "s3", "cognito-idp"))
    for out in outputs.values():
        for table in TABLES:
            dynamodb.put_item(TableName=out[table], Item=ROW)
        users.admin_create_user(UserPoolId=out["Pool"], Username="ann@example.com")
    kept, gone = outputs["Kept"], outputs["Gone"]
    for out in outputs.values():
        s3.put_object(Bucket=out["Bucket"], Key="large", Body=b"content")

    cdk.destroy()

    stacks = emulator.client("cloudformation").describe_stacks()["Stacks"]
    assert not {stack["StackName"] for stack in stacks} & {"Kept", "Gone"}
    for table in TABLES:
        assert dynamodb.scan(TableName=kept[table])["Items"] == [ROW]
        with pytest.raises(ClientError, match="protected against deletion"):
            dynamodb.delete_table(TableName=kept[table])
        assert dynamodb.scan(TableName=kept[table])["Items"] == [ROW]
    assert s3.get_object(Bucket=kept["Bucket"], Key="large")["Body"].read() == b"content"
    (user,) = users.list_users(UserPoolId=kept["Pool"])["Users"]
    assert {"Name": "email", "Value": "ann@example.com"} in user["Attributes"]
    with pytest.raises(ClientError, match="deletion protection is activated"):
        users.delete_user_pool(UserPoolId=kept["Pool"])

    assert not {gone[table] for table in TABLES} & set(listed(dynamodb, "list_tables", "TableNames"))
    assert gone["Bucket"] not in [bucket["Name"] for bucket in listed(s3, "list_buckets", "Buckets")]
    groups = listed(emulator.client("logs"), "describe_log_groups", "logGroups")
    assert [group["logGroupName"] for group in groups if "Gone" in group["logGroupName"]] == []
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        users.describe_user_pool(UserPoolId=gone["Pool"])


def test_protection_that_is_switched_off_lets_go(emulator: Emulator) -> None:
    stack, table = _stack(emulator, protected=True)
    dynamodb, cloudformation = emulator.client("dynamodb"), emulator.client("cloudformation")
    assert _is_protected(emulator, table)
    body = _template(table, protected=False)
    cloudformation.update_stack(StackName=stack, TemplateBody=json.dumps(body))
    wait_until(lambda: not _is_protected(emulator, table))
    dynamodb.delete_table(TableName=table)

    users = emulator.client("cognito-idp")
    pool = users.create_user_pool(PoolName="p", DeletionProtection="ACTIVE")["UserPool"]["Id"]
    with pytest.raises(ClientError, match="InvalidParameterException"):
        users.delete_user_pool(UserPoolId=pool)
    users.update_user_pool(UserPoolId=pool, DeletionProtection="INACTIVE")
    users.delete_user_pool(UserPoolId=pool)


def test_gap_stock_does_not_protect(stock: Emulator) -> None:
    _, table = _stack(stock, protected=True)
    assert not _is_protected(stock, table)
    users = stock.client("cognito-idp")
    pool = users.create_user_pool(PoolName="p", DeletionProtection="ACTIVE")["UserPool"]["Id"]
    users.delete_user_pool(UserPoolId=pool)


def _stack(emulator: Emulator, *, protected: bool) -> tuple[str, str]:
    name = f"protection-{uuid.uuid4().hex[:8]}"
    cloudformation = emulator.client("cloudformation")
    body = _template(name, protected=protected)
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(body))
    wait_until(lambda: _status(cloudformation, name) == "CREATE_COMPLETE")
    return name, name


def _status(cloudformation: Any, name: str) -> str:
    return str(cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])


def _is_protected(emulator: Emulator, table: str) -> bool:
    found = emulator.client("dynamodb").describe_table(TableName=table)["Table"]
    return bool(found["DeletionProtectionEnabled"])


def _template(table: str, *, protected: bool) -> dict[str, Any]:
    properties = {
        "TableName": table,
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "Replicas": [{"Region": "us-east-1", "DeletionProtectionEnabled": protected}],
    }
    return {"Resources": {"Table": {"Type": "AWS::DynamoDB::GlobalTable", "Properties": properties}}}
