"""A model with a field of each type that attributes may have."""

from __future__ import annotations

from datetime import date, datetime, time  # noqa: TC003 - pydantic reads the annotations
from decimal import Decimal  # noqa: TC003
from enum import Enum, StrEnum
from typing import Any
from uuid import UUID  # noqa: TC003

from hypothesis import strategies as st
from pydantic import Field

from runtime import CqrsModel
from tests.support.values import attributes, moments, numbers, texts

__all__ = ["Colour", "Everything", "Part", "Size", "everything"]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Part(CqrsModel):
    part_name: str
    unit_price: Decimal
    seen_at: datetime | None = None


class Everything(CqrsModel):
    """A field of each type that attributes may have."""

    text: str
    whole_number: int
    amount: Decimal
    ratio: float
    flag: bool
    nothing: int | None
    moment: datetime
    day: date
    clock: time
    blob: bytes
    uid: UUID
    colour: Colour
    size: Size
    tags: set[str]
    sizes: frozenset[int]
    prices: set[Decimal]
    blobs: set[bytes]
    days: set[date]
    pair: tuple[int, str]
    main_part: Part | None
    parts: list[Part]
    by_name: dict[str, Part]
    free: dict[str, Any] = Field(default_factory=dict)


parts = st.fixed_dictionaries(
    {"part_name": texts, "unit_price": numbers, "seen_at": st.none() | moments}
).map(Part.model_validate)
everything = st.fixed_dictionaries(
    {
        "text": texts,
        "whole_number": st.integers(-(10**38) + 1, 10**38 - 1),
        "amount": numbers,
        "ratio": st.floats(-1e120, 1e120).filter(lambda ratio: ratio == 0 or abs(ratio) > 1e-120),
        "flag": st.booleans(),
        "nothing": st.none() | st.integers(0, 9),
        "moment": moments,
        "day": st.dates(),
        "clock": st.times(),
        "blob": st.binary(max_size=8),
        "uid": st.uuids(),
        "colour": st.sampled_from(Colour),
        "size": st.sampled_from(Size),
        "tags": st.sets(texts, max_size=4),
        "sizes": st.frozensets(st.integers(-99, 10**30), max_size=4),
        "prices": st.sets(numbers, max_size=4),
        "blobs": st.sets(st.binary(max_size=4), max_size=3),
        "days": st.sets(st.dates(), max_size=3),
        "pair": st.tuples(st.integers(0, 9), texts),
        "main_part": st.none() | parts,
        "parts": st.lists(parts, max_size=2),
        "by_name": st.dictionaries(texts, parts, max_size=2),
        "free": attributes,
    }
).map(Everything.model_validate)
