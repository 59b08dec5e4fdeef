"""The bucket of stream records that could not be processed: counting them, and ringing them again."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from runtime.entry.stream import StreamProcessor
from runtime.errors import ConfigurationError
from runtime.log import logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_s3 import S3Client

    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.scope import Scope

__all__ = ["FailedRecords", "replay_records"]

#: Counting stops there: whoever has more failed records has seen them.
_MOST_COUNTED: Final = 10_000


class RecordsFailedError(Exception):
    """Records of an object could not be processed this time either."""


class FailedRecords:
    """The objects that Lambda writes for the batches it gave up.

    Args:
        scope: The app.
        bucket: Name of the bucket.
    """

    def __init__(self, scope: Scope, bucket: str) -> None:
        self._scope = scope
        self._bucket = bucket

    @classmethod
    def of(cls, scope: Scope) -> FailedRecords | None:
        """Those of the deployment, or None where it has no such bucket."""
        bucket = scope.resources.settings.failed_records_bucket
        return cls(scope, bucket) if bucket else None

    def count(self) -> int:
        """How many objects there are; at most 10 000 are counted."""
        found = 0
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
            found += len(page.get("Contents", ()))
            if found >= _MOST_COUNTED:
                return _MOST_COUNTED
        return found

    def page(self, after: str | None, limit: int) -> tuple[list[str], str | None]:
        """Names of some objects, in order, and the name to go on after; None on the last page."""
        start: dict[str, Any] = {"StartAfter": after} if after else {}
        found = self._s3.list_objects_v2(Bucket=self._bucket, MaxKeys=limit, **start)
        names = [entry["Key"] for entry in found.get("Contents", ())]
        return names, names[-1] if names and found.get("IsTruncated") else None

    def records(self, name: str) -> list[dict[str, Any]]:
        """The stream records in an object.

        Raises:
            ValueError: The object is not one of Lambda's.
        """
        body = json.loads(self._s3.get_object(Bucket=self._bucket, Key=name)["Body"].read())
        payload = json.loads(body["payload"]) if isinstance(body, dict) and "payload" in body else None
        records = payload.get("Records") if isinstance(payload, dict) else None
        if not isinstance(records, list):
            msg = "the object holds no stream records"
            raise ValueError(msg)  # noqa: TRY004 - what was read, not how it was called
        return records

    def ring(self, records: Sequence[dict[str, Any]]) -> int:
        """Process records again; how many failed."""
        return len(self._stream.process(records)["batchItemFailures"]) if records else 0

    def delete(self, name: str) -> None:
        """Delete an object."""
        self._s3.delete_object(Bucket=self._bucket, Key=name)

    @cached_property
    def _s3(self) -> S3Client:
        client: S3Client = self._scope.resources.client("s3")
        return client

    @cached_property
    def _stream(self) -> StreamProcessor:
        return StreamProcessor({module.tables.command: module for module in self._scope.modules.values()})


def replay_records(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """Ring the records of one page of objects again; an object goes when all of its records are done.

    Raises:
        ConfigurationError: The function does not know the bucket.
    """
    bucket = FailedRecords.of(scope)
    if bucket is None:
        msg = "FAILED_RECORDS_BUCKET_NAME is not set; connect the bucket with connect_failed_records"
        raise ConfigurationError(msg)
    dry_run = arguments.flag("dryRun")
    names, resume_token = bucket.page(arguments.optional_text("resumeToken"), arguments.limit())
    counts = {"objects": 0, "records": 0, "replayed": 0}
    failed = []
    for name, number, problem in _replay(bucket, names, dry_run=dry_run):
        counts["objects"] += 1
        counts["records"] += number
        if problem is None:
            counts["replayed"] += number
        else:
            logger.warning("records not replayed", error=problem)
            failed.append({"object": name, "error": problem})
    return {**counts, "failed": failed, "resumeToken": resume_token}


def _replay(
    bucket: FailedRecords, names: Sequence[str], *, dry_run: bool
) -> Iterator[tuple[str, int, str | None]]:
    """Each object's name, the number of its records, and why it is still there."""
    for name in names:
        records: list[dict[str, Any]] = []
        try:
            records = bucket.records(name)
            if not dry_run:
                if bucket.ring(records):
                    raise RecordsFailedError  # noqa: TRY301 - one way for whatever fails
                bucket.delete(name)
        except Exception as error:  # noqa: BLE001 - one object must not stop the others
            yield name, len(records), type(error).__name__
        else:
            yield name, len(records), None
