"""The rows of one aggregate in a table of versions: its commands, or its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Key

from runtime.model.keys import VER_SEPARATOR, get_sort_key_version, remove_sort_key_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from boto3.dynamodb.conditions import ConditionBase

    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.values import Row

__all__ = ["has_versions", "version_rows"]

_KEY = ("pk", "sk")


def version_rows(
    context: ModuleContext,
    table: str,
    key: DetailKey,
    *,
    columns: Sequence[str] | None = None,
    only: ConditionBase | None = None,
) -> list[Row]:
    """Every version of an aggregate that a table has, the first one first. One query, consistent.

    Args:
        context: Module of the aggregate.
        table: Its command table or its history table.
        key: Key of the aggregate.
        columns: Columns to return beside the key. Default: all of them.
        only: Filter on the rows that are read.
    """
    wanted = None if columns is None else tuple(dict.fromkeys((*_KEY, *columns)))
    versions = _versions(key)
    rows: list[Row] = []
    start: Row | None = None
    while True:
        page = context.store.query(table, versions, start=start, columns=wanted, only=only)
        # `A@` also begins the keys of an aggregate `A@x`: keep those of this one.
        rows += [row for row in page.rows if remove_sort_key_version(row["sk"]) == key.sk]
        if page.next is None:
            break
        start = page.next
    # Sort keys compare as text, where @10 comes before @9.
    return sorted(rows, key=lambda row: get_sort_key_version(row["sk"]))


def has_versions(context: ModuleContext, key: DetailKey) -> bool:
    """Whether an aggregate has commands, or one whose key goes on behind an `@`. Reads one row."""
    page = context.store.query(context.tables.command, _versions(key), limit=1, columns=_KEY)
    return bool(page.rows)


def _versions(key: DetailKey) -> ConditionBase:
    return Key("pk").eq(key.pk) & Key("sk").begins_with(key.sk + VER_SEPARATOR)
