"""The attributes bucket: what is too large for a row, as objects whose keys are made of their content.

An object belongs to one aggregate, which its key and its metadata tell. It is never changed: the same content
again makes no second object, and a reference to it, ``s3://bucket/key``, can be passed on.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from runtime.aws_errors import error_code, translated
from runtime.contract import DIGEST_LENGTH, DIGEST_MARK, OBJECTS_FOLDER
from runtime.model.keys import DetailKey, get_tenant_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

__all__ = [
    "REFERENCE_PREFIX",
    "Bucket",
    "MemoryBucket",
    "ObjectHead",
    "S3Bucket",
    "StoredObject",
    "aggregate_of",
    "digest_of",
    "object_key_in",
    "object_name",
    "object_prefix",
    "reference_to",
    "table_prefix",
]

_SERVICE: Final = "S3"
REFERENCE_PREFIX: Final = "s3://"
# Where the library, and the reference system, keep objects: nowhere else is one looked for.
_OBJECT: Final = re.compile(rf"s3://[^/]*/({OBJECTS_FOLDER}/[^/]+/.+)", re.DOTALL)
_NOT_THERE: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_PLAIN: Final = re.compile(r"\w[\w.-]{0,63}", re.ASCII)
_PK, _SK = "cqrs-pk", "cqrs-sk"
# S3 takes 2 KB of metadata, names included.
_MAX_METADATA: Final = 2048 - len(_PK) - len(_SK)


def digest_of(text: str) -> str:
    """What stands for a text in the names of objects: 32 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def table_prefix(table: str) -> str:
    """Where the objects of a table are."""
    return f"{OBJECTS_FOLDER}/{table}/"


def object_prefix(table: str, pk: str, sk: str) -> str:
    """Where the objects of one aggregate are, whatever characters its key has."""
    tenant = get_tenant_code(pk) or "none"
    if not _PLAIN.fullmatch(tenant):
        tenant = f"{DIGEST_MARK}{digest_of(tenant)}"
    digest = digest_of(f"{pk}\0{sk}")
    return f"{table_prefix(table)}{tenant}/{digest}/"


def object_name(content: bytes) -> str:
    """Last part of the key of an object with a content."""
    return f"{hashlib.sha256(content).hexdigest()}.json"


def reference_to(bucket: str, key: str) -> str:
    """The text that stands in a row for an object."""
    return f"{REFERENCE_PREFIX}{bucket}/{key}"


def object_key_in(text: object) -> str | None:
    """Key of the object that a text refers to; None where it is no reference.

    The bucket in a reference is the one of its time, and may have been renamed since; the key is what counts.
    """
    if not isinstance(text, str) or not text.startswith(REFERENCE_PREFIX):
        return None
    match = _OBJECT.fullmatch(text)
    return None if match is None else match[1]


