"""What constructs of one table have in common: one switch, and tables that are brought."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk.assertions import Template

from constructs_lib import InvalidPropsError, MasterDataTable, Sequences, SessionTable
from tests.constructs.conftest import warnings_of

TABLE = "AWS::DynamoDB::GlobalTable"

pytestmark = pytest.mark.parametrize("construct", [MasterDataTable, Sequences, SessionTable])


def test_one_switch_makes_it_destroyable_and_says_so(stack: cdk.Stack, construct: Any) -> None:
    construct(stack, "Own", removal_policy=cdk.RemovalPolicy.DESTROY)
    (table,) = Template.from_stack(stack).find_resources(TABLE).values()
    assert table["DeletionPolicy"] == "Delete"
    assert table["Properties"]["Replicas"][0]["DeletionProtectionEnabled"] is False
    assert warnings_of(stack) == ["cqrs:destroyableTables"]


def test_a_table_is_brought_by_itself_or_by_its_name(stack: cdk.Stack, construct: Any) -> None:
    table = dynamodb.TableV2.from_table_name(stack, "Old", "old")
    assert construct(stack, "Brought", table=table).table is table
    named = construct.from_table_name(stack, "Named", "old")
    assert (type(named), named.table.table_name) == (construct, "old")
    assert Template.from_stack(stack).find_resources(TABLE) == {}
    with pytest.raises(InvalidPropsError, match="table_name must"):
        construct.from_table_name(stack, "Wrong", "o")


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"table_name": "mine"}, "table_name has no effect on a resource that table brings, got 'mine'"),
        ({"removal_policy": cdk.RemovalPolicy.DESTROY}, "removal_policy has no effect .*, got DESTROY"),
    ],
)
def test_configuring_an_existing_table_is_refused(
    stack: cdk.Stack, construct: Any, props: dict[str, Any], message: str
) -> None:
    table = dynamodb.TableV2.from_table_name(stack, "Old", "old")
    with pytest.raises(InvalidPropsError, match=message):
        construct(stack, "Own", table=table, **props)


@pytest.mark.parametrize(("props", "told"), [({"tabel": None}, "tabel"), ({"table_name": 5}, "table_name")])
def test_a_wrong_property_is_told_by_the_name_of_the_construct(
    stack: cdk.Stack, construct: Any, props: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidPropsError, match=told) as caught:
        construct(stack, "Own", **props)
    assert told == "table_name" or construct.__name__ in str(caught.value)
