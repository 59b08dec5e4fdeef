"""From the stream of a command table to the function that processes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.pipeline.table_stream import TableStream
from constructs_lib.props.strict_props import strict_props
from constructs_lib.tables.cqrs_table import CqrsTable
from constructs_lib.tables.module_tables import check_kind
from runtime import contract

if TYPE_CHECKING:
    from aws_cdk import Duration, RemovalPolicy
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_s3 as s3
    from constructs import Construct

__all__ = ["StreamProcessing"]


class StreamProcessing(TableStream):
    """An event source mapping that hands new asynchronous commands to a function.

    Only inserts without ``syncMode`` reach the function. A record that keeps failing does
    not block the ones behind it for ever: a batch is halved to find it, tries and age are
    bounded, and the whole record is kept in a bucket, from which it can be sent again.

    Example:
        >>> StreamProcessing(self, "OrderStream", table=orders, function=stream_function)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        table: The module whose commands are processed.
        function: Function that processes them: a `CqrsApp` of the runtime.
        batch_size: Most records of one call, from 1 to 10000. Defaults to 100.
        max_batching_window: How long to wait for a fuller batch, up to 5 minutes.
            Defaults to not at all.
        parallelization_factor: Calls at the same time for one shard, from 1 to 10. Defaults to
            1.
        bisect_batch_on_error: Whether a failing batch is halved to find the record. Defaults to
            True.
        retry_attempts: How often a failing batch is tried again, from 0 to 10000. Defaults to
            10.
        max_record_age: How old a record may get before it is set aside, from 1 minute to
            7 days. Defaults to 6 hours; the stream itself forgets after 24.
        on_failure_bucket: An existing bucket for records that were set aside. Defaults to
            a new private one, whose objects expire after 90 days.
        enabled: Whether the mapping is on; off, commands wait in the stream. Defaults to True.
        removal_policy: What happens to the new bucket when it leaves the stack; with DESTROY its
            objects go, too. Defaults to RETAIN.

    Raises:
        InvalidPropsError: The command table has no stream, or is read by another `StreamProcessing`, or
            a number or duration is outside what Lambda allows.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: CqrsTable,
        function: lambda_.IFunction,
        batch_size: int = 100,
        max_batching_window: Duration | None = None,
        parallelization_factor: int = 1,
        bisect_batch_on_error: bool = True,
        retry_attempts: int = 10,
        max_record_age: Duration | None = None,
        on_failure_bucket: s3.IBucket | None = None,
        enabled: bool = True,
        removal_policy: RemovalPolicy | None = None,
    ) -> None:
        check_kind("table", table, CqrsTable, "EventProcessing")
        super().__init__(
            scope,
            construct_id,
            module=table,
            table=table.command_table,
            what="command table",
            import_it="CqrsTable.from_table_names(command_table_stream_arn=...)",
            pattern=contract.STREAM_FILTER,
            function=function,
            batch_size=batch_size,
            max_batching_window=max_batching_window,
            parallelization_factor=parallelization_factor,
            bisect_batch_on_error=bisect_batch_on_error,
            retry_attempts=retry_attempts,
            max_record_age=max_record_age,
            on_failure_bucket=on_failure_bucket,
            enabled=enabled,
            removal_policy=removal_policy,
        )
