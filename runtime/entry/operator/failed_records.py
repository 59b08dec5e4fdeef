"""Processing again the stream records that could not be processed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.clients.failed_records import FailedRecords
from runtime.entry.stream import StreamProcessor
from runtime.errors import ConfigurationError
from runtime.log import logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.scope import Scope

__all__ = ["replay_records"]


class RecordsFailedError(Exception):
    """Records of an object could not be processed this time either."""


def replay_records(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """Process the records of one page of objects; an object goes when all of its records are done.

    Raises:
        ConfigurationError: The function does not know the bucket.
    """
    bucket = FailedRecords.of(scope.resources)
    if bucket is None:
        msg = "FAILED_RECORDS_BUCKET_NAME is not set; connect the bucket with connect_failed_records"
        raise ConfigurationError(msg)
    dry_run = arguments.flag("dryRun")
    names, resume_token = bucket.page(arguments.optional_text("resumeToken"), arguments.limit())
    stream = StreamProcessor({module.tables.command: module for module in scope.modules.values()})
    counts = {"objects": 0, "records": 0, "replayed": 0}
    failed = []
    for name, number, problem in _replay(bucket, stream, names, dry_run=dry_run):
        counts["objects"] += 1
        counts["records"] += number
        if problem is None:
            counts["replayed"] += number
        else:
            logger.warning("records not replayed", error=problem)
            failed.append({"object": name, "error": problem})
    return {**counts, "failed": failed, "resumeToken": resume_token}


def _replay(
    bucket: FailedRecords, stream: StreamProcessor, names: Sequence[str], *, dry_run: bool
) -> Iterator[tuple[str, int, str | None]]:
    """Each object's name, the number of its records, and why it is still there."""
    for name in names:
        records: list[dict[str, Any]] = []
        try:
            records = bucket.records(name)
            if not dry_run:
                if records and stream.process(records)["batchItemFailures"]:
                    raise RecordsFailedError  # noqa: TRY301 - one way for whatever fails
                bucket.delete(name)
        except Exception as error:  # noqa: BLE001 - one object must not stop the others
            yield name, len(records), type(error).__name__
        else:
            yield name, len(records), None
