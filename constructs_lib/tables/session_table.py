"""The table that makes users see their own writes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from constructs_lib.functions.brought_function import is_own_function
from constructs_lib.functions.function_elsewhere import own_function
from constructs_lib.props.checks import check_duration
from constructs_lib.props.environments import BY_NAME, check_environment
from constructs_lib.props.grants import allow_writes
from constructs_lib.props.imported_names import check_table_name
from constructs_lib.props.strict_props import strict_props
from constructs_lib.tables.imported_table import imported_table
from constructs_lib.tables.pk_sk_table import brought_or_new_table
from runtime.contract import Env

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.parts import ServiceFunctions

__all__ = ["SessionTable", "SessionTableGrants", "session_minutes"]


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
        read_your_writes: How long a user's own write is looked for before the pipeline has
            processed it, from 1 second to 1 day. Defaults to 5 minutes.
        table: An existing table to use; its key is ``pk`` and ``sk``, both strings, and
            its TTL attribute is ``ttl``. Defaults to a new table.
        table_name: Physical name of the new table. Defaults to one that CloudFormation makes.
        encryption_key: Customer managed key of the new table, for a stack whose region is
            known. The grants include its use. Defaults to the key that DynamoDB owns.
        removal_policy: What happens to the new table when it leaves the stack. RETAIN keeps it
            and protects it from deletion; RETAIN_ON_UPDATE_OR_DELETE keeps it without protection;
            DESTROY turns both off. Defaults to RETAIN.

    Raises:
        InvalidPropsError: ``table`` is given together with a property that configures it, or
            ``read_your_writes`` is out of range.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        read_your_writes: Duration = Duration.minutes(5),  # noqa: B008 - immutable
        table: dynamodb.ITableV2 | None = None,
        table_name: str | None = None,
        encryption_key: kms.IKey | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        self._minutes = session_minutes(read_your_writes)
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

    @classmethod
    @strict_props
    def from_table_name(
        cls,
        scope: Construct,
        construct_id: str,
        table_name: str,
        *,
        read_your_writes: Duration = Duration.minutes(5),  # noqa: B008 - immutable
        encryption_key: kms.IKey | None = None,
    ) -> SessionTable:
        """Use a session table that exists: one of another app, or one that a deleted stack has left.

        Args:
            scope: Parent construct.
            construct_id: Id within ``scope``.
            table_name: Its name. What the table is like is not known here, and not checked.
            read_your_writes: As for a new one. Defaults to 5 minutes.
            encryption_key: Its customer managed key; the grants include its use. Defaults to none.

        Raises:
            InvalidPropsError: ``table_name`` cannot be the name of a table.

        """
        check_table_name("table_name", table_name)
        table = imported_table(scope, f"Imported{construct_id}", table_name, encryption_key=encryption_key)
        return cls(scope, construct_id, read_your_writes=read_your_writes, table=table)

    def connect(self, functions: ServiceFunctions | lambda_.IFunction) -> None:
        """Let the api function, or one of your own, note who wrote what; tell it for how long that counts.

        Functions that apply commands forget of what was created that it is new.
        """
        if is_own_function(functions):
            check_environment("table", self.table, functions, hint=BY_NAME)
            own = own_function(self, functions)
            self.grants.track(own.function)
            own.set_variable(Env.SESSION_TABLE_NAME, self.table.table_name)
            own.set_variable(Env.RYW_SESSION_TTL_MINUTES, self._minutes)
            return
        check_environment("table", self.table, functions.api, hint=BY_NAME)
        self.grants.track(functions.data_access(functions.api).grantee)
        functions.set_variable(Env.RYW_SESSION_TTL_MINUTES, self._minutes, functions.api)

        def give(applier: lambda_.IFunction) -> None:
            if applier is not functions.api:
                self.grants.forget(functions.data_access(applier).grantee)
            functions.set_variable(Env.SESSION_TABLE_NAME, self.table.table_name, applier)

        functions.for_each_applier(give)

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

    def forget(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` take away what is noted of a creation that it finishes; without reading."""
        return allow_writes(grantee, self._table, "dynamodb:DeleteItem")

    def erase(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` delete the sessions of an aggregate that is erased for good."""
        return allow_writes(grantee, self._table, "dynamodb:BatchGetItem", "dynamodb:DeleteItem")


def session_minutes(read_your_writes: Duration) -> str:
    """Give ``read_your_writes`` in minutes, as the functions are told.

    Raises:
        InvalidPropsError: It is below 1 second or above 1 day.

    """
    check_duration(
        "read_your_writes",
        read_your_writes,
        minimum=timedelta(seconds=1),
        maximum=timedelta(days=1),
        hint="minutes are enough; without a session table nobody looks",
    )
    return f"{read_your_writes.to_minutes(integral=False):g}"