def aggregate_of(metadata: Mapping[str, str]) -> DetailKey | None:
    """The aggregate in an object's metadata, or None when it does not tell."""
    if _PK not in metadata or _SK not in metadata:
        return None
    try:
        pk, sk = (base64.urlsafe_b64decode(metadata[name]).decode() for name in (_PK, _SK))
    except ValueError:
        return None  # of another writer
    return DetailKey(pk, sk)


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
        aggregate: Whose it is; None where it does not tell.
    """

    modified: datetime
    aggregate: DetailKey | None


class Bucket(Protocol):
    """Objects by their keys.

    Every method raises `StoreUnavailableError` where the service is busy or out of reach, and
    `StoreRefusedError` where it will not do what is asked.
    """

    @property
    def name(self) -> str | None:
        """Name of the bucket, or None where the deployment has none."""
        ...

    def put(self, key: str, content: bytes, content_type: str, aggregate: DetailKey) -> str:
        """Put an object, and return the reference to it. One call; it is put anew where it is there already.

        So an object that is about to be referred to is always young, and safe from being collected.
        """
        ...

    def get(self, reference: str) -> tuple[bytes, str | None] | None:
        """Content and content type of what a reference refers to, or None where it is not there. One call."""
        ...

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """The objects whose keys begin with ``prefix``, in the order of their keys.

        One call for each thousand of them. Where there is no bucket there are none.
        """
        ...

    def head(self, key: str) -> ObjectHead | None:
        """What is known of an object, or None when it is not there, or there is no bucket."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, one call each. One that is not there is no error.

        After an error some may be deleted; doing it again is harmless. Where there is no bucket
        there is nothing to delete.
        """
        ...


class S3Bucket:
    """A bucket of S3.

    Args:
        name: Its name, or None where the deployment has none.
        client: Gives a client; called once, when it is first needed.
    """

    def __init__(self, name: str | None, client: Callable[[], S3Client]) -> None:
        self.name = name
        self._make_client = client

    @cached_property
    def _s3(self) -> S3Client:
        return self._make_client()

    def put(self, key: str, content: bytes, content_type: str, aggregate: DetailKey) -> str:
        """See `Bucket.put`."""
        assert self.name is not None  # noqa: S101 - callers refuse with an error of their own
        try:
            self._s3.put_object(
                Bucket=self.name,
                Key=key,
                Body=content,
                ContentType=content_type,
                Metadata=_metadata(*aggregate),
            )
        except (ClientError, BotoCoreError) as error:
            raise translated(error, _SERVICE) from error
        return reference_to(self.name, key)

    def get(self, reference: str) -> tuple[bytes, str | None] | None:
        """See `Bucket.get`."""
        then, _, key = reference.removeprefix(REFERENCE_PREFIX).partition("/")
        try:
            found = self._s3.get_object(Bucket=self.name or then, Key=key)
            return found["Body"].read(), found.get("ContentType")
        except (ClientError, BotoCoreError) as error:
            if error_code(error) not in _NOT_THERE:
                raise translated(error, _SERVICE) from error
            return None

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """See `Bucket.objects`."""
        if self.name is None:
            return
        pages = self._s3.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self.name, Prefix=prefix):
                for found in page.get("Contents", ()):
                    yield StoredObject(found["Key"], found["LastModified"])
        except (ClientError, BotoCoreError) as error:
            raise translated(error, _SERVICE) from error

    def head(self, key: str) -> ObjectHead | None:
        """See `Bucket.head`."""
        if self.name is None:
            return None
        try:
            found = self._s3.head_object(Bucket=self.name, Key=key)
        except (ClientError, BotoCoreError) as error:
            if error_code(error) not in _NOT_THERE:
                raise translated(error, _SERVICE) from error
            return None
        return ObjectHead(found["LastModified"], aggregate_of(found["Metadata"]))

    def delete(self, keys: Iterable[str]) -> None:
        """See `Bucket.delete`."""
        if self.name is None:
            return
        for key in keys:
            try:
                self._s3.delete_object(Bucket=self.name, Key=key)
            except (ClientError, BotoCoreError) as error:
                raise translated(error, _SERVICE) from error


class MemoryBucket:
    """A bucket in memory.

    Args:
        now: What time it is.
    """

    name = "memory"

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._objects: dict[str, tuple[bytes, str, ObjectHead]] = {}

    def put(self, key: str, content: bytes, content_type: str, aggregate: DetailKey) -> str:
        """See `Bucket.put`."""
        self._objects[key] = content, content_type, ObjectHead(self._now(), aggregate)
        return reference_to(self.name, key)

    def get(self, reference: str) -> tuple[bytes, str | None] | None:
        """See `Bucket.get`."""
        found = self._objects.get(reference.removeprefix(REFERENCE_PREFIX).partition("/")[2])
        return None if found is None else found[:2]

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """See `Bucket.objects`."""
        for key in sorted(key for key in self._objects if key.startswith(prefix)):
            yield StoredObject(key, self._objects[key][2].modified)

    def head(self, key: str) -> ObjectHead | None:
        """See `Bucket.head`."""
        found = self._objects.get(key)
        return None if found is None else found[2]

    def delete(self, keys: Iterable[str]) -> None:
        """See `Bucket.delete`."""
        for key in keys:
            self._objects.pop(key, None)


def _metadata(pk: str, sk: str) -> dict[str, str]:
    """Whose object it is, in ASCII. Keys too long for S3's metadata are left out."""
    found = {name: base64.urlsafe_b64encode(part.encode()).decode() for name, part in ((_PK, pk), (_SK, sk))}
    return found if sum(map(len, found.values())) <= _MAX_METADATA else {}
