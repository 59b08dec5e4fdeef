"""From the stream of an events table to the function that runs its handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.errors import InvalidPropsError
from constructs_lib.pipeline.table_stream import TableStream
from constructs_lib.props.strict_props import strict_props
from constructs_lib.props.tokens import is_unresolved
from constructs_lib.tables.event_store_table import EventStoreTable
from constructs_lib.tables.module_tables import check_kind
from runtime import contract

if TYPE_CHECKING:
    from aws_cdk import Duration, RemovalPolicy
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_s3 as s3
    from constructs import Construct

__all__ = ["EventProcessing"]


class EventProcessing(TableStream):
    """An event source mapping that hands what was appended to a function, which runs the event handlers.

    Only commits reach the function, not what the table remembers of commands. A record is tried again until
    it is too old: whether an event is given up is for the function to say, which parks it, and with it its
    aggregate for that handler alone. A record that Lambda gave up first would leave its aggregate behind and
    nobody told. What is too old is kept whole in a bucket, from which it can be sent again.

    Example:
        >>> EventProcessing(self, "BlogEvents", table=blog, function=projector)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        table: The module whose events are handled. It has to be said of it that it has ``handlers``.
        function: Function that handles them: a `CqrsApp` of the runtime. One of your own gets its rights, and
            is told of the module, by ``table.connect(function, rights=["handle"])``; "append" as well, where
            its handlers execute commands.
        batch_size: Most records of one call, from 1 to 10000. Defaults to 100.
        max_batching_window: How long to wait for a fuller batch, up to 5 minutes: what an aggregate has in
            one batch costs one write of its cursor. Defaults to not at all.
        parallelization_factor: Calls at the same time for one shard, from 1 to 10. Above 1 two of them may be
            about one aggregate, so the handlers claim their turns, which costs one write unit for each
            aggregate of a batch. Defaults to 1.
        bisect_batch_on_error: Whether a failing batch is halved to find the record. Defaults to
            True.
        max_record_age: How old a record may get before it is set aside, from 1 minute to
            7 days. Defaults to 6 hours; the stream itself forgets after 24.
        on_failure_bucket: An existing bucket for records that were set aside. Defaults to
            a new private one, whose objects expire after 90 days.
        enabled: Whether the mapping is on; off, events wait in the stream. Defaults to True.
        removal_policy: What happens to the new bucket when it leaves the stack; with DESTROY its
            objects go, too. Defaults to RETAIN.

    Raises:
        InvalidPropsError: The module has no handlers, the events table has no stream, or is read by another
            `EventProcessing`, or a number or duration is outside what Lambda allows.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: EventStoreTable,
        function: lambda_.IFunction,
        batch_size: int = 100,
        max_batching_window: Duration | None = None,
        parallelization_factor: int = 1,
        bisect_batch_on_error: bool = True,
        max_record_age: Duration | None = None,
        on_failure_bucket: s3.IBucket | None = None,
        enabled: bool = True,
        removal_policy: RemovalPolicy | None = None,
    ) -> None:
        check_kind("table", table, EventStoreTable, "StreamProcessing")
        if not table.has_handlers:
            msg = (
                f"table must have handlers, got {table.node.path} without: the function would be told that "
                "there are none; give that EventStoreTable handlers=True"
            )
            raise InvalidPropsError(msg)
        super().__init__(
            scope,
            construct_id,
            module=table,
            table=table.events_table,
            what="events table",
            import_it="EventStoreTable.from_table_names(events_table_stream_arn=...)",
            pattern=contract.EVENT_STREAM_FILTER,
            function=function,
            batch_size=batch_size,
            max_batching_window=max_batching_window,
            parallelization_factor=parallelization_factor,
            bisect_batch_on_error=bisect_batch_on_error,
            retry_attempts=None,
            max_record_age=max_record_age,
            on_failure_bucket=on_failure_bucket,
            enabled=enabled,
            removal_policy=removal_policy,
        )
        if is_unresolved(parallelization_factor) or parallelization_factor > 1:
            table.claim_turns()
