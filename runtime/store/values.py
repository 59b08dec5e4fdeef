"""What a column of a row may hold, as everything above the store sees it.

A row is a mapping of columns. Those that the library works with (keys, version, status, times,
users) are plain text, numbers, flags or None. Whatever has parts, such as the attributes, is
`Sealed`: it is passed on to the letter, whoever wrote it, and opened only where somebody looks
into it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Place", "Row", "Sealed", "Value"]


class Sealed:
    """A value with parts: a map, a list, a set, or bytes. Two are equal when they say the same.

    Made by `runtime.store.codec`, which also opens it; what is inside is the codec's business. Nobody changes
    it: rows share it.

    Attributes:
        wire: What it says, in DynamoDB's wire format.
        size: Bytes that it takes in a row; None until `runtime.store.item_size` has counted them.
    """

    __slots__ = ("size", "wire")

    def __init__(self, wire: Mapping[str, Any]) -> None:
        self.wire = wire
        self.size: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and self.wire == other.wire

    def __hash__(self) -> int:
        return hash(repr(self.wire))

    def __repr__(self) -> str:
        return "Sealed(...)"  # it may hold personal data


Value: TypeAlias = str | int | Decimal | bool | Sealed | None
"""What a column holds."""

Row: TypeAlias = dict[str, Any]
"""One row: each column's `Value` by its name. Typed as Any, so that what is known need not be asserted."""


class Place(NamedTuple):
    """Where a row is: its table and its key."""

    table: str
    pk: str
    sk: str
