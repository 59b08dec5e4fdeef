"""What callers get: numbers, ranges of them, counters, and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

__all__ = ["Gap", "SequenceCounter", "SequenceItem", "SequencePage", "SequenceRange"]


@dataclass(frozen=True, slots=True)
class SequenceItem:
    """A number.

    Attributes:
        id: The counter that it is of: ``pk#sk`` of its row.
        no: The number.
        formatted_no: The number as it is printed.
        issued_at: When, in the zone of the series: the moment that bucket and print are of.
        bucket: The part of the counter's key that changes when numbers begin anew.
    """

    id: str
    no: int
    formatted_no: str
    issued_at: datetime
    bucket: str


@dataclass(frozen=True, slots=True)
class SequenceRange:
    """Numbers that were taken at once, for whoever makes many documents; iterating gives them one by one.

    Attributes:
        first: The first number.
        last: The last number.
        item: Makes one of them.
    """

    first: int
    last: int
    item: Callable[[int], SequenceItem]

    def __len__(self) -> int:
        """How many there are."""
        return self.last - self.first + 1

    def __iter__(self) -> Iterator[SequenceItem]:
        """The numbers, from the first to the last."""
        return map(self.item, range(self.first, self.last + 1))


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers that nothing has, though later ones are given.

    Attributes:
        first: The first of them.
        last: The last of them.
        reason: Why, as `SequenceModule.void` or `SequenceModule.set_sequence` was told; None where nothing
            says so.
    """

    first: int
    last: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SequenceCounter:
    """A counter as it stands.

    Attributes:
        type_code: The series.
        codes: The codes.
        bucket: The part of the key that changes when numbers begin anew.
        no: The last number that was given.
        updated_at: When, as the row has it; None where it does not say.
    """

    type_code: str
    codes: tuple[str, ...]
    bucket: str
    no: int
    updated_at: str | None


@dataclass(frozen=True, slots=True)
class SequencePage:
    """Some counters of a tenant, in the order of their keys.

    Attributes:
        items: The counters.
        last_sk: Pass it as ``start_from_sk`` to get the next page; None on the last page.
    """

    items: list[SequenceCounter]
    last_sk: str | None
