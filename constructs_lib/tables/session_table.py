"""The table that makes users see their own writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from constructs_lib.props.grants import allow_writes
from constructs_lib.props.strict_props import strict_props
from constructs_lib.tables.pk_sk_table import brought_or_new_table

if TYPE_CHECKING:
    from aws_cdk import Duration
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms

__all__ = ["SessionTable", "SessionTableGrants"]


class SessionTable(Construct):
    """One DynamoDB table that remembers, for minutes, which versions a user has written.

    With it a user sees an own write at once, before the stream has processed it. A row
    expires by its ``ttl``. The table is on-demand and encrypted. It cannot be restored to
    a point in time: its rows are worthless after minutes. It is protected from deletion
    all the same, because a publish writes its session row in the same transaction, so
    without the table every publish fails.

    Example:
        >>> sessions = SessionTable(self, "Sessions")
        >>> sessions.grants.track(api_function)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``. Part of the logical id of the table.
        table: An existing table to use; its key is ``pk`` and ``sk``, both strings, and
            its TTL attribute is ``ttl``. Defaults to a new table.
        table_name: Physical name of the new table. Defaults to one that CloudFormation makes.
        encryption_key: Customer managed key of the new table, for a stack whose region is
            known. The grants include its use. Defaults to the key that DynamoDB owns.
        removal_policy: What happens to the new table when it leaves the stack. RETAIN
            keeps it and protects it from deletion; DESTROY turns both off.

    Raises:
        InvalidPropsError: ``table`` is given together with a property that configures it.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: dynamodb.ITableV2 | None = None,
        table_name: str | None = None,
        encryption_key: kms.IKey | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        self.table = brought_or_new_table(
            self,
            table,
            what="session table",
            table_name=table_name,
            encryption_key=encryption_key,
            removal_policy=removal_policy,
            expires=True,
            recovery_days=None,
        )
        self.grants = SessionTableGrants(self.table)

    def metric_throttled(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Reads and writes that were throttled, summed over ``period`` (5 minutes)."""
        operations = [
            dynamodb.Operation.GET_ITEM,
            dynamodb.Operation.BATCH_GET_ITEM,
            dynamodb.Operation.QUERY,
            dynamodb.Operation.PUT_ITEM,
            dynamodb.Operation.TRANSACT_WRITE_ITEMS,
        ]
        return self.table.metric_throttled_requests_for_operations(operations=operations, period=period)


class SessionTableGrants:
    """Least-privilege permissions on the table of a `SessionTable`."""

    def __init__(self, table: dynamodb.ITableV2) -> None:
        self._table = table

    def track(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` note what a user wrote, look it up, and forget it; without scanning."""
        return allow_writes(
            grantee,
            self._table,
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:Query",
            "dynamodb:PutItem",
            "dynamodb:DeleteItem",
        )
