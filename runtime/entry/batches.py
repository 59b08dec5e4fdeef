"""Working through a batch of records: what failed comes again, and nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.entry.trigger import source_arn
from runtime.log import error_fields, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Record = dict[str, Any]

__all__ = ["batch_response", "process_in_order", "process_messages"]


def process_messages(records: Sequence[Record], handle: Callable[[Record], object]) -> list[str]:
    """Handle the messages of a queue, each for itself; the ids of those that failed.

    In a FIFO queue a failure also fails the later messages of its group, unhandled, so that
    they stay behind it.
    """
    failed: list[str] = []
    stopped: set[tuple[str, str]] = set()
    for record in records:
        group = record.get("attributes", {}).get("MessageGroupId")
        # A standard queue may have groups as well, but they promise no order.
        place = (source_arn(record), str(group)) if group and source_arn(record).endswith(".fifo") else None
        if place in stopped or not _succeeds(record, handle):
            failed.append(record["messageId"])
            if place:
                stopped.add(place)
    return failed


def process_in_order(records: Sequence[Record], handle: Callable[[Record], object]) -> list[str]:
    """Handle the records of a shard up to the first that fails; its sequence number.

    Lambda delivers that record and all that follow it again, so these are left alone.
    """
    for record in records:
        if not _succeeds(record, handle):
            return [_sequence_number(record)]
    return []


def batch_response(failed: Sequence[str]) -> dict[str, Any]:
    """The partial batch response that reports ``failed``."""
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}


def _succeeds(record: Record, handle: Callable[[Record], object]) -> bool:
    try:
        handle(record)
    except Exception as error:  # noqa: BLE001 - one bad record must not hold up the others
        # Only its kind: the text may quote the message.
        logger.error("record not handled", event_source=source_arn(record), **error_fields(error))
        return False
    return True


def _sequence_number(record: Record) -> str:
    place = record.get("kinesis") or record["dynamodb"]
    return str(place.get("sequenceNumber") or place["SequenceNumber"])
