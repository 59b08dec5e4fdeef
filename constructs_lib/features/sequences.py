"""The table that numbers are counted in."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from aws_cdk import Stack

from constructs_lib.functions.brought_function import is_own_function
from constructs_lib.functions.function_elsewhere import own_function
from constructs_lib.props.environments import BY_NAME, check_environment
from constructs_lib.props.grants import allow_reads, allow_writes
from constructs_lib.tables import naming
from constructs_lib.tables.module_tables import throttled
from constructs_lib.tables.one_table import OneTable
from runtime.contract import FEATURE_TABLE, SEQUENCE_FEATURE, Env, FunctionKind

if TYPE_CHECKING:
    from aws_cdk import Duration
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.parts import ServiceFunctions

__all__ = ["Sequences", "SequencesGrants"]


class Sequences(OneTable):
    """One DynamoDB table in which numbers are counted, as the runtime's ``SequenceModule`` does.

    A counter is one row, and no number is given twice as long as it is kept: the table is on-demand,
    encrypted, recoverable to any second of the last 35 days, and protected from deletion. What expires by
    its ``ttl`` is what remembers which idempotency key got which number. It has no stream.

    Example:
        >>> sequences = Sequences(self, "Sequences")
        >>> sequences.connect(invoice_function)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``. Part of the logical id of the table.
        table: An existing table to use, such as that of a service which has counted so far; its key is
            ``pk`` and ``sk``, both strings, and its TTL attribute is ``ttl``. Defaults to a new table.
        table_name: Physical name of the new table. Defaults to one that CloudFormation makes.
        encryption_key: Customer managed key of the new table, for a stack whose region is
            known. The grants include its use. Defaults to the key that DynamoDB owns.
        removal_policy: What happens to the new table when it leaves the stack. RETAIN keeps it
            and protects it from deletion; RETAIN_ON_UPDATE_OR_DELETE keeps it without protection;
            DESTROY turns both off. Defaults to RETAIN.

    Raises:
        InvalidPropsError: ``table`` is given together with a property that configures it, or has another
            key, or no TTL attribute ``ttl``.

    """

    _what = "sequences table"
    _expires = True

    @cached_property
    def grants(self) -> SequencesGrants:
        """Permissions on the table."""
        return SequencesGrants(self.table)

    def connect(self, functions: ServiceFunctions | lambda_.IFunction) -> None:
        """Let the functions that run your code take numbers, and operators repair counters.

        api, worker, stream and projector, those that there are, get `SequencesGrants.issue`; api lists
        counters as well; operator administers them. A function of your own may take numbers, and is told
        the name of the table.
        """
        if is_own_function(functions):
            check_environment("table", self.table, functions, hint=BY_NAME)
            own = own_function(self, functions)
            self.grants.issue(own.function)
            own.set_variable(Env.SEQUENCES_TABLE_NAME, self.table.table_name)
            return
        check_environment("table", self.table, functions.api, hint=BY_NAME)
        api = functions.data_access(functions.api).grantee
        self.grants.issue(api)
        self.grants.read(api)
        for kind in (FunctionKind.WORKER, FunctionKind.STREAM, FunctionKind.PROJECTOR):
            if (function := functions.find(kind)) is not None:
                self.grants.issue(function)
        self.grants.administer(functions.operator)
        functions.add_feature(SEQUENCE_FEATURE, self._settings_in(functions))

    def _settings_in(self, functions: ServiceFunctions) -> dict[str, str]:
        """What of the table functions of this environment and app cannot know by convention."""
        usual = naming.sequences_table_name(functions.env_name, functions.app_name)
        known = self._new_name or Stack.of(self).resolve(self.table.table_name)
        return {} if known == usual else {FEATURE_TABLE: self.table.table_name}

    def metric_throttled(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Writes that were throttled, summed over ``period`` (5 minutes): a counter that is too hot."""
        return throttled(self.table, "Write", period)


class SequencesGrants:
    """Least-privilege permissions on the table of a `Sequences`, by intent. None allows a scan."""

    def __init__(self, table: dynamodb.ITableV2) -> None:
        self._table = table

    def issue(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` take numbers, look up which key got which, and void numbers."""
        return allow_writes(
            grantee,
            self._table,
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:UpdateItem",
            "dynamodb:PutItem",
        )

    def read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` see counters, list those of a tenant, and find the gaps of a series."""
        return allow_reads(grantee, self._table, "dynamodb:GetItem", "dynamodb:Query")

    def administer(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` do all of that, as operators do, and set counters."""
        return allow_writes(
            grantee,
            self._table,
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
            "dynamodb:PutItem",
        )
