"""A DynamoDB table with the key that all tables have: ``pk`` and ``sk``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import (
    check_removal_policy,
    check_table_key,
    refuse_props_of_brought,
)
from constructs_lib.props.deletion_protection import let_protection_follow
from constructs_lib.props.taken_names import take_name
from constructs_lib.tables.brought_table import check_keys, has_ttl
from constructs_lib.tables.table_extras import NO_EXTRAS, TableExtras
from runtime import contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_kms as kms
    from constructs import Construct

__all__ = ["LONGEST_RECOVERY_DAYS", "brought_or_new_table", "new_table"]

LONGEST_RECOVERY_DAYS: Final = 35

_OTHER_NAME: Final = (
    "give one of them another env_name, app_name, module name, table_name_prefix or table_name, or its stack "
    "another env=Environment(account=..., region=...)"
)


def new_table(
    scope: Construct,
    construct_id: str,
    *,
    what: str,
    table_name: str | None,
    encryption_key: kms.IKey | None,
    removal_policy: RemovalPolicy,
    expires: bool,
    recovery_days: int | None,
    billing: dynamodb.Billing | None = None,
    stream: dynamodb.StreamViewType | None = None,
    indexes: Sequence[dynamodb.GlobalSecondaryIndexPropsV2] = (),
    extras: TableExtras = NO_EXTRAS,
) -> dynamodb.TableV2:
    """Make a table that is on-demand, encrypted, and with the policy RETAIN protected from deletion.

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``. Part of the logical id of the table.
        what: What the warning says of what is deleted with the stack, such as "the session table is".
        table_name: Physical name. None leaves it to CloudFormation.
        encryption_key: Customer managed key. None means the key that DynamoDB owns.
        removal_policy: What happens to the table when it leaves the stack.
        expires: Whether rows expire by their ``ttl``.
        recovery_days: How far back the table can be restored, in days. None: not at all.
        billing: Defaults to on-demand without a ceiling.
        stream: What its stream tells. Defaults to no stream.
        indexes: Its indexes. Defaults to none.
        extras: What it has beside the usual. Defaults to nothing.

    Raises:
        InvalidPropsError: Another table in the app, of the same account and region, has the name.

    """
    if table_name is not None:
        for region in (None, *(replica.region for replica in extras.replicas)):
            take_name(scope, "table", table_name, region=region, hint=_OTHER_NAME)
    recovery = dynamodb.PointInTimeRecoverySpecification(
        point_in_time_recovery_enabled=True, recovery_period_in_days=recovery_days
    )
    table = dynamodb.TableV2(
        scope,
        construct_id,
        table_name=table_name,
        partition_key=dynamodb.Attribute(name=contract.PARTITION_KEY, type=dynamodb.AttributeType.STRING),
        sort_key=dynamodb.Attribute(name=contract.SORT_KEY, type=dynamodb.AttributeType.STRING),
        time_to_live_attribute=contract.TTL_ATTRIBUTE if expires else None,
        billing=billing or dynamodb.Billing.on_demand(),
        dynamo_stream=stream,
        global_secondary_indexes=[*indexes] or None,
        encryption=(
            dynamodb.TableEncryptionV2.customer_managed_key(encryption_key, extras.replica_key_arns)
            if encryption_key
            else dynamodb.TableEncryptionV2.dynamo_owned_key()
        ),
        point_in_time_recovery_specification=recovery if recovery_days is not None else None,
        removal_policy=removal_policy,
        deletion_protection=removal_policy is RemovalPolicy.RETAIN,
        **extras.table_props,
    )
    let_protection_follow(
        scope,
        table,
        removal_policy,
        warning="cqrs:destroyableTables",
        message=f"{what} deleted with the stack",
    )
    return table


def brought_or_new_table(
    scope: Construct,
    brought: dynamodb.ITableV2 | None,
    *,
    what: str,
    table_name: str | None,
    encryption_key: kms.IKey | None,
    removal_policy: RemovalPolicy,
    expires: bool,
    recovery_days: int | None,
) -> dynamodb.ITableV2:
    """Give the table ``brought`` to a construct of one table, or make its ``Table``.

    Args:
        scope: The construct.
        brought: What the user gave as ``table``.
        what: The table in words, such as "session table".
        table_name: As for `new_table`, and so are the others.
        encryption_key: See above.
        removal_policy: See above.
        expires: See above.
        recovery_days: See above.

    Raises:
        InvalidPropsError: A property is wrong, or configures the table that was brought.

    """
    check_removal_policy("removal_policy", removal_policy)
    check_table_key(scope, encryption_key)
    if brought is not None:
        refuse_props_of_brought(
            "table",
            table_name=table_name,
            encryption_key=encryption_key,
            removal_policy=None if removal_policy is RemovalPolicy.RETAIN else removal_policy,
        )
        check_keys("table", brought)
        if expires and not has_ttl(brought):
            msg = (
                f"table must have the TTL attribute {contract.TTL_ATTRIBUTE!r}, by which the rows of a "
                f"{what} expire, got {brought.node.path} without it; "
                f"give that table time_to_live_attribute={contract.TTL_ATTRIBUTE!r}"
            )
            raise InvalidPropsError(msg)
        return brought
    return new_table(
        scope,
        "Table",
        what=f"the {what} is",
        table_name=table_name,
        encryption_key=encryption_key,
        removal_policy=removal_policy,
        expires=expires,
        recovery_days=recovery_days,
    )
