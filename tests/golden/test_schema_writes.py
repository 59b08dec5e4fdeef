"""Publishing over rows of other schemas: what is stored, what is refused, and that nothing is lost."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    CommandModule,
    ConfigurationError,
    CqrsModel,
    NewerSchemaError,
    UpcastError,
    module_routes,
)
from runtime.entry.http.api import HttpApi
from runtime.model.keys import DetailKey
from runtime.pipeline.apply import apply
from tests.golden.order_schemas import OrderV3, to_comment, to_person
from tests.golden.schema_rows import attributes
from tests.support.checker import check_invariants
from tests.support.http_events import http_event
from tests.support.rows import plain
from tests.support.service import PK

if TYPE_CHECKING:
    from tests.golden.schema_rows import Orders

THIRD = {
    "person": {"firstName": "Ann", "lastName": "Lee"},
    "comment": "third",
    "quantity": 5,
    "currency": "JPY",
}


def stored(orders: Orders, sk: str, kind: str = "command") -> tuple[Any, str | None]:
    row = plain(orders.raw(kind, sk))
    return row["attributes"], row.get("schemaVersion")


def change(sk: str, version: int, **fields: Any) -> dict[str, Any]:
    return {"pk": PK, "sk": sk, "version": version, "attributes": fields}


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_partial_update_merges_into_the_current_schema(orders: Orders, kind: str) -> None:
    publish = getattr(orders.v3.commands, f"publish_partial_update_{kind}")
    for sk, version in (("A1", 3), ("L1", 1), ("M1", 2)):
        before = orders.v3.data.get_item(orders.key(sk))
        published = publish(change(sk, version, comment="by three"), invoke_context=orders.me)
        assert before is not None
        assert published.attributes == before.attributes.model_copy(update={"comment": "by three"})
        apply(orders.v3.context, DetailKey(PK, sk), version + 1)
    wanted = THIRD | {"comment": "by three"}
    assert stored(orders, "A1@4") == (wanted, "3@4")
    assert stored(orders, "A1", "data") == (wanted, "3@4")
    old = {"customer": "Ann Lee", "note": "third", "quantity": "5", "legacyCode": "x-2"}
    assert stored(orders, "A1@3", "history") == (old, None)
    apply(orders.v3.context, DetailKey(PK, "P1"), 1)
    check_invariants(orders.service)


def test_an_upcast_alone_is_no_change(orders: Orders) -> None:
    commands, me, row = orders.v3.commands, orders.me, orders.v3.data.get_item
    before = orders.service.everything()
    for sk, version in (("A1", 3), ("L1", 1), ("M1", 2), ("N1", 1)):
        item = row(orders.key(sk))
        assert item is not None
        state = {"seq": item.seq, "attributes": item.attributes}
        whole = orders.command(sk, version, **{"state": state.pop("attributes"), **state})
        same = change(sk, version, comment=item.attributes.comment)
        for kind in ("async", "sync"):
            assert getattr(commands, f"publish_{kind}")(whole, invoke_context=me) is None
            assert getattr(commands, f"publish_partial_update_{kind}")(same, invoke_context=me) is None
        key = orders.key(sk)
        again = commands.publish_with_retry(key, lambda _latest, state=whole: state, invoke_context=me)
        assert again is None
        latest = commands.get_latest_item(key)
        assert latest is not None
        assert commands.is_not_command_dirty(latest, whole)
        assert not commands.is_not_command_dirty(latest, whole | {"name": "other"})
    assert orders.service.everything() == before


def test_deciding_on_an_old_state(orders: Orders) -> None:
    def more(latest: Any) -> dict[str, Any]:
        state = latest.attributes.model_copy(update={"quantity": latest.attributes.quantity + 1})
        return orders.command("A1", 0, state)

    published = orders.v3.commands.publish_with_retry(orders.key("A1"), more, invoke_context=orders.me)
    assert published is not None
    assert stored(orders, "A1@4") == (THIRD | {"quantity": 6, "gift": False}, "3@4")


def test_a_duplicate_keeps_attributes_and_schema(orders: Orders) -> None:
    for sk, version, schema in (("A1", 3, "1@4"), ("M1", 2, "2@3")):
        key = orders.key(f"{sk}@{version}")
        copy = orders.v3.commands.duplicate(key, invoke_context=orders.me)
        original = orders.v3.commands.get_item(key)
        assert copy is not None
        assert original is not None
        assert copy.attributes == original.attributes
        assert stored(orders, f"{sk}@{version + 1}") == (stored(orders, f"{sk}@{version}")[0], schema)
    assert stored(orders, "A1@3")[1] is None


def test_another_service_on_the_same_tables(orders: Orders) -> None:
    """It copies every column of the row before, as the reference system's partial update does."""
    new = plain(orders.raw("command", "M1@2"))["attributes"]
    publish = orders.v3.commands.publish_partial_update_sync
    publish(change("M1", 2, comment="by three"), invoke_context=orders.me)
    copied = orders.raw("command", "M1@3")
    copied |= {"sk": {"S": "M1@4"}, "version": {"N": "4"}}
    copied["attributes"]["M"]["note"] = {"S": "from elsewhere"}
    copied["attributes"]["M"]["customer"] = {"S": "Ann May"}
    assert copied["schemaVersion"] == {"S": "3@3"}
    assert "note" not in new
    orders.put("command", copied)
    command = orders.v3.commands.get_item(orders.key("M1@4"))
    wanted = attributes("Ann", "May", "from elsewhere", 3)
    assert command is not None
    assert command.attributes == wanted
    apply(orders.v3.context, DetailKey(PK, "M1"), 4)
    state = orders.v3.data.get_item(orders.key("M1"))
    assert state is not None
    assert state.attributes == wanted


