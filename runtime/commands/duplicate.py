"""What a duplicate takes over from its original: its state, and nothing of its life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.model.rows import DATA_TTL

if TYPE_CHECKING:
    from runtime.model.schema import Schema
    from runtime.store.values import Row

__all__ = ["duplicated"]

_STATE: Final = (
    "pk",
    "id",
    "code",
    "name",
    "tenantCode",
    "type",
    "isDeleted",
    "seq",
    "attributes",
    DATA_TTL,
)


def duplicated(row: Row, schema: Schema, version: int) -> Row:
    """The caller's part of a row that says the same as ``row``, as this version of the aggregate.

    The attributes are taken over to the letter, so they keep their schema.
    """
    return {name: row[name] for name in _STATE if name in row} | schema.stamp(schema.of(row), version)
