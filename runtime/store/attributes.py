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
from functools import cached_property
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from runtime.errors import ConfigurationError, CorruptRowError, FieldProblem, InvalidInputError
from runtime.model.keys import DetailKey, get_tenant_code, remove_sort_key_version
from runtime.store.attribute_json import JSON_TYPE, dump, load
from runtime.store.item_size import MAX_ITEM_BYTES, item_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

    from runtime.clients.resources import Resources
    from runtime.store.codec import Item

__all__ = ["SCHEME", "LargeAttributes", "aggregate_of", "object_prefix", "reference_of", "table_prefix"]

SCHEME: Final = "s3://"
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
    pk, sk = (base64.urlsafe_b64decode(metadata[name]).decode() for name in (_PK, _SK))
    return DetailKey(pk, sk)


def reference_of(row: Item) -> str | None:
    """The reference that stands for a row's attributes, or None when they are in the row."""
    text = row.get("attributes", {}).get("S")
    return text if isinstance(text, str) and text.startswith(SCHEME) else None


class LargeAttributes:
    """The attributes bucket, as rows use it.

    Args:
        resources: The bucket's name and the size limit, and the client.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @cached_property
    def _s3(self) -> S3Client:
        client: S3Client = self._resources.client("s3")
        return client

    def off_load(self, table: str, row: Item) -> Item:
        """``row``, with its attributes moved to the bucket when it is too large with them.

        Raises:
            InvalidInputError: Even without them it is larger than DynamoDB takes.
            ConfigurationError: It is too large, and there is no bucket.
        """
        size = item_size(row)
        if size <= min(self._resources.settings.attribute_limit, _MAX_ROW):
            return row
        attributes = row.get("attributes")
        movable = item_size({"attributes": attributes}) if attributes else 0
        if size - movable > _MAX_ROW:
            message = (
                f"takes {size - movable} bytes without its attributes, and {_MAX_ROW} fit; "
                "move the large fields into attributes, which may go to S3"
            )
            raise InvalidInputError([FieldProblem("command", message)])
        if attributes is None or (movable <= _REFERENCE and size <= _MAX_ROW):
            return row
        content, content_type = dump(attributes)
        pk, sk = row["pk"]["S"], remove_sort_key_version(row["sk"]["S"])
        key = f"{object_prefix(table, pk, sk)}{hashlib.sha256(content).hexdigest()}.json"
        # Also when it is there already: a young object is safe from being collected.
        self._s3.put_object(
            Bucket=self._bucket, Key=key, Body=content, ContentType=content_type, Metadata=_metadata(pk, sk)
        )
        return row | {"attributes": {"S": f"{SCHEME}{self._bucket}/{key}"}}

    def load(self, row: Item) -> Item:
        """``row`` with its attributes in it, wherever they are. One call when in the bucket.

        Raises:
            CorruptRowError: The bucket has no such object.
        """
        reference = reference_of(row)
        if reference is None:
            return row
        bucket, _, key = reference.removeprefix(SCHEME).partition("/")
        bucket = self._resources.settings.bucket_name or bucket
        try:
            found = self._s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in {"NoSuchKey", "404"}:
                raise
            msg = f"the attributes of {row['pk']['S']} {row['sk']['S']} are not in the bucket; restore {key}"
            raise CorruptRowError(msg) from error
        return row | {"attributes": load(found["Body"].read(), found.get("ContentType", JSON_TYPE))}

    @property
    def _bucket(self) -> str:
        bucket = self._resources.settings.bucket_name
        if bucket is None:
            msg = "the attributes are too large for a row, and S3_BUCKET_NAME is not set"
            raise ConfigurationError(msg)
        return bucket


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _metadata(pk: str, sk: str) -> dict[str, str]:
    """Whose object it is, in ASCII. Keys too long for S3's metadata are left out."""
    found = {name: base64.urlsafe_b64encode(part.encode()).decode() for name, part in ((_PK, pk), (_SK, sk))}
    return found if sum(map(len, found.values())) <= _MAX_METADATA else {}
