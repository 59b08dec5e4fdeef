"""DynamoDB stream mappings: partial failures, retries, ages, splits, and who waits for whom.

AWS (https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html and
services-ddb-batchfailurereporting.html): each mapping is polled by itself. A batch that
fails is retried until `MaximumRetryAttempts` or `MaximumRecordAgeInSeconds` is reached, and
then goes to the on-failure destination. `BisectBatchOnFunctionError` splits it in two
before it is retried, which does not count as an attempt. With `ReportBatchItemFailures`
the lowest sequence number that the function returns is the checkpoint from which on
records are retried; a malformed answer fails the whole batch.

Stock reads all mappings in one thread, so that a slow handler holds up the others. It
takes any answer for success, which loses the records that the function reported, and
retries a batch that fails for ever.

What AWS does not document is chosen here: progress of the checkpoint does not reset the
count of attempts, and a batch whose first record is reported is split where splitting is
on. `ParallelizationFactor` is one.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any

from ministack.services import dynamodb, lambda_svc

from ..patching import replace
from ..stream_batch import first_failure, records_expired
from ..stream_destination import send_failure

__all__ = ["apply"]

_IDLE_SECONDS = 1.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0

_log = logging.getLogger("stream_mapping")
_mappings: dict[str, _Mapping] = {}


def apply() -> None:
    """Give each mapping a thread, and let the emulator's own loop only wake them."""
    replace(
        lambda_svc,
        "_poll_dynamodb_streams",
        _wake_all,
        holding=("result = _execute_function(func_rec, event)", "_esm_backoff_until[esm_id]"),
    )


def _wake_all() -> bool:
    for account, region, esm in lambda_svc._iter_all_esms():
        source = esm.get("EventSourceArn", "")
        if ":dynamodb:" not in source or "/stream/" not in source:
            continue
        mapping = _mappings.get(esm["UUID"])
        if mapping is None or not mapping.is_alive():
            mapping = _mappings[esm["UUID"]] = _Mapping(account, region, esm["UUID"])
            mapping.start()
        mapping.wake.set()
    return False


class _Mapping(threading.Thread):
    """One event source mapping; it ends when the mapping is deleted."""

    def __init__(self, account: str, region: str, mapping_id: str) -> None:
        super().__init__(daemon=True, name=f"stream-{mapping_id}")
        self.wake = threading.Event()
        self._scope = (account, region)
        self._id = mapping_id

    def run(self) -> None:
        """Deliver what the stream holds, then sleep until there is more."""
        # These say which account's tables and functions the calls below see.
        lambda_svc._request_account_id.set(self._scope[0])
        lambda_svc._request_region.set(self._scope[1])
        while (esm := self._esm()) is not None:
            try:
                if self._deliver_next(esm):
                    continue
            except Exception:  # noqa: BLE001 - the mapping outlives a fault of ours
                _log.exception("mapping %s", self._id)
            self.wake.wait(_IDLE_SECONDS)
            self.wake.clear()
        _mappings.pop(self._id, None)

    def _esm(self) -> dict[str, Any] | None:
        esm: dict[str, Any] | None = lambda_svc._esms.get(self._id)
        return esm

    def _deliver_next(self, esm: dict[str, Any]) -> bool:
        """Take one batch to its end. False where there is nothing to do."""
        table = esm["EventSourceArn"].split("/stream/")[0].rsplit("/", 1)[-1]
        if not esm.get("Enabled", True) or self._stream_of(table) != esm["EventSourceArn"]:
            return False
        if self._id not in lambda_svc._dynamodb_stream_positions:
            lambda_svc._init_stream_position(self._id, esm["EventSourceArn"], esm.get("StartingPosition"))
        start = max(lambda_svc._dynamodb_stream_positions[self._id], dynamodb.stream_start_position(table))
        records = self._collect(esm, table, start)
        if not records:
            return False
        self._deliver(lambda_svc._apply_filter_criteria(records, esm), attempts=0)
        if self._esm() is not None:
            with lambda_svc._dynamodb_stream_positions_lock:
                lambda_svc._dynamodb_stream_positions[self._id] = start + len(records)
        return True

    def _stream_of(self, table: str) -> str | None:
        return (dynamodb._tables.get(table) or {}).get("LatestStreamArn")

    def _collect(self, esm: dict[str, Any], table: str, start: int) -> list[dict[str, Any]]:
        """The next records; with a batching window, what comes until it closes or the batch is full."""
        size = int(esm.get("BatchSize", 100))
        records: list[dict[str, Any]] = list(dynamodb.stream_records_since(table, start, size))
        closes = time.monotonic() + float(esm.get("MaximumBatchingWindowInSeconds") or 0)
        while 0 < len(records) < size and (left := closes - time.monotonic()) > 0:
            self.wake.clear()
            self.wake.wait(min(left, _IDLE_SECONDS))
            records = list(dynamodb.stream_records_since(table, start, size))
        return records

    def _deliver(self, batch: list[dict[str, Any]], attempts: int) -> None:
        """Call the function until the batch is done, split, or discarded."""
        result: dict[str, Any] = {}
        while batch and (esm := self._esm()) is not None:
            expired, batch = records_expired(batch, int(esm.get("MaximumRecordAgeInSeconds") or -1))
            if expired:
                self._discard(esm, expired, result, attempts, "RecordAgeExceeded")
                continue
            function, _ = lambda_svc._get_func_record_for_qualifier(esm["FunctionName"], esm.get("Qualifier"))
            if function is None:
                return
            # A copy: what the emulator keeps is not the function's to change.
            result = lambda_svc._execute_function(function, {"Records": json.loads(json.dumps(batch))})
            if result.get("throttle"):
                time.sleep(_LONGEST_PAUSE)
                continue
            failed = first_failure(esm, batch, result)
            if failed is None:
                esm["LastProcessingResult"] = "OK"
                return
            esm["LastProcessingResult"] = "PROBLEM: Function call failed"
            _log.warning("mapping %s: %s of %s failed: %s", self._id, esm["FunctionName"], len(batch), result)
            batch = batch[failed:]
            if esm.get("BisectBatchOnFunctionError"):
                if failed:
                    continue
                if len(batch) > 1:
                    middle = len(batch) // 2
                    self._deliver(batch[:middle], attempts)
                    self._deliver(batch[middle:], attempts)
                    return
            attempts += 1
            limit = int(esm.get("MaximumRetryAttempts", -1))
            if 0 <= limit < attempts:
                self._discard(esm, batch, result, attempts, "RetryAttemptsExhausted")
                return
            time.sleep(min(_FIRST_PAUSE * 2 ** (attempts - 1), _LONGEST_PAUSE))

    def _discard(
        self,
        esm: dict[str, Any],
        batch: list[dict[str, Any]],
        result: dict[str, Any],
        attempts: int,
        condition: str,
    ) -> None:
        _log.warning("mapping %s: %s records discarded: %s", self._id, len(batch), condition)
        send_failure(esm, batch, result, attempts, condition)
