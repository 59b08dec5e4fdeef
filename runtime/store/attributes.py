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

import re
from copy import copy
from typing import TYPE_CHECKING, Any, Final, get_origin

from pydantic import BaseModel, RootModel

from runtime.contract import Env
from runtime.errors import ConfigurationError, CorruptRowError, FieldProblem, InvalidInputError
from runtime.model.keys import DetailKey, remove_sort_key_version
from runtime.store.answer_size import MOST_GROWTH, answer_size
from runtime.store.attribute_json import JSON_TYPE, dump, load
from runtime.store.bucket import S3Bucket, object_key_in, object_name, object_prefix, table_prefix
from runtime.store.item_size import MAX_ITEM_BYTES, item_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mypy_boto3_s3 import S3Client

    from runtime.settings import Settings
    from runtime.store.bucket import Bucket, ObjectHead, StoredObject
    from runtime.store.values import Row

__all__ = ["LargeAttributes", "reference_of"]

_FILE: Final = re.compile(r"(@[0-9]+)?/[^/]+", re.DOTALL)
# What a command grows by on its way to a data or history row: cpk, csk and the author columns
# of the first version. Keys are at most 3 KB, ids and addresses are short.
_GROWTH: Final = 8 * 1024
_MAX_ROW: Final = MAX_ITEM_BYTES - _GROWTH
# About what a reference takes: attributes smaller than that gain nothing in the bucket.
_REFERENCE: Final = 512

_HEAD: Final = "$head#"  # see `runtime.module_context.HEAD`


def reference_of(row: Row) -> str | None:
    """The reference that stands for a row's attributes, or None when they are in the row.

    For rows of a module whose attributes are an object; see `LargeAttributes.object_key_of`.
    """
    text = row.get("attributes")
    return None if object_key_in(text) is None else text


class LargeAttributes:
    """The attributes of rows in the attributes bucket.

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
        self._bucket: Bucket = S3Bucket(settings.bucket_name, s3)
        self._may_be_text = not _is_object(attributes)

    def of_type(self, attributes: Any) -> LargeAttributes:  # noqa: ANN401 - a type
        """The same bucket, for a module with this type of attributes."""
        found = copy(self)
        vars(found)["_may_be_text"] = not _is_object(attributes)
        return found

    @property
    def bucket(self) -> str | None:
        """Name of the bucket, or None where the deployment has none."""
        return self._bucket.name

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
        key = DetailKey(row["pk"], remove_sort_key_version(row["sk"]))
        name = f"{object_prefix(table, *key)}{object_name(content)}"
        return row | {"attributes": self._bucket.put(name, content, content_type, key)}

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
        """Key of the object with a row's attributes, or None when they are in the row."""
        key = object_key_in(row.get("attributes"))
        if key is None or (self._may_be_text and not _is_own(key.split("/", 2)[2], row)):
            return None
        return key

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
        found = self._bucket.get(row["attributes"])
        if found is None:
            msg = f"the attributes of {row['pk']} {row['sk']} are not in the bucket; restore {key}"
            raise CorruptRowError(msg)
        content, content_type = found
        return row | {"attributes": load(content, content_type or JSON_TYPE)}

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """See `Bucket.objects`."""
        return self._bucket.objects(prefix)

    def head(self, key: str) -> ObjectHead | None:
        """See `Bucket.head`."""
        return self._bucket.head(key)

    def delete(self, keys: Iterable[str]) -> None:
        """See `Bucket.delete`."""
        self._bucket.delete(keys)


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
