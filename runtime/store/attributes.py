"""Large attributes: kept in S3, referred to by the row as ``s3://bucket/key``.

A row that would exceed ``ATTRIBUTE_LIMIT_SIZE`` as a whole keeps its attributes in an
object whose key is made of their content: publishing the same content again makes no
second object, and a data or history row refers to its command's. Objects are never
changed, so a reference can be passed on. What nothing refers to any more goes with
`collect_large_attributes`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from runtime.aws_errors import error_code, translated
from runtime.errors import ConfigurationError, CorruptRowError, FieldProblem, InvalidInputError
from runtime.model.keys import DetailKey, get_tenant_code, remove_sort_key_version
from runtime.store.attribute_json import JSON_TYPE, dump, load
from runtime.store.item_size import MAX_ITEM_BYTES, item_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

    from runtime.settings import Settings
    from runtime.store.values import Row

__all__ = [
    "LargeAttributes",
    "ObjectHead",
    "StoredObject",
    "aggregate_of",
    "object_key_of",
    "object_prefix",
    "reference_of",
    "table_prefix",
]

_SERVICE: Final = "S3"
_SCHEME: Final = "s3://"
_NOT_THERE: Final = frozenset({"404", "NoSuchKey", "NotFound"})
# What a command grows by on its way to a data or history row: cpk, csk and the author columns
# of the first version. Keys are at most 3 KB, ids and addresses are short.
_GROWTH: Final = 8 * 1024
_MAX_ROW: Final = MAX_ITEM_BYTES - _GROWTH
# About what a reference takes: attributes smaller than that gain nothing in the bucket.
_REFERENCE: Final = 512

_PLAIN: Final = re.compile(r"\w[\w.-]{0,63}", re.ASCII)
_PK, _SK = "cqrs-pk", "cqrs-sk"
# S3 takes 2 KB of metadata, names included.
_MAX_METADATA: Final = 2048 - len(_PK) - len(_SK)


def table_prefix(table: str) -> str:
    """Where the objects of a command table are."""
    return f"ddb/{table}/"


def object_prefix(table: str, pk: str, sk: str) -> str:
    """Where the objects of one aggregate are, whatever characters its key has."""
    tenant = get_tenant_code(pk) or "none"
    if not _PLAIN.fullmatch(tenant):
        tenant = f"~{_digest(tenant)}"
    digest = _digest(f"{pk}\0{sk}")
    return f"{table_prefix(table)}{tenant}/{digest}/"


def aggregate_of(metadata: Mapping[str, str]) -> DetailKey | None:
    """The aggregate in an object's metadata, or None when it does not tell."""
    if _PK not in metadata or _SK not in metadata:
        return None
    try:
        pk, sk = (base64.urlsafe_b64decode(metadata[name]).decode() for name in (_PK, _SK))
    except ValueError:
        return None  # of another writer
    return DetailKey(pk, sk)


def reference_of(row: Row) -> str | None:
    """The reference that stands for a row's attributes, or None when they are in the row."""
    text = row.get("attributes")
    return text if isinstance(text, str) and text.startswith(_SCHEME) else None


