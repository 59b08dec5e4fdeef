"""What a duplicate takes over from its original: its state, and nothing of its life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.storage.rows import DATA_TTL

if TYPE_CHECKING:
    from runtime.storage.codec import Item

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


def duplicated(row: Item) -> Item:
    """The caller's part of a row that says the same as ``row``."""
    return {name: row[name] for name in _STATE if name in row}
