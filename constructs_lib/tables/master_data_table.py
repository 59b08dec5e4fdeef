"""The table with settings by tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from constructs_lib.functions.brought_function import is_own_function
from constructs_lib.functions.function_elsewhere import own_function
from constructs_lib.props.environments import BY_NAME, check_environment
from constructs_lib.props.grants import allow_reads, allow_writes
from constructs_lib.props.imported_names import check_table_name
from constructs_lib.props.strict_props import strict_props
from constructs_lib.tables.imported_table import imported_table
from constructs_lib.tables.pk_sk_table import LONGEST_RECOVERY_DAYS, brought_or_new_table
from runtime.contract import Env

if TYPE_CHECKING:
    from aws_cdk import Duration
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.parts import ServiceFunctions

__all__ = ["MasterDataTable", "MasterDataTableGrants"]


class MasterDataTable(Construct):
    """One DynamoDB table with settings by tenant: how long the rows of each module are kept.

    A row has ``pk`` ``MASTER#tenant`` and ``sk`` ``TTL#table``, where ``table`` is the
    physical name of a command, data or history table; ``attributes.days`` says how many
    days. The runtime's ``module.ttl`` reads and writes such rows. Without a row nothing
    expires. The table is on-demand, encrypted and recoverable to any second of the last
    35 days. Its own rows stay: it has no TTL attribute.

    Example:
        >>> master_data = MasterDataTable(self, "MasterData")
        >>> master_data.grants.write(admin_function)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``. Part of the logical id of the table.
        table: An existing table to use; its key is ``pk`` and ``sk``, both strings.
            Defaults to a new table.
        table_name: Physical name of the new table. Defaults to one that CloudFormation makes.
        encryption_key: Customer managed key of the new table, for a stack whose region is
            known. The grants include its use. Defaults to the key that DynamoDB owns.
        removal_policy: What happens to the new table when it leaves the stack. RETAIN keeps it
            and protects it from deletion; RETAIN_ON_UPDATE_OR_DELETE keeps it without protection;
            DESTROY turns both off. Defaults to RETAIN.

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
            what="master data table",
            table_name=table_name,
            encryption_key=encryption_key,
            removal_policy=removal_policy,
            expires=False,
            recovery_days=LONGEST_RECOVERY_DAYS,
        )
        self.grants = MasterDataTableGrants(self.table)

    @classmethod
    @strict_props
    def from_table_name(
        cls,
        scope: Construct,
        construct_id: str,
        table_name: str,
        *,
        encryption_key: kms.IKey | None = None,
    ) -> MasterDataTable:
        """Use a table with settings that exists: one of another app, or one that a deleted stack has left.

        Args:
            scope: Parent construct.
            construct_id: Id within ``scope``.
            table_name: Its name. What the table is like is not known here, and not checked.
            encryption_key: Its customer managed key; the grants include its use. Defaults to none.

        Raises:
            InvalidPropsError: ``table_name`` cannot be the name of a table.

        """
        check_table_name("table_name", table_name)
        table = imported_table(scope, f"Imported{construct_id}", table_name, encryption_key=encryption_key)
        return cls(scope, construct_id, table=table)

    def connect(self, functions: ServiceFunctions | lambda_.IFunction) -> None:
        """Let the functions that apply commands, or one of your own, look up how long rows are kept."""
        if is_own_function(functions):
            check_environment("table", self.table, functions, hint=BY_NAME)
            own = own_function(self, functions)
            self.grants.read(own.function)
            own.set_variable(Env.MASTER_DATA_TABLE_NAME, self.table.table_name)
            return
        check_environment("table", self.table, functions.api, hint=BY_NAME)

        def give(applier: lambda_.IFunction) -> None:
            self.grants.read(functions.data_access(applier).grantee)
            functions.set_variable(Env.MASTER_DATA_TABLE_NAME, self.table.table_name, applier)

        functions.for_each_applier(give)

    def metric_throttled(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Reads and writes that were throttled, summed over ``period`` (5 minutes)."""
        operations = [dynamodb.Operation.GET_ITEM, dynamodb.Operation.PUT_ITEM]
        return self.table.metric_throttled_requests_for_operations(operations=operations, period=period)


class MasterDataTableGrants:
    """Least-privilege permissions on the table of a `MasterDataTable`."""

    def __init__(self, table: dynamodb.ITableV2) -> None:
        self._table = table

    def read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` look settings up, as whatever applies commands does."""
        return allow_reads(grantee, self._table, "dynamodb:GetItem")

    def write(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` look settings up and change them."""
        return allow_writes(grantee, self._table, "dynamodb:GetItem", "dynamodb:PutItem")
