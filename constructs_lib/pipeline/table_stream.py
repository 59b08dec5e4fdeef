"""From the stream of a module's table to the function that works on its records."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

import jsii
from aws_cdk import Duration, Names, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.function_elsewhere import WHERE_IT_RUNS, as_used_in
from constructs_lib.functions.mapping_rights import give_before
from constructs_lib.functions.reserved_concurrency import note_stream
from constructs_lib.pipeline.failed_records import FailedRecords
from constructs_lib.props.acknowledge import acknowledge_wildcard
from constructs_lib.props.checks import check_duration, check_range, refuse_props_of_brought
from constructs_lib.props.environments import check_environment, stack_of
from constructs_lib.props.grants import allow_key
from constructs_lib.tables.brought_table import check_stream
from constructs_lib.tables.used_tables import other_user

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_s3 as s3

    from constructs_lib.tables.module_tables import ModuleTables

__all__ = ["TableStream"]

_LONGEST_WINDOW: Final = timedelta(minutes=5)
_LONGEST_AGE: Final = timedelta(days=7)


class TableStream(Construct):
    """An event source mapping from a module's table.

    `StreamProcessing` and `EventProcessing` are the two kinds; for what is not said here see these.

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        module: The module.
        table: The one of its tables whose stream it is.
        what: That table in words, such as "command table".
        import_it: How to import the module with the table's stream, for the error.
        pattern: Which records reach the function.
        function: See above, as for the following ones.
        batch_size: See above.
        max_batching_window: See above.
        parallelization_factor: See above.
        bisect_batch_on_error: See above.
        retry_attempts: See above. None: until the record is too old.
        max_record_age: See above.
        on_failure_bucket: See above.
        enabled: See above.
        removal_policy: See above.

    Raises:
        InvalidPropsError: The table has no stream, or another reader, or a number or duration is outside
            what Lambda allows.

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        module: ModuleTables,
        table: dynamodb.ITableV2,
        what: str,
        import_it: str,
        pattern: Mapping[str, Any],
        function: lambda_.IFunction,
        batch_size: int,
        max_batching_window: Duration | None,
        parallelization_factor: int,
        bisect_batch_on_error: bool,
        retry_attempts: int | None,
        max_record_age: Duration | None,
        on_failure_bucket: s3.IBucket | None,
        enabled: bool,
        removal_policy: RemovalPolicy | None,
    ) -> None:
        super().__init__(scope, construct_id)
        max_record_age = max_record_age or Duration.hours(6)
        _check_limits(batch_size, parallelization_factor, retry_attempts)
        check_duration(
            "max_batching_window",
            max_batching_window,
            minimum=timedelta(seconds=0),
            maximum=_LONGEST_WINDOW,
            hint="leave it out not to wait",
        )
        check_duration(
            "max_record_age",
            max_record_age,
            minimum=timedelta(minutes=1),
            maximum=_LONGEST_AGE,
            hint="the stream itself forgets after 24 hours",
        )
        if on_failure_bucket is not None:
            refuse_props_of_brought("on_failure_bucket", removal_policy=removal_policy)
        check_stream(table, what)
        stream_arn = table.table_stream_arn
        if stream_arn is None:
            msg = (
                f"table must have a stream on its {what}, got {module.node.path} without one; "
                f"import it with its stream, {import_it}, which must tell new images"
            )
            raise InvalidPropsError(msg)
        if enabled is not False and (other := other_user(table, "stream", self)) is not None:
            msg = (
                f"table must be read by one {type(self).__name__}, got {self.node.path} for the {what} of "
                f"{module.node.path}, whose stream {other.node.path} reads already: what it says would be "
                "done twice; leave this one out, and have one function do all of it, or give "
                "enabled=False while another function takes over"
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
        check_environment("table", table, self)
        check_environment("on_failure_bucket", self.on_failure_bucket, function, account_may_differ=True)
        self.module_name = module.module_name
        beside_function = _is_nested_in(stack_of(self), stack_of(function))
        used = function if beside_function else as_used_in(self, "Function", "function", function)
        self.function = used
        rights = [table.grant_stream_read(used)]
        note_stream(function, parallelization_factor)
        self.event_source_mapping = lambda_.EventSourceMapping(
            # A nested stack that needs a function whose role needs a table of the nested stack: a circle.
            cast("Construct", function) if beside_function else self,
            Names.unique_resource_name(self) if beside_function else "Mapping",
            target=used,
            event_source_arn=stream_arn,
            # LATEST would miss what is written while the mapping is being made.
            starting_position=lambda_.StartingPosition.TRIM_HORIZON,
            filters=[lambda_.FilterCriteria.filter(dict(pattern))],
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


def _check_limits(batch_size: int, parallelization_factor: int, retry_attempts: int | None) -> None:
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