def object_key_of(row: Row) -> str | None:
    """Key of the object with a row's attributes, or None when they are in the row.

    The bucket in a reference is the one of its time, and may have been renamed since; the key
    is what counts.
    """
    reference = reference_of(row)
    return _parts(reference)[1] if reference else None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the bucket, as a listing has it."""

    key: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """What is known of an object without its content.

    Attributes:
        modified: When it was written last.
        aggregate: Whose attributes it has; None where it does not tell.
    """

    modified: datetime
    aggregate: DetailKey | None


class LargeAttributes:
    """The attributes bucket: the one place that speaks to S3 about it.

    Every method that calls S3 raises `StoreUnavailableError` where S3 is busy or out of reach,
    and `StoreRefusedError` where it will not do what is asked.

    Args:
        settings: The bucket's name, and how large a row may be.
        s3: Gives a client; called once, when it is first needed.
    """

    def __init__(self, settings: Settings, s3: Callable[[], S3Client]) -> None:
        self._settings = settings
        self._make_client = s3

    @cached_property
    def _s3(self) -> S3Client:
        return self._make_client()

    @property
    def bucket(self) -> str | None:
        """Name of the bucket, or None where the deployment has none."""
        return self._settings.bucket_name

    def off_load(self, table: str, row: Row) -> Row:
        """``row``, with its attributes moved to the bucket when it is too large with them.

        Raises:
            InvalidInputError: Even without them it is larger than DynamoDB takes.
            ConfigurationError: It is too large, and there is no bucket.
        """
        size = item_size(row)
        if size <= min(self._settings.attribute_limit, _MAX_ROW):
            return row
        attributes = row.get("attributes")
        movable = 0 if attributes is None else item_size({"attributes": attributes})
        if size - movable > _MAX_ROW:
            message = (
                f"takes {size - movable} bytes without its attributes, and {_MAX_ROW} fit; "
                "move the large fields into attributes, which may go to S3"
            )
            raise InvalidInputError([FieldProblem("command", message)])
        if attributes is None or (movable <= _REFERENCE and size <= _MAX_ROW):
            return row
        if self.bucket is None:
            msg = "the attributes are too large for a row, and S3_BUCKET_NAME is not set"
            raise ConfigurationError(msg)
        content, content_type = dump(attributes)
        pk, sk = row["pk"], remove_sort_key_version(row["sk"])
        key = f"{object_prefix(table, pk, sk)}{hashlib.sha256(content).hexdigest()}.json"
        try:
            # Also when it is there already: a young object is safe from being collected.
            self._s3.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=content,
                ContentType=content_type,
                Metadata=_metadata(pk, sk),
            )
        except (ClientError, BotoCoreError) as error:
            raise translated(error, _SERVICE) from error
        return row | {"attributes": f"{_SCHEME}{self.bucket}/{key}"}

    def load(self, row: Row) -> Row:
        """``row`` with its attributes in it, wherever they are. One call when in the bucket.

        Raises:
            CorruptRowError: The bucket has no such object.
        """
        reference = reference_of(row)
        if reference is None:
            return row
        bucket, key = _parts(reference)
        try:
            found = self._s3.get_object(Bucket=self.bucket or bucket, Key=key)
            content = found["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if error_code(error) not in _NOT_THERE:
                raise translated(error, _SERVICE) from error
            msg = f"the attributes of {row['pk']} {row['sk']} are not in the bucket; restore {key}"
            raise CorruptRowError(msg) from error
        return row | {"attributes": load(content, found.get("ContentType", JSON_TYPE))}

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """The objects whose keys begin with ``prefix``, in the order of their keys.

        One call for each thousand of them. Where there is no bucket there are none.
        """
        if self.bucket is None:
            return
        pages = self._s3.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                for found in page.get("Contents", ()):
                    yield StoredObject(found["Key"], found["LastModified"])
        except (ClientError, BotoCoreError) as error:
            raise translated(error, _SERVICE) from error

    def head(self, key: str) -> ObjectHead | None:
        """What is known of an object, or None when it is not there, or there is no bucket."""
        if self.bucket is None:
            return None
        try:
            found = self._s3.head_object(Bucket=self.bucket, Key=key)
        except (ClientError, BotoCoreError) as error:
            if error_code(error) not in _NOT_THERE:
                raise translated(error, _SERVICE) from error
            return None
        return ObjectHead(found["LastModified"], aggregate_of(found["Metadata"]))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, one call each. One that is not there is no error.

        After an error some may be deleted; doing it again is harmless. Where there is no bucket
        there is nothing to delete.
        """
        if self.bucket is None:
            return
        for key in keys:
            try:
                self._s3.delete_object(Bucket=self.bucket, Key=key)
            except (ClientError, BotoCoreError) as error:
                raise translated(error, _SERVICE) from error


def _parts(reference: str) -> tuple[str, str]:
    bucket, _, key = reference.removeprefix(_SCHEME).partition("/")
    return bucket, key


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _metadata(pk: str, sk: str) -> dict[str, str]:
    """Whose object it is, in ASCII. Keys too long for S3's metadata are left out."""
    found = {name: base64.urlsafe_b64encode(part.encode()).decode() for name, part in ((_PK, pk), (_SK, sk))}
    return found if sum(map(len, found.values())) <= _MAX_METADATA else {}
