"""What Lambda delivers, a trigger: where it comes from, by its shape."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import UnknownTriggerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["TriggerSource", "name_in_arn", "source_arn", "source_of"]


class TriggerSource(Enum):
    """Where a trigger comes from."""

    HTTP = auto()
    DYNAMODB_STREAM = auto()
    STEP_FUNCTIONS = auto()
    SQS = auto()
    SNS = auto()
    S3 = auto()
    EVENTBRIDGE = auto()
    KINESIS = auto()
    OPERATOR = auto()
    INVOCATION = auto()


_RECORD_SOURCES = {
    "aws:dynamodb": TriggerSource.DYNAMODB_STREAM,
    "aws:sqs": TriggerSource.SQS,
    "aws:sns": TriggerSource.SNS,
    "aws:s3": TriggerSource.S3,
    "aws:kinesis": TriggerSource.KINESIS,
}
_STATE_MACHINE_CONTEXT = {"Execution", "State", "StateMachine"}
_EVENTBRIDGE_FIELDS = {"source", "detail-type", "detail"}


def source_of(event: Any) -> TriggerSource:  # noqa: ANN401 - any payload; one return a source
    """Source of what Lambda delivers. What has the shape of no source is a plain invocation.

    Raises:
        UnknownTriggerError: It is an HTTP request of a kind that the runtime does not serve.
    """
    if not isinstance(event, dict):
        return TriggerSource.INVOCATION
    records = event.get("Records")
    if records:
        return _source_of_records(records) or TriggerSource.INVOCATION
    sender = _other_http_sender(event)
    if sender is not None:
        msg = (
            f"requests of {sender} are not served; send them through an HTTP API (payload format 2.0) "
            "or the URL of the function"
        )
        raise UnknownTriggerError(msg)
    return next((source for source, fits in _SHAPES.items() if fits(event)), TriggerSource.INVOCATION)


def source_arn(record: Mapping[str, Any]) -> str:
    """ARN of the queue, topic, bucket or stream that a record comes from; empty without one."""
    arn = (
        record.get("eventSourceARN")
        or record.get("Sns", {}).get("TopicArn")
        or record.get("s3", {}).get("bucket", {}).get("arn")
    )
    return str(arn or "")


def name_in_arn(arn: str) -> str:
    """Name of the resource in an ARN of a queue, topic, bucket, state machine, table or stream.

    >>> name_in_arn("arn:aws:kinesis:eu-west-1:123456789012:stream/clicks")
    'clicks'
    """
    resource = arn.split(":", 5)[-1]
    # `stateMachine:name` and `stream/name` have their kind in front; tables have more behind.
    kind, separator, name = resource.replace(":", "/", 1).partition("/")
    return name.split("/")[0] if separator else kind


def _source_of_records(records: object) -> TriggerSource | None:
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        return None
    first: dict[str, Any] = records[0]
    return _RECORD_SOURCES.get(first.get("eventSource") or first.get("EventSource", ""))


def _other_http_sender(event: Mapping[str, Any]) -> str | None:
    """Who sends HTTP requests of this shape, which is none that the runtime serves."""
    context = _names(event.get("requestContext"))
    if "serviceNetworkArn" in context or {"raw_path", "method"} <= set(event):
        return "VPC Lattice"
    if "elb" in context:
        return "an Application Load Balancer"
    if "connectionId" in context:
        return "a WebSocket API"
    if "httpMethod" in event:
        return "a REST API, or an HTTP API with payload format 1.0,"
    return None


def _is_http(event: Mapping[str, Any]) -> bool:
    is_request = "rawPath" in event or "http" in _names(event.get("requestContext"))
    return event.get("version") == "2.0" and is_request


def _names(found: object) -> set[str]:
    return set(found) if isinstance(found, dict) else set()


#: What has no records, by the first shape that fits.
_SHAPES: Final[dict[TriggerSource, Callable[[Mapping[str, Any]], bool]]] = {
    TriggerSource.HTTP: _is_http,
    TriggerSource.STEP_FUNCTIONS: lambda event: _names(event.get("context")) >= _STATE_MACHINE_CONTEXT,
    TriggerSource.EVENTBRIDGE: lambda event: set(event) >= _EVENTBRIDGE_FIELDS,
    TriggerSource.OPERATOR: lambda event: isinstance(event.get("operation"), str),
}
