"""What a function's answer says about a batch of stream records."""

from __future__ import annotations

import time
from typing import Any

__all__ = ["first_failure", "records_expired"]


def first_failure(esm: dict[str, Any], batch: list[dict[str, Any]], result: dict[str, Any]) -> int | None:
    """The index of the first record to retry; `None` where the whole batch is done."""
    if result.get("error"):
        return 0
    if "ReportBatchItemFailures" not in (esm.get("FunctionResponseTypes") or []):
        return None
    answer = result.get("body")
    if answer is None:
        return None
    if not isinstance(answer, dict):
        return 0
    failures = answer.get("batchItemFailures")
    if not failures:
        return None
    positions = {record["dynamodb"]["SequenceNumber"]: index for index, record in enumerate(batch)}
    named = [failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures]
    # An identifier that is empty, or that the batch does not hold, fails all of it.
    return min(positions.get(name, 0) for name in named)


def records_expired(
    batch: list[dict[str, Any]],
    longest: int,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Split off the records at the front that are older than so many seconds; -1 is without limit."""
    if longest < 0:
        return [], batch
    oldest = time.time() - longest
    count = 0
    while count < len(batch) and batch[count]["dynamodb"]["ApproximateCreationDateTime"] < oldest:
        count += 1
    return batch[:count], batch[count:]
