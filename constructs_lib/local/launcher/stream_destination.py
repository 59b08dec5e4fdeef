"""Where a stream mapping sends the batches that it gives up.

AWS sends a JSON document about the failed invocation to SQS and SNS. To S3 it sends the
same with the whole event in `payload`, as a JSON string, in an object named
`aws/lambda/<mapping id>/<shard id>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<random UUID>`
(https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html).
"""

from __future__ import annotations

import json
import os
import time
import uuid
from functools import cache
from typing import Any

import boto3

__all__ = ["send_failure"]

#: The emulator's streams have one shard each, and it gives it this name.
_SHARD = "shardId-00000000000000000000-00000000"


def send_failure(
    esm: dict[str, Any],
    batch: list[dict[str, Any]],
    result: dict[str, Any],
    attempts: int,
    condition: str,
) -> None:
    """Send a batch to the mapping's on-failure destination, where it has one."""
    target = ((esm.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    if not target:
        return
    record = _record(esm, batch, result, attempts, condition)
    # The emulator's own API, as anyone would call it: its notifications and subscriptions follow.
    _, _, service, _, account, resource = target.split(":", 5)
    if service == "s3":
        record["payload"] = json.dumps({"Records": batch})
        _client("s3").put_object(Bucket=resource, Key=_object_key(esm["UUID"]), Body=json.dumps(record))
    elif service == "sqs":
        url = _client("sqs").get_queue_url(QueueName=resource, QueueOwnerAWSAccountId=account)["QueueUrl"]
        _client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(record))
    elif service == "sns":
        _client("sns").publish(TopicArn=target, Message=json.dumps(record))


def _record(
    esm: dict[str, Any],
    batch: list[dict[str, Any]],
    result: dict[str, Any],
    attempts: int,
    condition: str,
) -> dict[str, Any]:
    first, last = batch[0]["dynamodb"], batch[-1]["dynamodb"]
    now = time.time()
    return {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": esm["FunctionArn"],
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled" if result.get("error") else None,
        },
        "version": "1.0",
        "timestamp": f"{_iso(now)[:-1]}.{int(now * 1000) % 1000:03d}Z",
        "DDBStreamBatchInfo": {
            "shardId": _SHARD,
            "startSequenceNumber": first["SequenceNumber"],
            "endSequenceNumber": last["SequenceNumber"],
            "approximateArrivalOfFirstRecord": _iso(first["ApproximateCreationDateTime"]),
            "approximateArrivalOfLastRecord": _iso(last["ApproximateCreationDateTime"]),
            "batchSize": len(batch),
            "streamArn": esm["EventSourceArn"],
        },
    }


def _object_key(mapping: str) -> str:
    now = time.gmtime()
    day, moment = time.strftime("%Y/%m/%d", now), time.strftime("%Y-%m-%dT%H.%M.%S", now)
    return f"aws/lambda/{mapping}/{_SHARD}/{day}/{moment}-{uuid.uuid4()}"


def _iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


@cache
def _client(service: str) -> Any:
    make: Any = boto3.client
    return make(
        service,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        region_name=os.environ["MINISTACK_REGION"],
    )
