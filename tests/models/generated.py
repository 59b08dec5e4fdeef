"""Models of any shape, with values for them."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from ipaddress import IPv4Address, IPv6Network
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from pydantic import (
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    Json,
    JsonValue,
    NaiveDatetime,
    RootModel,
    computed_field,
    create_model,
)
from typing_extensions import TypedDict

from runtime import CqrsModel

__all__ = ["Given", "attributes", "kinds", "plain_kinds"]


class Colour(Enum):
    RED = "red"
    NONE = 0


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class State(StrEnum):
    OPEN = "open"
    SHUT = "shut"


class Planet(Enum):
    """Values that neither JSON nor a row has as they are."""

    EARTH = (5.5, "blue", (1, 2))
    MARS = (3.25, "red", ())


class Seal(Enum):
    WAX = b"\xff\x00"
    NONE = None
    PRICED = Decimal("1.50")


class Rights(Flag):
    READ = 1
    WRITE = 2


class Bits(IntFlag):
    ONE = 1
    TWO = 2


class Line(CqrsModel):
    unit_price: Decimal
    sold_on: date | None = None
    photo_data: bytes = b""


class Priced(CqrsModel):
    model_config = ConfigDict(extra="forbid")

    net_price: int
    more_lines: list[Line] = Field(default_factory=list)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def gross_price(self) -> int:
        return self.net_price * 2


class Strict(CqrsModel):
    model_config = ConfigDict(strict=True)

    due_at: AwareDatetime
    by_day: dict[date, int]
    ref_id: UUID
    one_pair: tuple[int, str]
    all_tags: frozenset[str] = frozenset()
    share: float = 0.5
    price: Decimal = Decimal(1)
    state: State = State.OPEN


class Card(CqrsModel):
    kind: Literal["card"] = "card"
    last_four: str


class Cash(CqrsModel):
    kind: Literal["cash"] = "cash"
    paid_amount: int
    seal_data: bytes = b"\xff"


class Tags(RootModel[list[str]]):
    pass


class Tree(CqrsModel):
    own_name: str
    sub_trees: list[Tree] = Field(default_factory=list)


class Point(NamedTuple):
    x: int
    y: float


class Extra(CqrsModel):
    model_config = ConfigDict(extra="allow")

    own_field: int


class Loose(BaseModel):
    """No aliases."""

    some_name: str


@dataclass
class Measure:
    amount_of: int
    unit_name: str = "kg"


class Typed(TypedDict, total=False):
    first_key: int
    second_key: date


Given = tuple[Any, Any]
"""A type and a strategy for its values."""


def _made(model: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Models by the names in Python: `st.builds` would ask for the aliases, too."""
    return st.fixed_dictionaries(fields).map(lambda values: model(**values))


_whole: Final = st.integers(min_value=-(10**30), max_value=10**30)
_texts: Final = st.text(st.characters(codec="utf-8"), max_size=8)
_floats: Final = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: number == 0 or 1e-100 < abs(number) < 1e100
)
#: Where nothing says that a number is a float, it is read as what it was written as: beyond 2**53 a
#: whole one may print as another number than the float is.
_printed_floats: Final = _floats.filter(lambda number: number == Decimal(repr(number)) or abs(number) < 2**53)
_decimals: Final = st.integers(-(10**24), 10**24).map(lambda whole: Decimal(whole).scaleb(-4))
_moments: Final = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1))  # noqa: DTZ001
_zones: Final = st.sampled_from(
    [UTC, timezone(timedelta(hours=9, minutes=30)), timezone(timedelta(hours=-3))]
)
_aware: Final = st.builds(lambda moment, zone: moment.replace(tzinfo=zone), _moments, _zones)
_days: Final = st.dates(min_value=date(1900, 1, 1))
_lines: Final = _made(Line, unit_price=_decimals, sold_on=st.none() | _days, photo_data=st.binary(max_size=6))
_trees: Final = st.recursive(
    _made(Tree, own_name=_texts),
    lambda inner: _made(Tree, own_name=_texts, sub_trees=st.lists(inner, max_size=2)),
    max_leaves=4,
)
_json: Final = st.recursive(
    st.none() | st.booleans() | _whole | _printed_floats | _texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_texts, inner, max_size=2),
    max_leaves=4,
)

