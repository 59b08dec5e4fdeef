"""Large attributes: kept in S3, referred to by the row as ``s3://bucket/key``.

A row that would exceed ``ATTRIBUTE_LIMIT_SIZE`` as a whole keeps its attributes in an
object whose key is made of their content: publishing the same content again makes no
second object, and a data or history row refers to its command's. Objects are never
changed, so a reference can be passed on. What nothing refers to any more goes with
`collect_large_attributes`.

Attributes that are an object can be no text, so that a text in their column is a reference. Where a
module's attributes may be a text, users write it: there only the key of an object of the row's own
aggregate makes a reference, and publishing such a text is refused. So what a user wrote never leads
to another object.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, get_origin

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, RootModel

from runtime.aws_errors import error_code, translated
from runtime.contract import DIGEST_LENGTH, DIGEST_MARK, OBJECTS_FOLDER, Env
from runtime.errors import ConfigurationError, CorruptRowError, FieldProblem, InvalidInputError
from runtime.model.keys import DetailKey, get_tenant_code, remove_sort_key_version
from runtime.store.answer_size import MOST_GROWTH, answer_size
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
    "digest_of",
    "object_prefix",
    "reference_of",
    "table_prefix",
]

_SERVICE: Final = "S3"
_SCHEME: Final = "s3://"
# Where the library, and the reference system, keep objects: nowhere else is one looked for.
_OBJECT: Final = re.compile(rf"s3://[^/]*/({OBJECTS_FOLDER}/[^/]+/(.+))", re.DOTALL)
_FILE: Final = re.compile(r"(@[0-9]+)?/[^/]+", re.DOTALL)
_NOT_THERE: Final = frozenset({"404", "NoSuchKey", "NotFound"})
# What a command grows by on its way to a data or history row: cpk, csk and the author columns
# of the first version. Keys are at most 3 KB, ids and addresses are short.
_GROWTH: Final = 8 * 1024
_MAX_ROW: Final = MAX_ITEM_BYTES - _GROWTH
# About what a reference takes: attributes smaller than that gain nothing in the bucket.
_REFERENCE: Final = 512

_HEAD: Final = "$head#"  # see `runtime.module_context.HEAD`
_PLAIN: Final = re.compile(r"\w[\w.-]{0,63}", re.ASCII)
_PK, _SK = "cqrs-pk", "cqrs-sk"
# S3 takes 2 KB of metadata, names included.
_MAX_METADATA: Final = 2048 - len(_PK) - len(_SK)


def digest_of(text: str) -> str:
    """What stands for a text in the names of objects: 32 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def table_prefix(table: str) -> str:
    """Where the objects of a command table are."""
    return f"{OBJECTS_FOLDER}/{table}/"


