"""Collecting large attributes that no row refers to any more.

Rows go when their time to live is over, or by hand; the objects that they referred to
stay. Run `collect_large_attributes` now and then, from a schedule or a shell. It needs to
list the bucket, to read and delete its objects, and to query the module's tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.model.keys import VER_SEPARATOR
from runtime.store.attributes import SCHEME, aggregate_of, object_prefix, reference_of, table_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

    from runtime.model.keys import DetailKey
    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["Collected", "collect_large_attributes"]

_DAY: Final = timedelta(days=1)
# The folder of an aggregate, and a name made of content. Objects of other writers are named otherwise.
_OWN: Final = re.compile(r"(.*/[^/]+/[0-9a-f]{32}/)[0-9a-f]{64}\.json", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection did.

    Attributes:
        deleted: Objects that were deleted, or would have been in a dry run.
        kept: Objects that a row refers to, that are young, or whose aggregate is unknown.
    """

    deleted: int
    kept: int


def collect_large_attributes(
    module: CommandModule[Any],
    *,
    older_than: timedelta = _DAY,
    dry_run: bool = False,
    on_object: Callable[[str], None] | None = None,
) -> Collected:
    """Delete the objects of a module that no command, data or history row refers to.

    One request and three queries for each aggregate with objects that are old enough, two
    requests for each object that is deleted. Objects of the reference system, and those of
    aggregates whose key is longer than about 1500 bytes, are kept.

    Args:
        module: Whose objects.
        older_than: Age from which on an object may be deleted. A publish writes the object
            before the row, so leave it well above the longest time that a publish takes.
        dry_run: Delete nothing.
        on_object: Called with the key of each object that is deleted, or would be.

    Raises:
        InvalidInputError: ``older_than`` is negative.
        ConfigurationError: There is no attributes bucket.
    """
    if older_than < timedelta(0):
        raise InvalidInputError([FieldProblem("older_than", f"must not be negative, got {older_than}")])
    bucket = module.resources.settings.bucket_name
    if bucket is None:
        msg = "S3_BUCKET_NAME is not set, so there are no large attributes to collect"
        raise ConfigurationError(msg)
    cutoff = datetime.now(UTC) - older_than
    collector = _Collector(module, bucket)
    found = deleted = 0
    for folder, group in groupby(collector.objects(), key=lambda entry: _folder(entry.key)):
        entries = list(group)
        found += len(entries)
        old = [entry.key for entry in entries if entry.modified <= cutoff]
        for key in collector.unreferenced(folder, old):
            if dry_run or collector.delete(key, cutoff):
                deleted += 1
                if on_object:
                    on_object(key)
    return Collected(deleted, found - deleted)


@dataclass(frozen=True, slots=True)
class _Object:
    key: str
    modified: datetime


class _Collector:
    def __init__(self, module: CommandModule[Any], bucket: str) -> None:
        self._module = module
        self._bucket = bucket
        self._s3: S3Client = module.resources.client("s3")

    def objects(self) -> Iterator[_Object]:
        """The objects under the module's prefix, those of one folder next to each other."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=table_prefix(self._module.tables.command)
        )
        for page in pages:
            for found in page.get("Contents", ()):
                yield _Object(found["Key"], found["LastModified"])

    def unreferenced(self, folder: str | None, keys: list[str]) -> list[str]:
        """Those of ``keys``, all in one folder, that no row of its aggregate refers to."""
        if folder is None or not keys:
            return []
        head = self._head(keys[0])
        aggregate = aggregate_of(head["Metadata"]) if head else None
        if aggregate is None or object_prefix(self._module.tables.command, *aggregate) != folder:
            return []
        referenced = self._referenced(aggregate)
        return [key for key in keys if key not in referenced]

    def delete(self, key: str, cutoff: datetime) -> bool:
        """Delete an object, unless it was published again since it was listed."""
        head = self._head(key)
        if head is None or head["LastModified"] > cutoff:
            return False
        self._s3.delete_object(Bucket=self._bucket, Key=key)
        return True

    def _head(self, key: str) -> HeadObjectOutputTypeDef | None:
        """What S3 says about an object, or None when another collection was faster."""
        try:
            return self._s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "404":
                raise
            return None

    def _referenced(self, aggregate: DetailKey) -> set[str]:
        """Keys of the objects that rows of an aggregate refer to.

        References go from the command to the data row and on to the history row. The
        tables are read in this order, so none is missed on its way.
        """
        tables, versions = self._module.tables, f"{aggregate.sk}{VER_SEPARATOR}"
        return {
            *self._references(tables.command, "begins_with(sk, :sk)", aggregate.pk, versions),
            *self._references(tables.data, "sk = :sk", *aggregate),
            *self._references(tables.history, "begins_with(sk, :sk)", aggregate.pk, versions),
        }

    def _references(self, table: str, condition: str, pk: str, sk: str) -> Iterator[str]:
        start: Item | None = None
        while True:
            rows, start = self._module.resources.dynamodb.query(
                table,
                KeyConditionExpression=f"pk = :pk AND {condition}",
                # Attributes that are in their row would be read for nothing.
                FilterExpression="attribute_type(#attributes, :text)",
                ProjectionExpression="#attributes",
                ExpressionAttributeNames={"#attributes": "attributes"},
                ExpressionAttributeValues={":pk": {"S": pk}, ":sk": {"S": sk}, ":text": {"S": "S"}},
                ConsistentRead=True,
                **({"ExclusiveStartKey": start} if start else {}),
            )
            for row in rows:
                # The bucket in a reference is the one of its time; the key is what counts.
                yield (reference_of(row) or "").removeprefix(SCHEME).partition("/")[2]
            if start is None:
                return


def _folder(key: str) -> str | None:
    match = _OWN.fullmatch(key)
    return match[1] if match else None