plain_kinds: Final[list[Given]] = [
    (int, _whole),
    (float, _floats),
    (bool, st.booleans()),
    (str, _texts),
    (bytes, st.binary(max_size=8)),
    (Decimal, _decimals),
    (AwareDatetime, _aware),
    (NaiveDatetime, _moments),
    (date, _days),
    (time, st.times()),
    (timedelta, st.timedeltas(min_value=timedelta(days=-9999), max_value=timedelta(days=9999))),
    (UUID, st.uuids()),
    (Colour, st.sampled_from(Colour)),
    (Size, st.sampled_from(Size)),
    (State, st.sampled_from(State)),
    (Planet, st.sampled_from(Planet)),
    (Seal, st.sampled_from(Seal)),
    (Rights, st.sampled_from([Rights.READ, Rights.READ | Rights.WRITE, Rights(0)])),
    (Bits, st.sampled_from([Bits.TWO, Bits.ONE | Bits.TWO])),
    (Literal[b"\xff", "a", 1], st.sampled_from([b"\xff", "a", 1])),
    (HttpUrl, st.sampled_from([HttpUrl("https://example.com/a?b=c"), HttpUrl("http://192.0.2.1:8080")])),
    (IPv4Address, st.builds(IPv4Address, st.integers(0, 2**32 - 1))),
    (IPv6Network, st.just(IPv6Network("2001:db8::/32"))),
    (PurePosixPath, st.sampled_from([PurePosixPath("/a/b"), PurePosixPath("c.txt")])),
    (ZoneInfo, st.sampled_from([ZoneInfo("UTC"), ZoneInfo("Asia/Tokyo")])),
    (re.Pattern, st.sampled_from([re.compile("a+"), re.compile("[b]")])),
    (Base64Bytes, st.binary(max_size=6)),
    (Json[dict[str, int]], st.dictionaries(_texts, st.integers(0, 9), max_size=2)),
    (Json[list[Loose]], st.lists(_made(Loose, some_name=_texts), max_size=1)),
    (JsonValue, _json),
    (Line, _lines),
    (Priced, _made(Priced, net_price=st.integers(0, 99), more_lines=st.lists(_lines, max_size=2))),
    (
        Strict,
        _made(
            Strict,
            due_at=_aware,
            by_day=st.dictionaries(_days, st.integers(0, 9), max_size=2),
            ref_id=st.uuids(),
            one_pair=st.tuples(st.integers(0, 9), _texts),
            all_tags=st.frozensets(_texts, max_size=2),
            share=_floats,
            price=_decimals,
            state=st.sampled_from(State),
        ),
    ),
    (
        Annotated[Card | Cash, Field(discriminator="kind")],
        _made(Card, last_four=_texts) | _made(Cash, paid_amount=_whole, seal_data=st.binary(max_size=4)),
    ),
    (Card | Loose, _made(Card, last_four=_texts) | _made(Loose, some_name=_texts)),
    (Tags, st.builds(Tags, st.lists(_texts, max_size=2))),
    (Tree, _trees),
    (Point, st.builds(Point, st.integers(0, 9), _floats)),
    (Extra, _made(Extra, own_field=st.integers(0, 9), added_one=_texts)),
    (Loose, _made(Loose, some_name=_texts)),
    (Measure, st.builds(Measure, st.integers(0, 9), _texts)),
    (Typed, st.fixed_dictionaries({}, optional={"first_key": st.integers(0, 9), "second_key": _days})),
    (int | str, _whole | _texts),
    (bool | int, st.booleans() | _whole),
    (dict[str, Any], st.dictionaries(_texts, _whole | _texts | st.none(), max_size=2)),
]
"""Types without parameters, and their values."""

_hashable: Final = [
    given
    for given in plain_kinds
    if given[0]
    in {int, bool, str, bytes, Decimal, AwareDatetime, date, UUID, Colour, State, IPv4Address, timedelta}
]
#: What a key of a mapping can be, apart from text of any form.
_keys: Final = [
    (kind, values)
    for kind, values in plain_kinds
    if kind in {int, bool, str, date, UUID, Colour, Size, State, IPv4Address, HttpUrl}
]


def _around(kind: Given) -> st.SearchStrategy[Given]:
    """A type with another one in it."""
    inner, values = kind
    return st.sampled_from(
        [
            (list[inner], st.lists(values, max_size=2)),
            (inner | None, st.none() | values),
            (tuple[inner, ...], st.lists(values, max_size=2).map(tuple)),
            (tuple[int, inner], st.tuples(st.integers(0, 9), values)),
            (deque[inner], st.lists(values, max_size=2).map(deque)),
        ]
    ) | st.sampled_from(_keys).map(
        lambda key: (dict[key[0], inner], st.dictionaries(key[1], values, max_size=2))  # type: ignore[valid-type]
    )


_sets: Final = st.sampled_from(_hashable).flatmap(
    lambda kind: st.sampled_from(
        [
            (set[kind[0]], st.sets(kind[1], max_size=3)),  # type: ignore[valid-type]
            (frozenset[kind[0]], st.frozensets(kind[1], max_size=3)),  # type: ignore[valid-type]
        ]
    )
)

kinds: Final[st.SearchStrategy[Given]] = st.recursive(
    st.sampled_from(plain_kinds) | _sets, lambda inner: inner.flatmap(_around), max_leaves=3
)
"""Any type that attributes can have a field of, with a strategy for its values."""

_NAMES: Final = ("first_one", "second", "url", "ref", "type", "schema_", "serialization", "metadata_")


@st.composite
def attributes(draw: st.DrawFn) -> CqrsModel:
    """Attributes of a model that was made for them."""
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3, unique=True))
    chosen = {name: draw(kinds) for name in names}
    extra = draw(st.sampled_from(["ignore", "forbid", "allow"]))
    base = type("Base", (CqrsModel,), {"model_config": ConfigDict(extra=extra), "__module__": __name__})
    fields: dict[str, Any] = {name: (kind, ...) for name, (kind, _) in chosen.items()}
    model = create_model("Made", __base__=base, **fields)
    # As it is, not checked: what is wanted is the very value that is given here.
    made: CqrsModel = model.model_construct(**{name: draw(values) for name, (_, values) in chosen.items()})
    return made
