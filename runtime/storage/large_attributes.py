"""Large attributes: kept in S3, referred to by the row as ``s3://bucket/key``.

A row that would exceed ``ATTRIBUTE_LIMIT_SIZE`` as a whole keeps its attributes in an
object whose key is made of their content: publishing the same content again makes no
second object, and a data or history row refers to its command's. Objects are never
changed, so a reference can be passed on.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Final

from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.keys import get_tenant_code, remove_sort_key_version
from runtime.storage.attribute_json import JSON_TYPE, dump, load
from runtime.storage.item_size import MAX_ITEM_BYTES, item_size

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from runtime.resources import Resources
    from runtime.storage.codec import Item

__all__ = ["LargeAttributes", "object_prefix", "reference_of"]

_SCHEME: Final = "s3://"
# What a command grows by on its way to a data or history row: cpk, csk and the author columns
# of the first version. Keys are at most 3 KB, ids and addresses are short.
_GROWTH: Final = 8 * 1024


def object_prefix(table: str, pk: str, sk: str) -> str:
    """Where the objects of one aggregate are, whatever characters its key has."""
    digest = hashlib.sha256(f"{pk}\0{sk}".encode()).hexdigest()[:32]
    return f"ddb/{table}/{get_tenant_code(pk) or 'none'}/{digest}/"


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
        attributes = row.get("attributes")
        size = item_size(row)
        limit = min(self._resources.settings.attribute_limit, MAX_ITEM_BYTES - _GROWTH)
        if size <= limit:
            return row
        rest = size - (item_size({"attributes": attributes}) if attributes else 0)
        if attributes is None or rest > MAX_ITEM_BYTES - _GROWTH:
            message = (
                f"takes {rest} bytes without its attributes, and {MAX_ITEM_BYTES - _GROWTH} fit; "
                "move the large fields into attributes, which may go to S3"
            )
            raise InvalidInputError([FieldProblem("command", message)])
        content, content_type = dump(attributes)
        bucket, key = self._bucket, _object_key(table, row, content)
        self._s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType=content_type)
        return row | {"attributes": {"S": f"{_SCHEME}{bucket}/{key}"}}

    def load(self, row: Item) -> Item:
        """``row`` with its attributes in it, wherever they are. One call when in the bucket."""
        reference = reference_of(row)
        if reference is None:
            return row
        bucket, _, key = reference.removeprefix(_SCHEME).partition("/")
        found = self._s3.get_object(Bucket=self._resources.settings.bucket_name or bucket, Key=key)
        return row | {"attributes": load(found["Body"].read(), found.get("ContentType", JSON_TYPE))}

    @property
    def _bucket(self) -> str:
        bucket = self._resources.settings.bucket_name
        if bucket is None:
            msg = "the attributes are too large for a row, and S3_BUCKET_NAME is not set"
            raise ConfigurationError(msg)
        return bucket


def reference_of(row: Item) -> str | None:
    """The reference that stands for a row's attributes, or None when they are in the row."""
    text = row.get("attributes", {}).get("S")
    return text if isinstance(text, str) and text.startswith(_SCHEME) else None


def _object_key(table: str, row: Item, content: bytes) -> str:
    pk, sk = row["pk"]["S"], remove_sort_key_version(row["sk"]["S"])
    return f"{object_prefix(table, pk, sk)}{hashlib.sha256(content).hexdigest()}.json"
