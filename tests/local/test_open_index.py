"""What finds unfinished work, on the emulator: a sparse index that CloudFormation makes, and a schedule."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb_
from aws_cdk.assertions import Template
from botocore.exceptions import ClientError

from constructs_lib import CqrsTable
from constructs_lib.local import CdkCli
from runtime.contract import OPEN_COLUMN, OPEN_INDEX, OPEN_SORT_KEY, PARTITION_KEY, SORT_KEY
from tests.support.functions import Function

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.local import Emulator

APP = """
    from aws_cdk import App, CfnOutput, RemovalPolicy, Stack
    from aws_cdk import aws_lambda as lambda_
    from constructs_lib import CqrsFunctions, CqrsTable, Healing

    app = App(builtin_cloud_formation_validation=False)  # which takes seconds
    stack = Stack(app, "Healed")
    table = CqrsTable(stack, "Orders", module_name="order", removal_policy=RemovalPolicy.DESTROY)
    functions = CqrsFunctions(
        stack,
        "Functions",
        code=lambda_.Code.from_inline("def handler(event, context): return event"),
        handler="index.handler",
        app_name="healed",
        tables=[table],
        removal_policy=RemovalPolicy.DESTROY,
    )
    healing = Healing(stack, "Healing")
    healing.connect(functions)
    CfnOutput(stack, "Command", value=table.command_table.table_name)
    CfnOutput(stack, "Rule", value=healing.rule.rule_name)
    CfnOutput(stack, "Operator", value=functions.operator.function_arn)
    CfnOutput(stack, "Role", value=functions.operator.role.role_arn)
    CfnOutput(stack, "WorkerRole", value=functions.worker.role.role_arn)
    app.synth()
"""
LOOK = """
    import boto3
    from boto3.dynamodb.conditions import Key
    from botocore.exceptions import ClientError

    def handler(event, context):
        table = boto3.resource("dynamodb").Table(event["table"])
        condition = Key(event["column"]).eq("0")
        try:
            return table.query(IndexName=event["index"], KeyConditionExpression=condition)["Count"]
        except ClientError as error:
            return error.response["Error"]["Code"]
