from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from tests.local.streams import Stream
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

REPORT = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}


def test_records_are_retried_from_the_one_that_was_reported(emulator: Emulator) -> None:
    stream = _stream(emulator, "one", "report", "three", MaximumRetryAttempts=1, **REPORT)
    stream.wait_for(bool)
    stream.put("after")
    stream.wait_for(lambda names: "after" in names)

    assert stream.calls() == [["one", "report", "three"], ["report", "three"], ["after"]]


def test_a_batch_is_given_up_after_its_retries_and_the_next_goes_on(emulator: Emulator) -> None:
    stream = _stream(emulator, "raise", MaximumRetryAttempts=2)
    stream.wait_for(bool)
    stream.put("after")
    stream.wait_for(lambda names: "after" in names)

    assert stream.calls() == [["raise"], ["raise"], ["raise"], ["after"]]


def test_splitting_isolates_the_record_that_fails(emulator: Emulator) -> None:
    stream = _stream(
        emulator, "one", "two", "raise", "four", BisectBatchOnFunctionError=True, MaximumRetryAttempts=1
    )
    stream.wait_for_call("four")

    assert stream.calls() == [
        ["one", "two", "raise", "four"],
        ["one", "two"],
        ["raise", "four"],
        ["raise"],
        ["raise"],
        ["four"],
    ]


def test_splitting_isolates_the_record_that_is_reported(emulator: Emulator) -> None:
    stream = _stream(
        emulator, "one", "report", "three", BisectBatchOnFunctionError=True, MaximumRetryAttempts=0, **REPORT
    )
    stream.wait_for_call("three")

    assert stream.calls()[0] == ["one", "report", "three"]
    assert stream.calls()[-2:] == [["report"], ["three"]]


def test_what_is_given_up_goes_to_s3_with_the_whole_record(emulator: Emulator) -> None:
    s3 = emulator.client("s3")
    bucket = f"failed-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    stream = _stream(
        emulator,
        "raise",
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}},
    )

    (key,) = wait_until(
        lambda: [found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    )
    record = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    assert key.startswith(f"aws/lambda/{stream.mapping}/shardId-")
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["DDBStreamBatchInfo"]["batchSize"] == 1
    payload = json.loads(record["payload"])
    assert payload["Records"][0]["dynamodb"]["NewImage"] == {"pk": {"S": "raise"}}


def test_what_grows_too_old_goes_to_sqs_as_a_reference(emulator: Emulator) -> None:
    sqs = emulator.client("sqs")
    name = f"failed-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    stream = _stream(
        emulator,
        "raise",
        MaximumRecordAgeInSeconds=1,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:us-east-1:000000000000:{name}"}},
    )

    (message,) = wait_until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    assert record["DDBStreamBatchInfo"]["streamArn"].endswith(stream.stream_label)
    assert "payload" not in record


def test_a_slow_handler_does_not_hold_up_another_mapping(emulator: Emulator) -> None:
    assert _seconds_beside_a_slow_one(emulator) < 2


def test_a_malformed_answer_fails_the_batch(emulator: Emulator) -> None:
    stream = _stream(emulator, "nonsense", MaximumRetryAttempts=1, **REPORT)
    stream.wait_for(bool)
    stream.put("after")
    stream.wait_for(lambda names: "after" in names)

    assert stream.calls() == [["nonsense"], ["nonsense"], ["after"]]


def test_a_batch_that_is_not_full_waits_for_its_window(emulator: Emulator) -> None:
    assert _seconds_until_delivery(emulator, MaximumBatchingWindowInSeconds=1) >= 0.9


def test_a_batch_that_is_full_does_not_wait_for_its_window(emulator: Emulator) -> None:
    assert _seconds_until_delivery(emulator, MaximumBatchingWindowInSeconds=5, BatchSize=1) < 4


def test_a_deleted_mapping_delivers_no_more(emulator: Emulator) -> None:
    stream = _stream(emulator, "raise")
    stream.wait_for(lambda names: len(names) > 1)
    stream.function.client.delete_event_source_mapping(UUID=stream.mapping)
    # One delivery may be under way; the pause between two of them is 2 s at most.
    wait_until(lambda: stream.age() > 2.5)

    before = len(stream.calls())
    stream.put("after")
    assert len(stream.calls()) == before


def test_gap_stock_loses_the_records_that_are_reported(stock: Emulator) -> None:
    stream = _stream(stock, "one", "report", "three", MaximumRetryAttempts=1, **REPORT)
    stream.wait_for(bool)
    stream.put("after")
    stream.wait_for(lambda names: "after" in names)

    assert stream.calls() == [["one", "report", "three"], ["after"]]


def test_gap_stock_retries_beyond_the_limit(stock: Emulator) -> None:
    stream = _stream(stock, "raise", MaximumRetryAttempts=0)

    stream.wait_for(lambda names: len(names) > 1)
    stream.function.client.delete_event_source_mapping(UUID=stream.mapping)


def test_gap_stock_splits_nothing(stock: Emulator) -> None:
    stream = _stream(stock, "one", "raise", BisectBatchOnFunctionError=True, MaximumRetryAttempts=0)
    stream.wait_for(lambda names: len(names) > 2)
    stream.function.client.delete_event_source_mapping(UUID=stream.mapping)

    assert stream.calls()[:2] == [["one", "raise"], ["one", "raise"]]


def test_gap_stock_holds_up_a_mapping_beside_a_slow_one(stock: Emulator) -> None:
    assert _seconds_beside_a_slow_one(stock) > 2


def _stream(emulator: Emulator, *names: str, **mapping: Any) -> Stream:
    """A stream that has records before its mapping is made: they are one batch."""
    stream = Stream(emulator, **mapping)
    stream.put(*names)
    stream.connect()
    return stream


def _seconds_beside_a_slow_one(emulator: Emulator) -> float:
    slow = _stream(emulator, "slow")
    slow.wait_for(lambda names: names == ["slow"])
    quick = _stream(emulator, "quick")
    quick.wait_for(lambda names: names == ["quick"])
    return slow.age()


def _seconds_until_delivery(emulator: Emulator, **mapping: Any) -> float:
    """From a put to its call, on a mapping that has delivered before."""
    stream = _stream(emulator, "warm", **mapping)
    stream.wait_for_call("warm")
    started = time.monotonic()
    stream.put("one")
    stream.wait_for_call("one")
    return time.monotonic() - started
