"""Deleting the objects of the attributes bucket that no row refers to any more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final, Protocol

from runtime import clock
from runtime.errors import FieldProblem, InvalidInputError
from runtime.imports import check_done, check_function
from runtime.store.bucket import object_prefix, table_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import datetime

    from runtime.model.keys import DetailKey
    from runtime.store.bucket import ObjectHead, StoredObject

__all__ = ["Collected", "collect_unreferenced"]

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


class _Objects(Protocol):
    """What is asked of a bucket; see `runtime.store.bucket.Bucket`."""

    def objects(self, prefix: str) -> Iterator[StoredObject]: ...
    def head(self, key: str) -> ObjectHead | None: ...
    def delete(self, keys: Iterable[str]) -> None: ...


def collect_unreferenced(
    bucket: _Objects,
    table: str,
    references: Callable[[DetailKey], Collection[str | None]],
    *,
    older_than: timedelta,
    dry_run: bool = False,
    on_object: Callable[[str], None] | None = None,
) -> Collected:
    """Delete the objects of a table that no row of their aggregate refers to.

    One request for each aggregate with objects that are old enough, and two for each object that is deleted.

    Args:
        bucket: The bucket.
        table: Name of the table that the objects are of.
        references: The keys of the objects that the rows of an aggregate refer to, read consistently.
        older_than: Age from which on an object may be deleted: an object is written before its row.
        dry_run: Delete nothing.
        on_object: Called with the key of each object that is deleted, or would be.

    Raises:
        InvalidInputError: ``older_than`` is negative.
        ConfigurationError: ``on_object`` would only begin its work, or takes something else.
    """
    if on_object is not None:
        check_function(on_object, "on_object", ("key",))
    if older_than < timedelta(0):
        raise InvalidInputError([FieldProblem("older_than", f"must not be negative, got {older_than}")])
    cutoff = clock.now() - older_than
    found = deleted = 0
    for folder, group in groupby(bucket.objects(table_prefix(table)), key=lambda entry: _folder(entry.key)):
        entries = list(group)
        found += len(entries)
        old = [entry.key for entry in entries if entry.modified <= cutoff]
        aggregate = _aggregate(bucket, table, folder, old)
        if aggregate is None:
            continue
        referenced = references(aggregate)
        for key in old:
            if key not in referenced and (dry_run or _delete(bucket, key, cutoff)):
                deleted += 1
                if on_object:
                    done: object = on_object(key)
                    check_done(done, "on_object")
    return Collected(deleted, found - deleted)


def _aggregate(bucket: _Objects, table: str, folder: str | None, keys: list[str]) -> DetailKey | None:
    """Whose objects are in a folder; None where they do not tell."""
    if folder is None or not keys:
        return None
    head = bucket.head(keys[0])
    aggregate = head.aggregate if head else None
    return aggregate if aggregate and object_prefix(table, *aggregate) == folder else None


def _delete(bucket: _Objects, key: str, cutoff: datetime) -> bool:
    """Delete an object, unless it was written again since it was listed, or is gone."""
    head = bucket.head(key)
    if head is None or head.modified > cutoff:
        return False
    bucket.delete([key])
    return True


def _folder(key: str) -> str | None:
    match = _OWN.fullmatch(key)
    return match[1] if match else None
