"""Collecting large attributes that no row refers to any more.

Rows go when their time to live is over, or by hand; the objects that they referred to
stay. Run `collect_large_attributes` now and then, from a schedule or a shell. It needs to
list the bucket, to read and delete its objects, and to query the module's tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Attr, Key

from runtime import clock
from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.pipeline.versions import version_rows
from runtime.store.bucket import object_prefix, table_prefix

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runtime.model.keys import DetailKey
    from runtime.module_context import HasContext, ModuleContext

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
    module: HasContext,
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
    context = module.context
    if context.large_attributes.bucket is None:
        msg = "S3_BUCKET_NAME is not set, so there are no large attributes to collect"
        raise ConfigurationError(msg)
    cutoff = clock.now() - older_than
    found = deleted = 0
    objects = context.large_attributes.objects(table_prefix(context.tables.command))
    for folder, group in groupby(objects, key=lambda entry: _folder(entry.key)):
        entries = list(group)
        found += len(entries)
        old = [entry.key for entry in entries if entry.modified <= cutoff]
        for key in _unreferenced(context, folder, old):
            if dry_run or _delete(context, key, cutoff):
                deleted += 1
                if on_object:
                    on_object(key)
    return Collected(deleted, found - deleted)


def _unreferenced(context: ModuleContext, folder: str | None, keys: list[str]) -> list[str]:
    """Those of ``keys``, all in one folder, that no row of its aggregate refers to."""
    if folder is None or not keys:
        return []
    head = context.large_attributes.head(keys[0])
    aggregate = head.aggregate if head else None
    if aggregate is None or object_prefix(context.tables.command, *aggregate) != folder:
        return []
    referenced = _referenced(context, aggregate)
    return [key for key in keys if key not in referenced]


def _delete(context: ModuleContext, key: str, cutoff: datetime) -> bool:
    """Delete an object, unless it was published again since it was listed, or is gone."""
    head = context.large_attributes.head(key)
    if head is None or head.modified > cutoff:
        return False
    context.large_attributes.delete([key])
    return True


def _referenced(context: ModuleContext, aggregate: DetailKey) -> set[str | None]:
    """Keys of the objects that rows of an aggregate refer to.

    References go from the command to the data row and on to the history row. The tables are
    read in this order, so none is missed on its way.
    """
    # Attributes that are in their row would be read for nothing.
    columns, only = ("pk", "sk", "attributes"), Attr("attributes").attribute_type("S")
    data_key = Key("pk").eq(aggregate.pk) & Key("sk").eq(aggregate.sk)
    commands = version_rows(context, context.tables.command, aggregate, columns=columns, only=only)
    data = context.store.query(context.tables.data, data_key, columns=columns, only=only).rows
    history = version_rows(context, context.tables.history, aggregate, columns=columns, only=only)
    return {context.large_attributes.object_key_of(row) for row in (*commands, *data, *history)}


def _folder(key: str) -> str | None:
    match = _OWN.fullmatch(key)
    return match[1] if match else None