def test_a_column_of_the_row_before_does_not_stay(orders: Orders) -> None:
    """A command without the column, over a data row that has it."""
    row = orders.raw("command", "A1@1")
    orders.put("command", row | {"sk": {"S": "N1@2"}, "version": {"N": "2"}})
    apply(orders.v3.context, DetailKey(PK, "N1"), 2)
    assert stored(orders, "N1", "data")[1] is None
    assert stored(orders, "N1@1", "history")[1] == "2@1"


@pytest.mark.parametrize("old", [1, 2])
def test_old_code_refuses_what_newer_code_wrote(orders: Orders, old: int) -> None:
    orders.v3.commands.publish_partial_update_sync(change("A1", 3, comment="c"), invoke_context=orders.me)
    before = orders.service.everything()
    module, me, key = orders.release(old), orders.me, orders.key("A1")
    state = {"customer": "Ann Lee", "comment": "old", "note": "old", "quantity": "5"}
    whole = orders.command("A1", 4, state) | {"name": "other"}
    tries = {
        "data": lambda: module.data.get_item(key),
        "list": lambda: module.data.list_items_by_pk(PK),
        "repository": lambda: module.repository.get_item(key, invoke_context=me),
        "as_of": lambda: module.history.as_of(key, version=4),
        "command": lambda: module.commands.get_latest_item(key),
        "partial": lambda: module.commands.publish_partial_update_sync(
            change("A1", 4, quantity="9"), invoke_context=me
        ),
        "whole": lambda: module.commands.publish_async(whole, invoke_context=me),
        "latest": lambda: module.commands.publish_sync(whole | {"version": -1}, invoke_context=me),
        "retry": lambda: module.commands.publish_with_retry(key, lambda _row: whole, invoke_context=me),
        "duplicate": lambda: module.commands.duplicate(key, invoke_context=me),
    }
    for name, attempt in tries.items():
        with pytest.raises(NewerSchemaError, match=f"A1.* has schema 3, and this code knows {old}"):
            assert attempt() is None, name
    api = HttpApi([module_routes(module, prefix="/orders", type="TODO")])
    event = http_event("GET", "/orders/A1", claims={"sub": "u1", "custom:tenant": "acme"})
    answer = api.handle(event, None)
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"])["type"] == "urn:problem-type:cqrs:newer-schema"
    assert orders.service.everything() == before
    first = module.history.as_of(key, version=2)
    assert first is not None
    assert first.attributes.quantity == "4"


