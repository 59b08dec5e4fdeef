"""From the stream of a command table to the function that processes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import jsii
from aws_cdk import Duration, Names, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.function_elsewhere import WHERE_IT_RUNS, as_used_in
from constructs_lib.functions.mapping_rights import give_before
from constructs_lib.functions.reserved_concurrency import note_stream
from constructs_lib.pipeline.failed_records import FailedRecords
from constructs_lib.props.acknowledge import acknowledge_wildcard
from constructs_lib.props.checks import check_duration, check_range, refuse_props_of_brought
from constructs_lib.props.environments import check_environment
from constructs_lib.props.grants import allow_key
from constructs_lib.props.strict_props import strict_props
from constructs_lib.tables.brought_table import check_stream
from runtime import contract

if TYPE_CHECKING:
    from constructs_lib.tables.cqrs_table import CqrsTable

__all__ = ["StreamProcessing"]

_LONGEST_WINDOW: Final = Duration.minutes(5)
_LONGEST_AGE: Final = Duration.days(7)


class StreamProcessing(Construct):
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
        InvalidPropsError: The command table has no stream, or a number or duration is
            outside what Lambda allows.

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
        super().__init__(scope, construct_id)
        max_record_age = max_record_age or Duration.hours(6)
        _check_limits(batch_size, parallelization_factor, retry_attempts)
        check_duration(
            "max_batching_window",
            max_batching_window,
            minimum=Duration.seconds(0),
            maximum=_LONGEST_WINDOW,
            hint="leave it out not to wait",
        )
        check_duration(
            "max_record_age",
            max_record_age,
            minimum=Duration.minutes(1),
            maximum=_LONGEST_AGE,
            hint="the stream itself forgets after 24 hours",
        )
        if on_failure_bucket is not None:
            refuse_props_of_brought("on_failure_bucket", removal_policy=removal_policy)
        check_stream(table.command_table)
        stream_arn = table.command_table.table_stream_arn
        if stream_arn is None:
            msg = (
                f"table must have a stream on its command table, got {table.node.path} without one; "
                "import it with its stream, CqrsTable.from_table_names(command_table_stream_arn=...), "
                "which must tell new images"
            )
            raise InvalidPropsError(msg)
        self.on_failure_bucket: s3.IBucket = (
            on_failure_bucket
            or FailedRecords(
                self,
                "FailedRecords",
                auto_delete_objects=removal_policy is RemovalPolicy.DESTROY,
                removal_policy=removal_policy,
            ).bucket
        )
        check_environment("function", function, self, hint=WHERE_IT_RUNS)
        check_environment("table", table.command_table, self)
        check_environment("on_failure_bucket", self.on_failure_bucket, function, account_may_differ=True)
        self.module_name = table.module_name
        beside_function = _is_nested_in(Stack.of(self), Stack.of(function))
        used = function if beside_function else as_used_in(self, "Function", "function", function)
        self.function = used
        rights = [table.command_table.grant_stream_read(used)]
        note_stream(function, parallelization_factor)
        self.event_source_mapping = lambda_.EventSourceMapping(
            # A nested stack that needs a function whose role needs a table of the nested stack: a circle.
            cast("Construct", function) if beside_function else self,
            Names.unique_resource_name(self) if beside_function else "Mapping",
            target=used,
            event_source_arn=stream_arn,
            # LATEST would miss what is written while the mapping is being made.
            starting_position=lambda_.StartingPosition.TRIM_HORIZON,
            filters=[lambda_.FilterCriteria.filter(contract.STREAM_FILTER)],
            batch_size=batch_size,
            max_batching_window=max_batching_window,
            parallelization_factor=parallelization_factor,
            bisect_batch_on_error=bisect_batch_on_error,
            report_batch_item_failures=True,
            retry_attempts=retry_attempts,
            max_record_age=max_record_age,
            on_failure=_KeepWholeRecord(self.on_failure_bucket, rights),
            support_s3_on_failure_destination=True,
            metrics_config=lambda_.MetricsConfig(metrics=[lambda_.MetricType.EVENT_COUNT]),
            enabled=enabled,
        )
        give_before(self.event_source_mapping, used, rights)

    def metric_iterator_age(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Age of the last record of a batch when it is done, in milliseconds, at most over ``period``.

        Lambda tells it by function: of all streams that this one's function reads.

        Args:
            period: Length of a period. Defaults to 5 minutes.

        """
        return self.function.metric("IteratorAge", statistic="Maximum", period=period)

    def metric_set_aside(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Records that were given up and are in the bucket, summed over ``period`` (5 minutes)."""
        return self._metric("OnFailureDestinationDeliveredEventCount", period)

    def metric_dropped(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Records that were given up and did not reach the bucket, summed over ``period`` (5 minutes)."""
        return self._metric("DroppedEventCount", period)

    def _metric(self, name: str, period: Duration | None) -> cloudwatch.IMetric:
        return cloudwatch.Metric(
            namespace="AWS/Lambda",
            metric_name=name,
            dimensions_map={"EventSourceMappingUUID": self.event_source_mapping.event_source_mapping_id},
            statistic="Sum",
            period=period,
        )


def _is_nested_in(stack: Stack, other: Stack) -> bool:
    """Whether ``other`` nests ``stack``, at any depth."""
    parent = stack.nested_stack_parent
    return parent is not None and (parent is other or _is_nested_in(parent, other))


@jsii.implements(lambda_.IEventSourceDlq)
class _KeepWholeRecord:
    """A bucket as the destination of failed batches: a queue or topic would get only a pointer.

    CDK's own destination lets the function read, delete and tag every object too. What this one
    grants is added to ``rights``.
    """

    def __init__(self, bucket: s3.IBucket, rights: list[iam.Grant]) -> None:
        self._bucket = bucket
        self._rights = rights

    def bind(
        self,
        target: lambda_.IEventSourceMapping,  # noqa: ARG002 - jsii asks for these names
        target_handler: lambda_.IFunction,
    ) -> lambda_.DlqDestinationConfig:
        objects = self._bucket.arn_for_objects("*")

        def allow(action: str, resource: str) -> iam.Grant:
            return iam.Grant.add_to_principal(
                grantee=target_handler, actions=[action], resource_arns=[resource]
            )

        self._rights += [
            allow("s3:PutObject", objects),
            allow("s3:ListBucket", self._bucket.bucket_arn),
            *allow_key(target_handler, self._bucket.encryption_key, "kms:GenerateDataKey"),
        ]
        acknowledge_wildcard(target_handler, objects, "Lambda makes the names of the records' objects")
        return lambda_.DlqDestinationConfig(destination=self._bucket.bucket_arn)


def _check_limits(batch_size: int, parallelization_factor: int, retry_attempts: int) -> None:
    check_range("batch_size", batch_size, minimum=1, maximum=10_000, hint="100 is a good default")
    check_range(
        "parallelization_factor",
        parallelization_factor,
        minimum=1,
        maximum=10,
        hint="order is kept per item at any factor",
    )
    check_range(
        "retry_attempts", retry_attempts, minimum=0, maximum=10_000, hint="without a limit one record blocks"
    )
