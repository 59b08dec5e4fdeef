"""Partial updates by the shape of the model: names at any depth, keys of maps, unknown fields, nulls."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations
from datetime import date, datetime  # noqa: TC003 - pydantic reads the annotations
from decimal import Decimal  # noqa: TC003
from enum import IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID  # noqa: TC003

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AliasChoices, ConfigDict, Field

from runtime import REMOVE, CqrsModel, InvalidInputError
from runtime.commands.change import merged, spelled
from runtime.model.attributes_type import attributes_type
from tests.models.test_round_trips import PK, STATE, SYNC, service


class Size(IntEnum):
    SMALL = 1


class Line(CqrsModel):
    unit_price: int
    sold_qty: int = 1


class Card(CqrsModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["card"] = "card"
    last_four: str
    holder_name: str | None = None


class Cash(CqrsModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["cash"] = "cash"
    paid_amount: int
    holder_name: str | None = None


class Node(CqrsModel):
    own_value: int = 0
    sub_nodes: list[Node] = Field(default_factory=list)
    by_name: dict[str, Node] = Field(default_factory=dict)
    next_one: Node | None = None


class Open(CqrsModel):
    model_config = ConfigDict(extra="allow")

    own_value: int = 0


class Order(CqrsModel):
    unit_price: int = 0
    lines: dict[str, Line] = Field(default_factory=dict)
    more_lines: dict[str, dict[str, Line]] | None = None
    by_size: dict[Size, Line] = Field(default_factory=dict)
    by_day: dict[date, list[Line]] = Field(default_factory=dict)
    any_mapping: Mapping[str, Line] = Field(default_factory=dict)
    pair: tuple[Line, int] | None = None
    payment: Annotated[Card | Cash, Field(discriminator="kind")] | None = None
    either: Card | Cash | None = None
    node: Node = Node()
    open_one: Open = Open()
    free: dict[str, Any] = Field(default_factory=dict)
    legacy_name: str | None = Field(
        None, validation_alias=AliasChoices("legacyName", "oldName"), serialization_alias="legacyName"
    )


def changed(change: Any, base: dict[str, Any] | None = None) -> Any:
    """What a change makes of attributes as they are stored."""
    wanted, before = spelled(attributes_type(Order).shape, change, base or {})
    return merged(before, wanted)


PLACES: dict[str, Any] = {
    "map": lambda inner: {"lines": {"unit_price": inner}},
    "maps": lambda inner: {"moreLines": {"own_value": {"unitPrice": inner}}},
    "mapping": lambda inner: {"anyMapping": {"unit_price": inner}},
    "list": lambda inner: {"byDay": {"2026-01-01": [inner, {"unitPrice": 3}]}},
    "tuple": lambda inner: {"pair": [inner, 1]},
}


@pytest.mark.parametrize("name", PLACES)
def test_names_mean_the_same_in_either_spelling_and_keys_stay(name: str) -> None:
    place = PLACES[name]
    for line in ({"unit_price": 9, "sold_qty": 2}, {"unitPrice": 9, "soldQty": 2}):
        assert changed(place(line)) == place({"unitPrice": 9, "soldQty": 2})


keys = st.sampled_from(["unit_price", "unitPrice", "own_value", "kind", "free", "a.b", ""])


@given(path=st.lists(st.sampled_from(["sub_nodes", "by_name", "next_one"]), max_size=5), key=keys)
def test_names_at_any_depth(path: list[str], key: str) -> None:
    ways: dict[str, Any] = {
        "sub_nodes": lambda v: [v],
        "by_name": lambda v: {key: v},
        "next_one": lambda v: v,
    }
    stored = {"sub_nodes": "subNodes", "by_name": "byName", "next_one": "nextOne"}
    given_one: Any = {"own_value": 1}
    wanted: Any = {"ownValue": 1}
    unknown: Any = {"own_valeu": 1}
    for name in path:
        given_one, wanted = {name: ways[name](given_one)}, {stored[name]: ways[name](wanted)}
        unknown = {name: ways[name](unknown)}
    assert changed({"node": given_one}) == {"node": wanted}
    with pytest.raises(InvalidInputError) as caught:
        changed({"node": unknown})
    (problem,) = caught.value.problems
    assert problem.field.endswith(".own_valeu")
    assert "known are byName, nextOne, ownValue, subNodes" in problem.message


CASH = {"kind": "cash", "paidAmount": 5}


@pytest.mark.parametrize(
    ("base", "change", "after"),
    [
        # A union: by its tag, by the tag before, by what fits.
        ({"payment": CASH}, {"payment": {"paid_amount": 9}}, {"kind": "cash", "paidAmount": 9}),
        (
            {"payment": CASH | {"holderName": "Ann"}},
            {"payment": {"kind": "card", "last_four": "1"}},
            {"kind": "card", "lastFour": "1", "holderName": "Ann"},
        ),
        ({"either": CASH}, {"either": {"paid_amount": 9}}, {"kind": "cash", "paidAmount": 9}),
        ({"either": CASH}, {"either": {"holder_name": "Ann"}}, CASH | {"holderName": "Ann"}),
        ({}, {"either": {"last_four": "1"}}, {"lastFour": "1"}),
        # Keys that are no text in Python are the text that they are stored as.
        (
            {"bySize": {"1": {"unitPrice": 1}}},
            {"by_size": {Size.SMALL: {"sold_qty": 4}}},
            {"1": {"unitPrice": 1, "soldQty": 4}},
        ),
        # What is free is free, and what allows others takes them.
        ({"free": {"a_b": {"c_d": 1}}}, {"free": {"a_b": {"e_f": 2}}}, {"a_b": {"c_d": 1, "e_f": 2}}),
        (
            {},
            {"open_one": {"own_value": 1, "what_ever": {"x_y": 1}}},
            {"ownValue": 1, "what_ever": {"x_y": 1}},
        ),
        # Another writer's spelling of what is changed goes away.
        ({"oldName": "a"}, {"legacy_name": "b"}, "b"),
        ({"legacy_name": "a"}, {"legacy_name": REMOVE}, None),
        # Of fields that nobody knows what is there can be removed, and stays otherwise.
        (
            {"lines": {"x": {"unitPrice": 1, "gone": 1}}},
            {"lines": {"x": {"gone": REMOVE}}},
            {"x": {"unitPrice": 1}},
        ),
        (
            {"lines": {"x": {"unitPrice": 1, "kept": 1}}},
            {"lines": {"x": {"unit_price": 2}}},
            {"x": {"unitPrice": 2, "kept": 1}},
        ),
        # A model in the change.
        ({}, {"lines": {"x": Line(unit_price=1)}}, {"x": {"unitPrice": 1, "soldQty": 1}}),
    ],
)
def test_what_becomes_of_what_was_there(base: Any, change: Any, after: Any) -> None:
    found = changed(change, base)
    assert list(found.values()) == ([] if after is None else [after])
    assert not {"oldName", "legacy_name"} & found.keys()


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"stauts": 1}, "attributes.stauts", "is no field of Order"),
        ({"stauts": REMOVE}, "attributes.stauts", "is no field of Order"),
        ({"lines": {"x": {"qty": 1}}}, "attributes.lines.x.qty", "known are soldQty, unitPrice"),
        ({"byDay": {"2026-01-01": [{}, {"qty": 1}]}}, "attributes.byDay.2026-01-01.1.qty", "Line"),
        ({"payment": {"kind": "cash", "last_four": "1"}}, "attributes.payment.last_four", "Cash"),
        ({"either": {"nobody": 1}}, "attributes.either.nobody", "no field"),
        ({"unit_price": 1, "unitPrice": 2}, "attributes.unitPrice", "given twice"),
        ({"free": {"x": [REMOVE]}}, "attributes.free.x.0", "whole list"),
    ],
)
def test_what_is_refused(change: Any, field: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        changed(change)
    assert [problem.field for problem in caught.value.problems] == [field]


def test_over_http_a_null_of_a_merge_patch_removes_what_it_names() -> None:
    with service(Order) as (module, memory, _):
        client, me = memory.client(tenant="acme"), memory.user(tenant="acme")
        attributes = {
            "lines": {"unit_price": {"unitPrice": 2, "soldQty": 3}, "x": {"unitPrice": 1}},
            "payment": {"kind": "card", "lastFour": "1", "holderName": "Ann"},
            "free": {"keep": None, "drop": 1},
        }
        command = {**STATE, "version": 0, "attributes": attributes, "seq": 3}
        module.commands.publish_sync(command, invoke_context=me)
        patch = {
            "version": 1,
            "seq": None,
            "attributes": {
                "lines": {"unit_price": {"sold_qty": None}, "x": None},
                "payment": {"holder_name": None},
                "free": {"drop": None, "new": {"deep": None, "kept": 1}},
                "unit_price": None,
            },
        }
        merge = {"content-type": "application/merge-patch+json"}
        assert client.patch("/items/A1", patch, params=SYNC, headers=merge).status == 200
        (row,) = memory.rows("item", "data")
        assert "seq" not in row
        stored = row["attributes"]
        assert stored["lines"] == {"unit_price": {"unitPrice": 2}}
        assert stored["payment"] == {"kind": "card", "lastFour": "1"}
        assert stored["free"] == {"keep": None, "new": {"kept": 1}}
        assert "unitPrice" not in stored
        # All of them: nothing of them is required.
        none = {"version": 2, "attributes": None}
        assert client.patch("/items/A1", none, params=SYNC, headers=merge).status == 200
        assert client.get("/items/A1").json()["attributes"]["lines"] == {}
        # One that must be there stays, and the answer says which.
        answer = client.patch("/items/A1", {"version": 3, "name": None}, headers=merge)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "name")
        typo = client.patch("/items/A1", {"version": 3, "attributes": {"stauts": None}}, headers=merge)
        assert (typo.status, typo.json()["errors"][0]["field"]) == (400, "attributes.stauts")


class Stock(CqrsModel):
    by_number: dict[int, Line] = Field(default_factory=dict)
    by_id: dict[UUID, int] = Field(default_factory=dict)
    by_price: dict[Decimal, int] = Field(default_factory=dict)
    by_moment: dict[datetime, int] = Field(default_factory=dict)
    by_flag: dict[bool, int] = Field(default_factory=dict)


UPPER = "550E8400-E29B-41D4-A716-446655440000"


@pytest.mark.parametrize(
    ("field", "one", "other", "value", "shown"),
    [
        ("byNumber", "7", "07", {"soldQty": 5}, {"unitPrice": 1, "soldQty": 5}),
        ("byId", UPPER.lower(), UPPER, 5, 5),
        ("byPrice", "1.50", "1.5", 5, 5),
        ("byMoment", "2026-01-01T00:00:00Z", "2026-01-01T09:00:00+09:00", 5, 5),
        ("byFlag", "true", "1", 5, 5),
    ],
)
def test_a_key_that_is_no_text_is_the_same_in_any_spelling(
    field: str, one: str, other: str, value: Any, shown: Any
) -> None:
    with service(Stock) as (_, memory, _shown):
        client, first = memory.client(tenant="acme"), {"unitPrice": 1} if field == "byNumber" else 1
        twice = {"sk": "A1", "version": 0, "name": "one", "attributes": {field: {one: first, other: first}}}
        answer = client.post("/items", twice, params=SYNC)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, f"attributes.{field}")
        body = twice | {"attributes": {field: {one: first}}}
        assert client.post("/items", body, params=SYNC).status == 201
        patch = {"version": 1, "attributes": {field: {other: value}}}
        assert client.patch("/items/A1", patch, params=SYNC).status == 200
        ((_, found),) = memory.rows("item", "data")[0]["attributes"][field].items()
        assert found == shown
        both = {"version": 2, "attributes": {field: {one: value, other: value}}}
        answer = client.patch("/items/A1", both, params=SYNC)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, f"attributes.{field}")
        merge = {"content-type": "application/merge-patch+json"}
        gone = {"version": 2, "attributes": {field: {one: None}}}
        assert client.patch("/items/A1", gone, params=SYNC, headers=merge).status == 200
        assert memory.rows("item", "data")[0]["attributes"][field] == {}


def test_a_field_that_is_given_twice_is_refused() -> None:
    with service(Order) as (module, memory, _):
        me = memory.user(tenant="acme")
        module.commands.publish_sync({**STATE, "version": 0, "attributes": {}}, invoke_context=me)
        twice = {"pk": PK, "sk": "A1", "version": 1, "is_deleted": True, "isDeleted": False}
        with pytest.raises(InvalidInputError, match="given twice"):
            module.commands.publish_partial_update_sync(twice, invoke_context=me)
