"""Collecting large attributes that no row refers to any more.

Rows go when their time to live is over, or by hand; the objects that they referred to
stay. Run `collect_large_attributes` now and then, from a schedule or a shell. It needs to
list the bucket, to read and delete its objects, and to query the module's tables.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Attr, Key

from runtime.errors import ConfigurationError
from runtime.module_context import context_of
from runtime.pipeline.versions import version_rows
from runtime.store.unreferenced import Collected, collect_unreferenced

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.model.keys import DetailKey
    from runtime.module_context import HasContext, ModuleContext

__all__ = ["Collected", "collect_large_attributes"]

_DAY: Final = timedelta(days=1)


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
        ConfigurationError: There is no attributes bucket; or ``on_object`` would only begin its work, or
            takes something else.
    """
    context = context_of(module)
    if context.large_attributes.bucket is None:
        msg = "S3_BUCKET_NAME is not set, so there are no large attributes to collect"
        raise ConfigurationError(msg)
    return collect_unreferenced(
        context.large_attributes,
        context.tables.command,
        lambda aggregate: _referenced(context, aggregate),
        older_than=older_than,
        dry_run=dry_run,
        on_object=on_object,
    )


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
