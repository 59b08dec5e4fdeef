"""Processing again the stream records that could not be processed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.clients.failed_records import FailedRecords
from runtime.entry.stream import StreamProcessor
from runtime.entry.trigger import name_in_arn, source_arn
from runtime.errors import ConfigurationError
from runtime.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.scope import Scope
    from runtime.entry.record_router import Processor

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
    counts = {"objects": 0, "records": 0, "replayed": 0}
    failed = []
    for name, number, problem in _replay(bucket, _processors(scope), names, dry_run=dry_run):
        counts["objects"] += 1
        counts["records"] += number
        if problem is None:
            counts["replayed"] += number
        else:
            logger.warning("records not replayed", error=problem)
            failed.append({"object": name, "error": problem})
    return {**counts, "failed": failed, "resumeToken": resume_token}


def _processors(scope: Scope) -> Callable[[str], Processor]:
    """Finds what handles the stream of a table: of commands, or of events."""
    stream = StreamProcessor({module.tables.command: module for module in scope.modules.values()})
    of_events = {module.tables.events: module for module in scope.event_modules.values()}
    if not of_events:
        return lambda _table: stream
    from runtime.entry.projector import Projector  # noqa: PLC0415 - few apps

    projector = Projector(of_events)
    return lambda table: projector if table in of_events else stream


def _replay(
    bucket: FailedRecords, processor_of: Callable[[str], Processor], names: Sequence[str], *, dry_run: bool
) -> Iterator[tuple[str, int, str | None]]:
    """Each object's name, the number of its records, and why it is still there."""
    for name in names:
        records: list[dict[str, Any]] = []
        try:
            records = bucket.records(name)
            if not dry_run:
                # All records of an object are of one stream.
                processor = processor_of(name_in_arn(source_arn(records[0]))) if records else None
                if processor and processor.process(records)["batchItemFailures"]:
                    raise RecordsFailedError  # noqa: TRY301 - one way for whatever fails
                bucket.delete(name)
        except Exception as error:  # noqa: BLE001 - one object must not stop the others
            yield name, len(records), type(error).__name__
        else:
            yield name, len(records), None
