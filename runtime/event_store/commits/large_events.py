"""Events that are too large for a row: an object of the attributes bucket, to which the row refers.

It is written before the row, under a key that is made of its content. An append that is refused leaves one
behind that nothing refers to: `DynamoProvider.collect_large_events` takes those away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.errors import ConfigurationError, CorruptRowError
from runtime.event_store.commits.commit_row import EVENTS
from runtime.model.keys import DetailKey
from runtime.store.bucket import object_key_in, object_name, object_prefix
from runtime.store.item_size import MAX_ITEM_BYTES
from runtime.store.unreferenced import Collected, collect_unreferenced

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import timedelta

    from runtime.event_store.address import Key
    from runtime.store.bucket import Bucket
    from runtime.store.values import Row

__all__ = ["LargeEvents"]

_JSON: Final = "application/json"


class LargeEvents:
    """The events of one table that are in the attributes bucket.

    Args:
        bucket: The bucket.
        table: Name of the events table.
        limit: Bytes of a row beyond which its events go to the bucket.
    """

    def __init__(self, bucket: Bucket, table: str, limit: int) -> None:
        self._bucket = bucket
        self._table = table
        # Without a bucket a row may have as much as DynamoDB takes.
        self.limit = MAX_ITEM_BYTES if bucket.name is None else min(limit, MAX_ITEM_BYTES)

    @property
    def has_bucket(self) -> bool:
        """Whether there is anywhere to put them."""
        return self._bucket.name is not None

    def off_load(self, key: Key, text: str) -> str:
        """Put events into the bucket, and return what stands for them in the row. One call.

        Raises:
            ConfigurationError: There is no bucket.
        """
        if not self.has_bucket:
            msg = "the events of one append are too large for a row, and S3_BUCKET_NAME is not set"
            raise ConfigurationError(msg)
        content = text.encode()
        name = f"{self._prefix(key.pk)}{object_name(content)}"
        return self._bucket.put(name, content, _JSON, DetailKey(key.pk, ""))

    def text_of(self, row: Row) -> str | None:
        """The events that are in the bucket, with one call; None where they are in the row.

        Raises:
            CorruptRowError: The bucket has no such object, or it is damaged.
        """
        key = object_key_in(row.get(EVENTS))
        if key is None:
            return None
        found = self._bucket.get(row[EVENTS])
        if found is None:
            msg = f"the events of {row['pk']} {row['sk']} are not in the bucket; restore {key}"
            raise CorruptRowError(msg)
        try:
            return found[0].decode()
        except UnicodeDecodeError:
            msg = f"the events of {row['pk']} {row['sk']} are no text in the bucket; restore {key}"
            raise CorruptRowError(msg) from None

    def delete_all(self, pk: str) -> int:
        """Delete all objects of an aggregate, referred to or not; how many there were."""
        keys = [found.key for found in self._bucket.objects(self._prefix(pk))]
        self._bucket.delete(keys)
        return len(keys)

    def collect(
        self,
        references: Callable[[str], Collection[str | None]],
        *,
        older_than: timedelta,
        dry_run: bool,
        on_object: Callable[[str], None] | None,
    ) -> Collected:
        """Delete the objects that no row refers to; see `collect_unreferenced`.

        Args:
            references: The keys of the objects that the rows under a partition key refer to.
            older_than: Age from which on an object may be deleted.
            dry_run: Delete nothing.
            on_object: Called with the key of each object that is deleted, or would be.

        Raises:
            ConfigurationError: There is no bucket.
        """
        if not self.has_bucket:
            msg = "S3_BUCKET_NAME is not set, so there are no large events to collect"
            raise ConfigurationError(msg)
        return collect_unreferenced(
            self._bucket,
            self._table,
            lambda aggregate: references(aggregate.pk),
            older_than=older_than,
            dry_run=dry_run,
            on_object=on_object,
        )

    def _prefix(self, pk: str) -> str:
        return object_prefix(self._table, pk, "")
