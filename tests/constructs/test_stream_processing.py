from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template

from constructs_lib import CqrsTable, InvalidPropsError, StreamProcessing
from tests.constructs.conftest import permissions, stable, warnings_of
from tests.constructs.functions import imported_function, new_function

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

MAPPING = "AWS::Lambda::EventSourceMapping"


def mapping(stack: cdk.Stack) -> dict[str, Any]:
    (found,) = Template.from_stack(stack).find_resources(MAPPING).values()
    properties: dict[str, Any] = found["Properties"]
    return properties


def processing(stack: cdk.Stack, **props: Any) -> StreamProcessing:
    return StreamProcessing(
        stack, "Stream", table=CqrsTable(stack, "Orders"), function=new_function(stack), **props
    )


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    processing(stack)
    assert stable(stack) == template_snapshot


def test_everything(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    processing(
        stack,
        batch_size=10,
        max_batching_window=cdk.Duration.seconds(5),
        parallelization_factor=10,
        bisect_batch_on_error=False,
        retry_attempts=3,
        max_record_age=cdk.Duration.hours(1),
        enabled=False,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    assert stable(stack) == template_snapshot
    assert warnings_of(stack) == ["cqrs:destroyableBucket"]


def test_the_filter_matches_on_the_leaf(stack: cdk.Stack) -> None:
    processing(stack)
    (pattern,) = mapping(stack)["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"NewImage": {"syncMode": {"S": [{"exists": False}]}}},
    }


def test_one_bad_record_neither_blocks_the_shard_nor_is_lost(stack: cdk.Stack) -> None:
    processing(stack)
    found = mapping(stack)
    assert found["StartingPosition"] == "TRIM_HORIZON"
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert found["BisectBatchOnFunctionError"] is True
    assert found["MaximumRetryAttempts"] == 10
    assert found["MaximumRecordAgeInSeconds"] == 6 * 3600
    destination = found["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]
    Template.from_stack(stack).has_resource(
        "AWS::S3::Bucket", {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    )
    assert destination in Template.from_stack(stack).find_resources("AWS::S3::Bucket")


def test_the_function_may_read_the_stream_and_add_failed_records(stack: cdk.Stack) -> None:
    processing(stack)
    allowed = {name.replace("8AD7E", ""): actions for name, actions in permissions(stack).items()}
    bucket = next(iter(Template.from_stack(stack).find_resources("AWS::S3::Bucket"))).replace("8AD7E", "")
    assert allowed == {
        "OrdersCommandDBD8CAB4": {
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
        },
        f"{bucket}/*": {"s3:PutObject"},
        bucket: {"s3:ListBucket"},
    }


def test_a_bucket_with_its_own_key_can_be_written(stack: cdk.Stack) -> None:
    bucket = s3.Bucket(stack, "Mine", encryption_key=kms.Key(stack, "Key"))
    processing(stack, on_failure_bucket=bucket)
    Template.from_stack(stack).resource_count_is("AWS::S3::Bucket", 1)
    assert {"kms:GenerateDataKey"} in permissions(stack).values()


def test_a_table_without_a_stream_is_refused(stack: cdk.Stack) -> None:
    brought = dynamodb.TableV2.from_table_name(stack, "Brought", "orders-command")
    table = CqrsTable(stack, "Orders", command_table=brought)
    with pytest.raises(InvalidPropsError, match="must have a stream on its command table, got Test/Orders"):
        StreamProcessing(stack, "Stream", table=table, function=new_function(stack))


def test_several_tables_feed_one_function(stack: cdk.Stack) -> None:
    function = imported_function(stack, "stream")
    for name in ("Orders", "Invoices"):
        StreamProcessing(stack, f"{name}Stream", table=CqrsTable(stack, name), function=function)
    Template.from_stack(stack).resource_count_is(MAPPING, 2)
    Template.from_stack(stack).all_resources_properties(
        MAPPING, {"FunctionName": "stream", "EventSourceArn": Match.any_value()}
    )


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"batch_size": 0}, "batch_size must be from 1 to 10000, got 0"),
        ({"parallelization_factor": 11}, "parallelization_factor must be from 1 to 10, got 11"),
        ({"retry_attempts": -1}, "retry_attempts must be from 0 to 10000, got -1"),
        (
            {"max_record_age": cdk.Duration.days(8)},
            "max_record_age must be from 1 minute to 7 days, got 8 days",
        ),
        ({"max_batching_window": cdk.Duration.minutes(6)}, "max_batching_window must be from"),
    ],
)
def test_limits_of_lambda_are_refused_at_synthesis(
    stack: cdk.Stack, props: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        processing(stack, **props)


def test_a_removal_policy_for_a_brought_bucket_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match=r"removal_policy has no effect .* got DESTROY"):
        processing(
            stack,
            on_failure_bucket=s3.Bucket(stack, "Mine"),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