def object_prefix(table: str, pk: str, sk: str) -> str:
    """Where the objects of one aggregate are, whatever characters its key has."""
    tenant = get_tenant_code(pk) or "none"
    if not _PLAIN.fullmatch(tenant):
        tenant = f"{DIGEST_MARK}{digest_of(tenant)}"
    digest = digest_of(f"{pk}\0{sk}")
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
    """The reference that stands for a row's attributes, or None when they are in the row.

    For rows of a module whose attributes are an object; see `LargeAttributes.object_key_of`.
    """
    text = row.get("attributes")
    return text if isinstance(text, str) and _OBJECT.fullmatch(text) else None


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
        attributes: Type of the attributes: a pydantic model, or ``dict[str, Any]``.
    """

    def __init__(
        self,
        settings: Settings,
        s3: Callable[[], S3Client],
        attributes: Any = dict,  # noqa: ANN401 - a type
    ) -> None:
        self._settings = settings
        self._make_client = s3
        self._may_be_text = not _is_object(attributes)

    def of_type(self, attributes: Any) -> LargeAttributes:  # noqa: ANN401 - a type
        """The same bucket, for a module with this type of attributes."""
        return LargeAttributes(self._settings, lambda: self._s3, attributes)

    @cached_property
    def _s3(self) -> S3Client:
        return self._make_client()

    @property
    def bucket(self) -> str | None:
        """Name of the bucket, or None where the deployment has none."""
        return self._settings.bucket_name

    def off_load(self, table: str, row: Row, base: Row | None = None) -> Row:
        """``row``, with its attributes moved to the bucket when it is too large with them.

        Args:
            table: The command table.
            row: The row.
            base: The row of the version that it is built on.

        Raises:
            InvalidInputError: Even without them it is larger than DynamoDB takes; or they are more
                than an item may have, and more than it had.
            ConfigurationError: It is too large, and there is no bucket.
        """
        size = item_size(row)
        if size * MOST_GROWTH > self._settings.item_limit:
            self._check_size(row, base)
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

    def _check_size(self, row: Row, base: Row | None) -> None:
        """Refuse attributes that have become too large, however many requests that took."""
        limit, attributes = self._settings.item_limit, row.get("attributes")
        if self.object_key_of(row) is not None or (size := answer_size(attributes)) <= limit:
            return
        # What became as large under another limit can be deleted, and cut down in steps.
        if base is None or answer_size(self.load(base).get("attributes")) < size:
            message = (
                f"would take {size} bytes in an answer, and {Env.ITEM_SIZE_LIMIT} is {limit}; "
                "keep less in one item"
            )
            raise InvalidInputError([FieldProblem("attributes", message)])

    def object_key_of(self, row: Row) -> str | None:
        """Key of the object with a row's attributes, or None when they are in the row.

        The bucket in a reference is the one of its time, and may have been renamed since; the key
        is what counts.
        """
        text = row.get("attributes")
        match = _OBJECT.fullmatch(text) if isinstance(text, str) else None
        if match is None or (self._may_be_text and not _is_own(match[2], row)):
            return None
        return match[1]

    def check_text(self, attributes: object, key: tuple[str, str]) -> None:
        """Refuse a text of a user's that would be taken for a reference.

        Args:
            attributes: What is to be published.
            key: ``(pk, sk)`` of the aggregate.

        Raises:
            InvalidInputError: It would be.
        """
        row = {"pk": key[0], "sk": key[1], "attributes": attributes}
        if self.object_key_of(row) is not None:
            message = "must not be the address of one of the item's own objects in the attributes bucket"
            raise InvalidInputError([FieldProblem("attributes", message)])

    def load(self, row: Row) -> Row:
        """``row`` with its attributes in it, wherever they are. One call when in the bucket.

        Raises:
            CorruptRowError: The bucket has no such object.
        """
        key = self.object_key_of(row)
        if key is None:
            return row
        bucket = row["attributes"].removeprefix(_SCHEME).partition("/")[0]
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


def _is_object(attributes: Any) -> bool:  # noqa: ANN401 - a type
    """Whether attributes of a type are always stored as a map, and never as a text."""
    if get_origin(attributes) is dict or attributes is dict:
        return True
    if not isinstance(attributes, type) or not issubclass(attributes, BaseModel):
        return False
    # A serializer of the whole model may make a text of it.
    return not issubclass(attributes, RootModel) and not attributes.__pydantic_decorators__.model_serializers


def _is_own(path: str, row: Row) -> bool:
    """Whether the path behind a table's folder is that of an object of the row's own aggregate.

    Either as this library names objects, or as the reference system does: ``{pk}/{sk}/{id}.json``,
    where ``sk`` may have a version.
    """
    pk, sk = row.get("pk"), row.get("sk")
    if not isinstance(pk, str) or not isinstance(sk, str):
        return False  # not stored yet
    natural = remove_sort_key_version(sk)
    # The last command that is kept beside the cursors has its aggregate's sort key behind a mark.
    for own in (natural, natural.removeprefix(_HEAD)):
        folder = object_prefix("", pk, own).removeprefix(table_prefix(""))
        theirs = f"{pk}/{own}"
        if path.startswith(folder) or (
            path.startswith(theirs) and _FILE.fullmatch(path, len(theirs)) is not None
        ):
            return True
    return False


def _metadata(pk: str, sk: str) -> dict[str, str]:
    """Whose object it is, in ASCII. Keys too long for S3's metadata are left out."""
    found = {name: base64.urlsafe_b64encode(part.encode()).decode() for name, part in ((_PK, pk), (_SK, sk))}
    return found if sum(map(len, found.values())) <= _MAX_METADATA else {}