"""


@pytest.fixture(scope="module")
def deployed(strict_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("app")
    (folder / "app.py").write_text(textwrap.dedent(APP))
    cdk = CdkCli(strict_emulator, app=str(folder / "app.py"), on_line=print)
    cdk.bootstrap()
    return cdk.deploy()["Healed"]


def item(sk: str, created_at: str, **more: str) -> dict[str, Any]:
    row = {"pk": "ORDER#acme", "sk": sk, OPEN_SORT_KEY: created_at, "name": sk, **more}
    return {name: {"S": value} for name, value in row.items()}


def in_slice(emulator: Emulator, table: str, number: str, **options: Any) -> list[dict[str, Any]]:
    """The entries of one slice of the index."""
    page: dict[str, Any] = emulator.client("dynamodb").query(
        TableName=table,
        IndexName=OPEN_INDEX,
        KeyConditionExpression="#open = :number",
        ExpressionAttributeNames={"#open": OPEN_COLUMN},
        ExpressionAttributeValues={":number": {"S": number}},
        **options,
    )
    return page["Items"]


def test_the_table_of_the_stack_has_the_index(strict_emulator: Emulator, deployed: dict[str, str]) -> None:
    table = strict_emulator.client("dynamodb").describe_table(TableName=deployed["Command"])["Table"]
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == OPEN_INDEX
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_rows_are_in_the_index_while_they_have_the_column(
    strict_emulator: Emulator, deployed: dict[str, str]
) -> None:
    dynamodb, table = strict_emulator.client("dynamodb"), deployed["Command"]
    puts = [
        item("A@2", "2026-01-02", open="7"),
        item("A@1", "2026-01-01", open="7"),
        item("B@1", "2026-01-01", open="8"),
        item("C@1", "2026-01-01"),
    ]
    dynamodb.put_item(TableName=table, Item=puts.pop())
    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": put}} for put in puts])

    # The oldest first, and keys only.
    keys = {"pk", "sk", OPEN_COLUMN, OPEN_SORT_KEY}
    found = in_slice(strict_emulator, table, "7")
    assert [(entry["sk"]["S"], set(entry)) for entry in found] == [("A@1", keys), ("A@2", keys)]

    remove = {
        "TableName": table,
        "Key": {"pk": {"S": "ORDER#acme"}, "sk": {"S": "A@1"}},
        "UpdateExpression": "REMOVE #open",
        "ExpressionAttributeNames": {"#open": OPEN_COLUMN},
    }
    dynamodb.transact_write_items(TransactItems=[{"Update": remove}])
    assert [entry["sk"]["S"] for entry in in_slice(strict_emulator, table, "7")] == ["A@2"]
    assert dynamodb.get_item(TableName=table, Key=remove["Key"])["Item"]["name"] == {"S": "A@1"}


def test_a_table_of_an_earlier_release_gets_the_index_and_keeps_its_rows(strict_emulator: Emulator) -> None:
    dynamodb, stacks = strict_emulator.client("dynamodb"), strict_emulator.client("cloudformation")
    stack, table = "Upgraded", "upgraded-command"
    stacks.create_stack(StackName=stack, TemplateBody=command_table(table))
    dynamodb.put_item(TableName=table, Item=item("A@1", "2026-01-01"))
    stacks.update_stack(StackName=stack, TemplateBody=command_table(table, has_index=True))
    dynamodb.put_item(TableName=table, Item=item("A@2", "2026-01-02", open="7"))
    assert [entry["sk"]["S"] for entry in in_slice(strict_emulator, table, "7")] == ["A@2"]
    assert dynamodb.scan(TableName=table)["Count"] == 2


def command_table(name: str, *, has_index: bool = False) -> str:
    """A template with a command table of an earlier release, or of this one."""
    stack = cdk.Stack(cdk.App(builtin_cloud_formation_validation=False), "Upgraded")
    made = CqrsTable(stack, "Orders").command_table.node.default_child
    assert isinstance(made, dynamodb_.CfnGlobalTable)
    made.table_name = name
    if not has_index:
        made.add_property_deletion_override("GlobalSecondaryIndexes")
        made.attribute_definitions = [
            {"attributeName": key, "attributeType": "S"} for key in (PARTITION_KEY, SORT_KEY)
        ]
    template = Template.from_stack(stack).to_json()
    logical_id = stack.resolve(made.logical_id)
    return json.dumps({"Resources": {logical_id: template["Resources"][logical_id]}})


def test_a_slice_is_read_in_pages(strict_emulator: Emulator, deployed: dict[str, str]) -> None:
    dynamodb, table = strict_emulator.client("dynamodb"), deployed["Command"]
    for number in range(5):
        dynamodb.put_item(TableName=table, Item=item(f"P@{number}", "2026-01-01", open="9"))
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        IndexName=OPEN_INDEX,
        KeyConditionExpression="#open = :number AND createdAt < :before",
        ExpressionAttributeNames={"#open": OPEN_COLUMN},
        ExpressionAttributeValues={":number": {"S": "9"}, ":before": {"S": "2026-01-02"}},
        PaginationConfig={"PageSize": 2},
    )
    assert sorted(entry["sk"]["S"] for page in pages for entry in page["Items"]) == [
        f"P@{number}" for number in range(5)
    ]


def test_an_index_is_not_read_consistently(strict_emulator: Emulator, deployed: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="Consistent reads are not supported on global secondary indexes"):
        in_slice(strict_emulator, deployed["Command"], "0", ConsistentRead=True)


@pytest.mark.parametrize(("role", "answer"), [("Role", 0), ("WorkerRole", "AccessDeniedException")])
def test_only_operator_may_look_into_the_index(
    strict_emulator: Emulator, deployed: dict[str, str], role: str, answer: object
) -> None:
    look = Function(strict_emulator, LOOK, role=deployed[role])
    event = {"table": deployed["Command"], "index": OPEN_INDEX, "column": OPEN_COLUMN}
    assert look(event) == answer


def test_the_schedule_calls_the_operator_function(
    strict_emulator: Emulator, deployed: dict[str, str]
) -> None:
    events = strict_emulator.client("events")
    rule = events.describe_rule(Name=deployed["Rule"])
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(5 minutes)", "ENABLED")
    (target,) = events.list_targets_by_rule(Rule=deployed["Rule"])["Targets"]
    assert target["Arn"] == deployed["Operator"]
    assert json.loads(target["Input"]) == {"operation": "heal"}
