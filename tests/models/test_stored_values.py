"""What is stored of a change: the letter of what is unknown, and once what a model makes up."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AliasChoices, ConfigDict, Field, model_validator

from runtime import (
    Change,
    CommandModule,
    CqrsApp,
    CqrsModel,
    ItemCommand,
    State,
    UserContext,
    clock,
    module_routes,
)
from runtime.model.attributes_type import attributes_type
from runtime.store.codec import opened, row_of, sealed
from runtime.store.port import Put
from runtime.testing import MemoryApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.testing.clients import Client

SYNC = {"mode": "sync"}
Attributes = dict[str, Any]


@contextmanager
def stored_item(
    model: Any, attributes: Attributes | None, change: Callable[[Any], Any], **options: Any
) -> Iterator[tuple[MemoryApp, Client, Callable[[], Attributes]]]:
    """An item that another release has stored, and a command that changes its attributes."""

    def command(state: State[Any], _body: None, _user: UserContext) -> State[Any]:
        return state.replace(attributes=change(state.attributes))

    module: CommandModule[Any] = CommandModule("item", attributes=model, **options)
    routes = module_routes(module, prefix="/items", type="ITEM", commands={"change": ItemCommand(command)})
    with MemoryApp(CqrsApp(modules=[module], routes=[routes])) as memory:
        names = {"pk": "ITEM#acme", "sk": "a", "code": "a", "name": "a", "type": "ITEM", "version": 1}
        row = row_of({**names, "id": "ITEM#acme#a", "tenantCode": "acme", "cpk": "ITEM#acme", "csk": "a@1"})
        if attributes is not None:
            row |= row_of({"attributes": attributes})
        memory.store.write(Put(table=module.tables.data, row=row))

        def found() -> Attributes:
            (data,) = memory.rows("item", "data")
            return dict(data["attributes"])

        yield memory, memory.client(tenant="acme", user="ann"), found


# --- What a model makes up ------------------------------------------------------------------


class Made(CqrsModel):
    total: int = 0
    ident: UUID = Field(default_factory=uuid4)


class Timed(CqrsModel):
    total: int = 0
    made_at: datetime = Field(default_factory=clock.now)


class Nested(CqrsModel):
    total: int = 0
    inner: Made = Field(default_factory=Made)
    lines: list[Made] = Field(default_factory=list)
    by_day: dict[date, Made] = Field(default_factory=dict)


class AtImport(CqrsModel):
    total: int = 0
    inner: Made = Made()


class A(CqrsModel):
    kind: Literal["a"] = "a"
    total: int = 0
    ident: UUID = Field(default_factory=uuid4)


class B(CqrsModel):
    kind: Literal["b"] = "b"


class FromOthers(CqrsModel):
    total: int = 0
    label: str = Field(default_factory=lambda data: f"{data['total']}-{uuid4()}")


class Validated(CqrsModel):
    total: int = 0
    ident: str

    @model_validator(mode="before")
    @classmethod
    def with_ident(cls, values: Any) -> Any:
        return {"ident": str(uuid4()), **values} if isinstance(values, dict) else values


class Extra(CqrsModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Made]
    total: int = 0


class Strict(CqrsModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    total: int = 0
    made_at: datetime = Field(default_factory=clock.now)
    seal: bytes = Field(default_factory=lambda: uuid4().bytes)


class Renamed(CqrsModel):
    total: int = 0
    ident: UUID = Field(
        default_factory=uuid4,
        validation_alias=AliasChoices("newName", "oldName"),
        serialization_alias="newName",
    )


class Tree(CqrsModel):
    total: int = 0
    ident: UUID = Field(default_factory=uuid4)
    nodes: list[Tree] | dict[str, Tree] = Field(default_factory=list)
    pair: tuple[Made, int] | None = None


@dataclasses.dataclass
class Plain:
    total: int = 0
    ident: UUID = dataclasses.field(default_factory=uuid4)


MADE_UP: dict[str, tuple[Any, Attributes | None]] = {
    "a field": (Made, {"total": 1}),
    "nothing stored": (Made, None),
    "a time": (Timed, {"total": 1}),
    "nested": (Nested, {"total": 1, "lines": [{"total": 1}], "byDay": {"2026-01-01": {"total": 5}}}),
    "in a nested object": (Nested, {"total": 1, "inner": {"total": 5}}),
    "a default of the import": (AtImport, {"total": 1}),
    "a union": (A | B, {"kind": "a", "total": 1}),
    "a union by tag": (Annotated[A | B, Field(discriminator="kind")], {"kind": "a", "total": 1}),
    "of other fields": (FromOthers, {"total": 1}),
    "a validator": (Validated, {"total": 1}),
    "a dataclass": (Plain, {"total": 1}),
    "extras": (Extra, {"total": 1, "more": {"total": 5}}),
    "a strict model": (Strict, {"total": 1}),
    "another name": (Renamed, {"total": 1}),
    "a tree": (Tree, {"total": 1, "nodes": {"a": {"nodes": [{"total": 5}]}}, "pair": [{"total": 5}, 1]}),
}


def with_total(attributes: Any) -> Any:
    if dataclasses.is_dataclass(attributes):
        return dataclasses.replace(attributes, total=2)  # type: ignore[type-var]
    return attributes.model_copy(update={"total": 2})


def by_rule(change: Change[Any]) -> State[Any]:
    return change.after.replace(attributes=with_total(change.after.attributes))


WAYS: dict[str, Callable[[Client], Any]] = {
    "PATCH": lambda ann: ann.patch("/items/a", {"version": 1, "attributes": {"total": 2}}, params=SYNC),
    "a command": lambda ann: ann.post("/items/a/change", params=SYNC),
    "a rule": lambda ann: ann.patch("/items/a", {"version": 1, "name": "b"}, params=SYNC),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MADE_UP)
def test_what_the_model_makes_up_is_stored_by_the_first_change(name: str, way: str) -> None:
    model, stored = MADE_UP[name]
    rules = [by_rule] if way == "a rule" else []
    with stored_item(model, stored, with_total, decide=rules) as (memory, ann, found):
        answer = WAYS[way](ann)
        assert answer.status == 200, answer.text
        shown = ann.get("/items/a").json()["attributes"]
        assert shown["total"] == found()["total"] == 2
        memory.clock.advance(hours=1)
        # It is the same from now on, in another process as well.
        assert ann.get("/items/a").json()["attributes"] == shown
        attributes_of = attributes_type(model)
        assert attributes_of.plain(attributes_of.read(found())) == attributes_of.plain(
            attributes_of.read(found())
        )
        if name == "a default of the import":
            assert set(found()["inner"]) == {"total", "ident"}
        # What says so again changes nothing.
        body = {"version": 2, "attributes": {"total": 2}}
        assert ann.patch("/items/a", body).status == 204


def test_what_is_the_same_each_time_is_not_written_into_a_row() -> None:
    with stored_item(Nested, {"total": 1, "inner": {"total": 1, "ident": str(uuid4())}}, with_total) as (
        _memory,
        ann,
        found,
    ):
        assert ann.patch("/items/a", {"version": 1, "attributes": {"total": 2}}, params=SYNC).status == 200
        assert set(found()) == {"total", "inner"}


# --- What a model does not know -------------------------------------------------------------


class Line(CqrsModel):
    sku: str = ""
    count: int = 0


class Card(CqrsModel):
    kind: Literal["card"] = "card"
    number: str = ""
    line: Line = Line()


class Cash(CqrsModel):
    kind: Literal["cash"] = "cash"
    paid: int = 0


@dataclasses.dataclass
class Size:
    width: int = 0


class Order(CqrsModel):
    total: int = 0
    line: Line = Line()
    by_key: dict[str, Line] = Field(default_factory=dict)
    by_number: dict[int, Line] = Field(default_factory=dict)
    lines: list[Line] = Field(default_factory=list)
    paid: Annotated[Card | Cash, Field(discriminator="kind")] | None = None
    size: Size = Field(default_factory=Size)
    legacy: Line = Field(
        default=Line(),
        validation_alias=AliasChoices("legacy", "oldName"),
        serialization_alias="legacy",
    )


class Open(CqrsModel):
    model_config = ConfigDict(extra="allow")
    line: Line = Line()


def updated(**fields: Any) -> Callable[[Any], Any]:
    return lambda attributes: attributes.model_copy(update=fields)


UNKNOWN: dict[str, tuple[Any, Attributes, Callable[[Any], Any], Attributes]] = {
    "nested": (
        Order,
        {"line": {"sku": "a", "newer": 5}, "newer": 6},
        updated(line=Line(sku="b")),
        {"line": {"sku": "b", "newer": 5}, "newer": 6},
    ),
    "in a map": (
        Order,
        {"byKey": {"a_b": {"sku": "a", "newer": 5}, "gone": {"newer": 6}, "same": {"newer": 7}}},
        updated(by_key={"a_b": Line(sku="b"), "same": Line(), "more": Line(sku="m")}),
        {
            "byKey": {
                "a_b": {"sku": "b", "newer": 5},
                "same": {"newer": 7},
                "more": {"sku": "m", "count": 0},
            }
        },
    ),
    "keys in another spelling": (
        Order,
        {"byNumber": {"007": {"sku": "a", "newer": 5}, "08": {"newer": 6}, "09": {}}},
        updated(by_number={7: Line(sku="b"), 8: Line()}),
        {"byNumber": {"7": {"sku": "b", "newer": 5}, "08": {"newer": 6}}},
    ),
    "items of a list": (
        Order,
        {"lines": [{"sku": "a", "newer": 5}, {"sku": "b", "newer": 6}]},
        updated(lines=[Line(sku="c"), Line(sku="b")]),
        {"lines": [{"sku": "c", "count": 0}, {"sku": "b", "newer": 6}]},
    ),
    "an option": (
        Order,
        {"paid": {"kind": "card", "number": "1", "newer": 5, "line": {"newer": 6}}},
        updated(paid=Card(number="2", line=Line(sku="c"))),
        {"paid": {"kind": "card", "number": "2", "newer": 5, "line": {"sku": "c", "newer": 6}}},
    ),
    "another option": (
        Order,
        {"paid": {"kind": "card", "number": "1", "newer": 5}},
        updated(paid=Cash(paid=3)),
        {"paid": {"kind": "cash", "paid": 3, "newer": 5}},
    ),
    "a dataclass": (
        Order,
        {"size": {"width": 1, "newer": 5}},
        updated(size=Size(width=2)),
        {"size": {"width": 2, "newer": 5}},
    ),
    "another name": (
        Order,
        {"oldName": {"sku": "a", "newer": 5}},
        updated(legacy=Line(sku="b")),
        {"legacy": {"sku": "b", "newer": 5}},
    ),
    "extras": (
        Open,
        {"line": {"newer": 5}, "more": {"a": 1}, "gone": 1},
        lambda _found: Open(line=Line(sku="b"), more={"a": 2}),  # type: ignore[call-arg]
        {"line": {"sku": "b", "newer": 5}, "more": {"a": 2}},
    ),
}


@pytest.mark.parametrize("way", ["a command", "a rule"])
@pytest.mark.parametrize("name", UNKNOWN)
def test_what_the_model_does_not_know_stays_at_any_depth(name: str, way: str) -> None:
    model, stored, change, after = UNKNOWN[name]

    def rule(asked: Change[Any]) -> State[Any]:
        return asked.after.replace(attributes=change(asked.after.attributes))

    rules = [rule] if way == "a rule" else []
    with stored_item(model, stored, change, decide=rules) as (_memory, ann, found):
        answer = WAYS[way](ann)
        assert answer.status == 200, answer.text
        assert found() == after


some_lines = st.builds(Line, sku=st.sampled_from("ab"), count=st.integers(0, 1))
some_orders = st.builds(
    Order,
    total=st.integers(0, 1),
    line=some_lines,
    by_key=st.dictionaries(st.sampled_from(["a_b", "c"]), some_lines),
    by_number=st.dictionaries(st.integers(7, 8), some_lines),
    lines=st.lists(some_lines, max_size=3),
    paid=st.none() | st.builds(Card, number=st.just("1"), line=some_lines) | st.builds(Cash),
    size=st.builds(Size, width=st.integers(0, 1)),
    legacy=some_lines,
)
MAPS = ("byKey", "byNumber")


def grown(value: Any, name: str = "") -> Any:
    """What a newer release has stored of a value: each object has a field more."""
    if isinstance(value, dict):
        found = {key: grown(inner, key) for key, inner in value.items()}
        return found if name in MAPS else found | {"newer": 1}
    return [grown(inner) for inner in value] if isinstance(value, list) else value


@given(before=some_orders, after=some_orders, are_defaults_left_out=st.booleans())
def test_any_change_is_read_as_it_is_and_takes_nothing_unknown_away(
    before: Order, after: Order, *, are_defaults_left_out: bool
) -> None:
    kind = attributes_type(Order)
    stored = kind.plain(before)
    raw = before.model_dump(by_alias=True, exclude_defaults=True) if are_defaults_left_out else stored
    if raw.get("paid") is not None:
        raw["paid"]["kind"] = stored["paid"]["kind"]  # without its tag it could not be read
    raw, old, new = (
        opened(sealed(value, path="", typed=True)) for value in (grown(raw), stored, kind.plain(after))
    )
    found = kind.kept(raw, old, new)
    assert kind.read(found) == after
    assert found["newer"] == 1
    for name in ("line", "legacy", "size"):
        assert "newer" not in raw.get(name, {}) or found[name]["newer"] == 1
    for name in MAPS:
        for key in raw.get(name, {}).keys() & new[name].keys():
            assert found[name][key]["newer"] == 1
    same = [item for item in new["lines"] if item in old["lines"]]
    kept_items = sum("newer" in item for item in found.get("lines", []))
    assert kept_items == sum(min(same.count(i), old["lines"].count(i)) for i in unique(same))


def unique(items: list[Any]) -> list[Any]:
    return [item for index, item in enumerate(items) if item not in items[:index]]


@given(lacking=st.sets(st.sampled_from(["total", "inner", "lines", "ident"])), count=st.integers(0, 2))
def test_whatever_is_missing_is_made_up_once(lacking: set[str], count: int) -> None:
    kind = attributes_type(Nested)

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without(inner) for name, inner in value.items() if name not in lacking}
        return [without(inner) for inner in value] if isinstance(value, list) else value

    whole = Nested(lines=[Made()] * count, by_day={date(2026, 1, 1): Made()})
    values = without(opened(sealed(kind.plain(whole), path="", typed=True)))
    read = kind.read(values)
    found = kind.completed(values, opened(sealed(kind.plain(read), path="", typed=True)))
    assert kind.read(found) == kind.read(found) == read
    assert set(values) <= set(found)
