"""From the stream of an events table to the function that runs its handlers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk.assertions import Template

from constructs_lib import CqrsTable, EventProcessing, EventStoreTable, InvalidPropsError, StreamProcessing
from tests.constructs.conftest import new_app, permissions, stable, warnings_of
from tests.constructs.functions import new_function

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

MAPPING = "AWS::Lambda::EventSourceMapping"


def mapping(stack: cdk.Stack) -> dict[str, Any]:
    (found,) = Template.from_stack(stack).find_resources(MAPPING).values()
    properties: dict[str, Any] = found["Properties"]
    return properties


def processing(stack: cdk.Stack, **props: Any) -> EventProcessing:
    blog = EventStoreTable(stack, "Blog", handlers=True)
    return EventProcessing(stack, "Stream", table=blog, function=new_function(stack), **props)


@pytest.fixture(scope="module")
def plain() -> cdk.Stack:
    stack = cdk.Stack(new_app(), "Test")
    processing(stack)
    return stack


def test_minimal(plain: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    assert stable(plain) == template_snapshot


def test_everything(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    processing(
        stack,
        batch_size=10,
        max_batching_window=cdk.Duration.seconds(5),
        parallelization_factor=10,
        bisect_batch_on_error=False,
        max_record_age=cdk.Duration.hours(1),
        enabled=False,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    assert stable(stack) == template_snapshot
    assert warnings_of(stack) == ["cqrs:destroyableBucket"]


def test_only_commits_reach_the_function(plain: cdk.Stack) -> None:
    (pattern,) = mapping(plain)["FilterCriteria"]["Filters"]
    exists = [{"exists": True}]
    assert json.loads(pattern["Pattern"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"NewImage": {"last": {"N": exists}, "append": {"S": exists}}},
    }


def test_a_record_is_given_up_for_its_age_alone(plain: cdk.Stack) -> None:
    """Parking is the function's to decide: what Lambda gives up is parked nowhere."""
    found = mapping(plain)
    assert "MaximumRetryAttempts" not in found
    assert found["MaximumRecordAgeInSeconds"] == 6 * 3600
    assert found["StartingPosition"] == "TRIM_HORIZON"
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert found["BisectBatchOnFunctionError"] is True
    bucket = found["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]
    assert bucket in Template.from_stack(plain).find_resources("AWS::S3::Bucket")


def test_the_function_may_read_the_stream_and_add_failed_records(plain: cdk.Stack) -> None:
    allowed = permissions(plain)
    (bucket,) = Template.from_stack(plain).find_resources("AWS::S3::Bucket")
    assert allowed == {
        "BlogEvents421E544E": {
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
        },
        f"{bucket}/*": {"s3:PutObject"},
        bucket: {"s3:ListBucket"},
    }


@pytest.mark.parametrize(("factor", "is_exclusive"), [(1, False), (2, True)])
def test_calls_side_by_side_make_handlers_claim_their_turns(
    stack: cdk.Stack, factor: int, *, is_exclusive: bool
) -> None:
    blog = EventStoreTable(stack, "Blog", handlers=True)
    EventProcessing(stack, "Stream", table=blog, function=new_function(stack), parallelization_factor=factor)
    assert blog.module_settings.get("exclusive", False) is is_exclusive


def test_a_module_without_handlers_is_refused(stack: cdk.Stack) -> None:
    blog = EventStoreTable(stack, "Blog")
    with pytest.raises(InvalidPropsError, match="table must have handlers, got Test/Blog without"):
        EventProcessing(stack, "Stream", table=blog, function=new_function(stack))


def test_tables_of_commands_are_refused(stack: cdk.Stack) -> None:
    orders: Any = CqrsTable(stack, "Orders")
    message = "table must be an EventStoreTable, got Test/Orders, a CqrsTable; a StreamProcessing is for it"
    with pytest.raises(InvalidPropsError, match=message):
        EventProcessing(stack, "Stream", table=orders, function=new_function(stack))
    blog: Any = EventStoreTable(stack, "Blog", handlers=True)
    message = "table must be a CqrsTable, got Test/Blog, an EventStoreTable; an EventProcessing is for it"
    with pytest.raises(InvalidPropsError, match=message):
        StreamProcessing(stack, "Commands", table=blog, function=new_function(stack, "Other"))


def test_a_table_without_a_stream_is_refused(stack: cdk.Stack) -> None:
    mine = dynamodb.TableV2.from_table_name(stack, "Mine", "blog-events")
    blog = EventStoreTable(stack, "Blog", handlers=True, events_table=mine)
    with pytest.raises(
        InvalidPropsError, match=r"stream on its events table, got Test/Blog .*\(events_table_stream_arn="
    ):
        EventProcessing(stack, "Stream", table=blog, function=new_function(stack))


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"batch_size": 0}, "batch_size must be from 1 to 10000, got 0"),
        ({"parallelization_factor": 11}, "parallelization_factor must be from 1 to 10, got 11"),
        ({"retry_attempts": 3}, "EventProcessing has no property 'retry_attempts'"),
        ({"max_record_age": cdk.Duration.days(8)}, "max_record_age must be from 1 minute to 7 days"),
    ],
)
def test_refused(stack: cdk.Stack, props: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        processing(stack, **props)
