"""The constructs as somebody composes them into stacks of one's own."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import CqrsTable, Processing
from tests.constructs.conftest import new_app, permissions

TABLE = "AWS::DynamoDB::GlobalTable"


class Shop(cdk.Stack):
    """A stack with a function of its own that knows nothing but the tables."""

    def __init__(self, app: cdk.App, construct_id: str, module: str, **options: Any) -> None:
        super().__init__(app, construct_id)
        self.function = lambda_.Function(
            self,
            "Function",
            code=lambda_.Code.from_inline("def handler(event, context): ..."),
            handler="index.handler",
            runtime=lambda_.Runtime.PYTHON_3_13,
        )
        self.tables = CqrsTable(self, module, **options)
        self.tables.grants.publish(self.function)


def resource_types(stack: cdk.Stack) -> dict[str, int]:
    counts: dict[str, int] = {}
    for resource in Template.from_stack(stack).to_json()["Resources"].values():
        counts[resource["Type"]] = counts.get(resource["Type"], 0) + 1
    return counts


@pytest.mark.parametrize("flags", [True, False], ids=["recommended flags", "no flags"])
def test_a_stack_that_only_uses_the_tables(*, flags: bool) -> None:
    stack = Shop(new_app(flags=flags), "Shop", "Orders")
    counts = resource_types(stack)
    assert counts[TABLE] == 3
    assert set(counts) - {"AWS::Logs::LogGroup"} == {
        TABLE,
        "AWS::Lambda::Function",
        "AWS::IAM::Role",
        "AWS::IAM::Policy",
    }


def test_several_modules_in_one_stack() -> None:
    stack = Shop(new_app(), "Shop", "Orders", data_sync=True)
    invoices = CqrsTable(stack, "Invoices", processing=Processing.INLINE)
    invoices.grants.read(stack.function)
    assert resource_types(stack)[TABLE] == 7
    assert {name[:-8] for name in permissions(stack)} == {
        "OrdersCommand",
        "OrdersData",
        "OrdersSync",
        "InvoicesCommand",
        "InvoicesData",
        "InvoicesHistory",
    }


@pytest.mark.parametrize(
    ("flags", "reference"),
    [
        pytest.param(True, "Fn::GetStackOutput", id="recommended flags", marks=pytest.mark.newest),
        pytest.param(False, "Fn::ImportValue", id="no flags"),
    ],
)
def test_a_grant_across_stacks(*, flags: bool, reference: str) -> None:
    app = new_app(flags=flags)
    orders = Shop(app, "Orders", "Order")
    invoices = Shop(app, "Invoices", "Invoice")
    orders.tables.grants.read(invoices.function)

    policies = Template.from_stack(invoices).find_resources("AWS::IAM::Policy")
    (statements,) = (policy["Properties"]["PolicyDocument"]["Statement"] for policy in policies.values())
    foreign = [
        (arn, statement["Action"])
        for statement in statements
        for arn in _listed(statement["Resource"])
        if reference in str(arn)
    ]
    actions = {action for _arn, allowed in foreign for action in allowed}
    assert actions == {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
    tables = [name for name in ("Command", "Data", "History") if f"Order{name}" in str(foreign)]
    assert tables == ["Command", "Data", "History"]
    # Nothing else crosses: the invoices' own permissions name the invoices' own tables.
    assert str(statements).count(reference) == 3
    assert resource_types(invoices)[TABLE] == 3


@pytest.mark.newest
def test_grants_across_stacks_do_not_lock_the_producer_under_the_recommended_flags() -> None:
    app = new_app()
    orders = Shop(app, "Orders", "Order")
    orders.tables.grants.read(Shop(app, "Invoices", "Invoice").function)
    outputs = Template.from_stack(orders).to_json().get("Outputs", {})
    assert len(outputs) == 3
    assert all("Export" not in output for output in outputs.values())


def test_tables_that_somebody_already_has() -> None:
    app = new_app()
    owner = cdk.Stack(app, "Owner")
    key = dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING)
    sort = dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING)
    made = {
        name: dynamodb.TableV2(
            owner,
            name,
            partition_key=key,
            sort_key=sort,
            dynamo_stream=dynamodb.StreamViewType.NEW_IMAGE if name == "command" else None,
        )
        for name in ("command", "data", "history")
    }
    stack = Shop(app, "Shop", "Orders", **{f"{name}_table": table for name, table in made.items()})
    stack.tables.grants.apply(stack.function)
    assert TABLE not in resource_types(stack)
    assert stack.tables.command_table is made["command"]
    assert stack.tables.command_table.table_stream_arn is not None
    assert set(stack.tables.module_settings) == {"command", "data", "history"}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