def test_old_code_carries_newer_commands_through_the_pipeline(orders: Orders) -> None:
    orders.v3.commands.publish_partial_update_async(change("A1", 3, comment="c"), invoke_context=orders.me)
    apply(orders.release(1).context, DetailKey(PK, "A1"), 4)
    assert stored(orders, "A1", "data") == (THIRD | {"comment": "c"}, "3@4")
    apply(orders.v3.context, DetailKey(PK, "P1"), 1)
    check_invariants(orders.service)


def test_reading_ahead_never_writes(orders: Orders) -> None:
    """The release before the change reads what comes, where its model can."""

    class Both(CqrsModel):
        comment: str = ""
        quantity: int | str

    orders.v3.commands.publish_partial_update_sync(change("A1", 3, comment="c"), invoke_context=orders.me)
    module = orders.release(2, attributes=Both, read_ahead=1)
    row = module.data.get_item(orders.key("A1"))
    assert row is not None
    assert row.attributes == Both(comment="c", quantity=5)
    for update in (change("A1", 4, comment="lost?"), change("A1", 4)):
        with pytest.raises(NewerSchemaError):
            module.commands.publish_partial_update_sync(update, invoke_context=orders.me)


def leaking(attributes: dict[str, Any]) -> dict[str, Any]:
    raise ValueError(attributes["note"])


@pytest.mark.parametrize(
    ("broken", "problem"), [(leaking, "raised ValueError in leaking, line"), (len, "dict, got int")]
)
def test_an_upcaster_that_fails(orders: Orders, broken: Any, problem: str) -> None:
    module = orders.release(2, upcasters=[broken])
    before = orders.service.everything()
    for attempt in (
        lambda: module.data.get_item(orders.key("A1")),
        lambda: module.commands.publish_partial_update_async(
            change("A1", 3, comment="c"), invoke_context=orders.me
        ),
    ):
        with pytest.raises(UpcastError) as failure:
            attempt()
        text = str(failure.value)
        assert "module todo: the upcaster from schema 1 to 2" in text
        assert problem in text
        assert text.endswith((f"for the row {PK} A1", f"for the row {PK} A1@3"))
        # What the upcaster said, which may quote attributes, is not in the log either.
        assert "third" not in "".join(traceback.format_exception(failure.value))
        assert "third" not in text
    assert orders.service.everything() == before


@pytest.mark.parametrize("upcasters", [[3], ["no path"], ["a.b:"], [None]])
def test_what_can_be_no_upcaster(upcasters: Any) -> None:
    with pytest.raises(ConfigurationError, match="an upcaster must be a function or its import path"):
        CommandModule("todo", attributes=OrderV3, upcasters=upcasters)


def test_a_path_to_nothing(orders: Orders) -> None:
    module = orders.release(2, upcasters=["tests.golden.order_schemas:missing"])
    with pytest.raises(
        ConfigurationError, match="order_schemas has no 'missing'; an upcaster is expected there"
    ):
        module.data.get_item(orders.key("A1"))
    with pytest.raises(ConfigurationError, match="read_ahead must be"):
        orders.release(2, read_ahead=-1)


def test_the_upcasters_leave_a_current_row_alone() -> None:
    """What the guide asks of every upcaster, since rows of other services come without a schema."""
    current = OrderV3.model_validate(THIRD).model_dump(by_alias=True)
    assert to_person(to_comment(dict(current))) == current
