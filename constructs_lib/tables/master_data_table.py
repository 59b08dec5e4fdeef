"""The table with settings by tenant."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from aws_cdk import aws_dynamodb as dynamodb

from constructs_lib.functions.brought_function import is_own_function
from constructs_lib.functions.function_elsewhere import own_function
from constructs_lib.props.environments import BY_NAME, check_environment
from constructs_lib.props.grants import allow_reads, allow_writes
from constructs_lib.tables.one_table import OneTable
from runtime.contract import Env

if TYPE_CHECKING:
    from aws_cdk import Duration
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.parts import ServiceFunctions

__all__ = ["MasterDataTable", "MasterDataTableGrants"]


class MasterDataTable(OneTable):
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

    _what = "master data table"
    _expires = False

    @cached_property
    def grants(self) -> MasterDataTableGrants:
        """Permissions on the table."""
        return MasterDataTableGrants(self.table)

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
        operations = [dynamodb.Operation.BATCH_GET_ITEM, dynamodb.Operation.PUT_ITEM]
        return self.table.metric_throttled_requests_for_operations(operations=operations, period=period)


class MasterDataTableGrants:
    """Least-privilege permissions on the table of a `MasterDataTable`."""

    def __init__(self, table: dynamodb.ITableV2) -> None:
        self._table = table

    def read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` look settings up, as whatever applies commands does."""
        return allow_reads(grantee, self._table, "dynamodb:BatchGetItem")

    def write(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` look settings up and change them."""
        return allow_writes(grantee, self._table, "dynamodb:BatchGetItem", "dynamodb:PutItem")
