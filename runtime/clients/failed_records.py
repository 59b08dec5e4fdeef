"""The bucket of stream records that could not be processed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from runtime.clients.calls import Calls

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from runtime.clients.resources import Resources

__all__ = ["FailedRecords"]

#: Counting stops there: more than that is no longer a question of how many.
_MOST_COUNTED: Final = 10_000


class FailedRecords:
    """The objects that Lambda writes for the batches it gave up.

    Every method raises `StoreUnavailableError` where S3 is busy or out of reach, and
    `StoreRefusedError` where it refuses the call.

    Args:
        calls: Calls of S3.
        bucket: Name of the bucket.
    """

    def __init__(self, calls: Calls[S3Client], bucket: str) -> None:
        self._calls = calls
        self._bucket = bucket

    @classmethod
    def of(cls, resources: Resources) -> FailedRecords | None:
        """Those of the deployment, or None where it has no such bucket."""
        bucket = resources.settings.failed_records_bucket
        calls: Calls[S3Client] = Calls("S3", lambda: resources.client("s3"))
        return cls(calls, bucket) if bucket else None

    def count(self) -> int:
        """How many objects there are; at most 10 000 are counted."""
        found = 0
        with self._calls.reading() as s3:
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
                found += len(page.get("Contents", ()))
                if found >= _MOST_COUNTED:
                    return _MOST_COUNTED
        return found

    def page(self, after: str | None, limit: int) -> tuple[list[str], str | None]:
        """Names of some objects, in order, and the name to go on after; None on the last page."""
        start: dict[str, Any] = {"StartAfter": after} if after else {}
        with self._calls.reading() as s3:
            found = s3.list_objects_v2(Bucket=self._bucket, MaxKeys=limit, **start)
        names = [entry["Key"] for entry in found.get("Contents", ())]
        return names, names[-1] if names and found.get("IsTruncated") else None

    def records(self, name: str) -> list[dict[str, Any]]:
        """The stream records in an object.

        Raises:
            ValueError: The object is not one of Lambda's.
        """
        with self._calls.reading() as s3:
            content = s3.get_object(Bucket=self._bucket, Key=name)["Body"].read()
        body = json.loads(content)
        payload = json.loads(body["payload"]) if isinstance(body, dict) and "payload" in body else None
        records = payload.get("Records") if isinstance(payload, dict) else None
        if not isinstance(records, list):
            msg = "the object holds no stream records"
            raise ValueError(msg)  # noqa: TRY004 - what was read, not how it was called
        return records

    def delete(self, name: str) -> None:
        """Delete an object."""
        with self._calls.writing() as s3:
            s3.delete_object(Bucket=self._bucket, Key=name)
