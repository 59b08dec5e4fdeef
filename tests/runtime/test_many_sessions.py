"""Lists of a user who has published much: they cost by what is pending, and show what others show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import DataSyncHandler, ItemList, erase
from runtime.pipeline.finish import finish
from runtime.store.codec import decoded
from runtime.store.memory import MemoryStore
from runtime.store.port import Put
from tests.runtime.test_handlers import handle
from tests.support.service import PK, Service, in_memory, on_dynamodb, put_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime import CommandModel

MANY = 10_000
OLD = "2026-11-01T00:00:00.000+00:00"


class Rows(DataSyncHandler):
    """A handler."""

    def up(self, command: CommandModel[Any]) -> None:
        """Take a version."""


def stored(sk: str, version: int, **columns: Any) -> dict[str, Any]:
    moments = {name: {"S": OLD} for name in ("createdAt", "updatedAt")}
    texts = {"pk": PK, "sk": sk, "code": sk, "name": "stored", "id": f"{PK}#{sk.partition('@')[0]}"}
    row = {name: {"S": value} for name, value in texts.items()} | moments
    return row | {"version": {"N": str(version)}, "attributes": {"M": {}}} | columns


def publish_much(service: Service, numbers: Iterable[int], *, applied: bool = True) -> None:
    """Rows as a user leaves them who has just published version 2 of many items."""
    session_table, final = service.resources.settings.session_table, {"status": {"S": "finish:FINISHED"}}
    rows: list[tuple[str, Any]] = []
    for number in numbers:
        sk = f"R{number:05}"
        session = {"pk": {"S": "u1#acme"}, "sk": {"S": f"todo#{PK}#{sk}"}, "version": {"N": "2"}}
        session |= {"ttl": {"N": "4102444800"}, "itemPk": {"S": PK}, "itemSk": {"S": sk}}
        rows.append((session_table, session))
        rows.append((service.tables.command, stored(f"{sk}@2", 2, **(final if applied else {}))))
        rows.append((service.tables.data, stored(sk, 2 if applied else 1)))
    store_rows(service, rows)


def store_rows(service: Service, rows: Iterable[tuple[str, Any]]) -> None:
    if isinstance(service.where, MemoryStore):
        for table, row in rows:
            service.quiet.write(Put(table=table, row=decoded(row)))
    else:
        put_rows(service.client, rows)


def listed(service: Service, **options: Any) -> list[tuple[str, str | None]]:
    page = service.module.repository.list_items_by_pk(PK, invoke_context=service.user(), **options)
    return [(item.sk, item.name) for item in page.items]


def external(service: Service, *items: dict[str, Any], **options: Any) -> list[Any]:
    def item(command: CommandModel[Any], _existing: Any) -> dict[str, Any]:
        return {"id": command.id, "name": command.name, "version": command.version}

    found = service.module.repository.list_items(
        options.pop("query", lambda: ItemList(items, len(items))),
        transform_command=item,
        invoke_context=service.user(),
        **options,
    )
    return [item["name"] for item in found.items]


def entry(sk: str, version: int | None, name: str = "stored") -> dict[str, Any]:
    return {"id": f"{PK}#{sk}", "name": name, "version": version}


def creations(service: Service) -> list[str]:
    table = service.resources.settings.session_table
    return [row["itemSk"] for row in service.rows(table) if row["sk"].startswith("#new#")]


def calls(service: Service) -> int:
    """Calls of DynamoDB since the last time, which are the steps of the store, of 100 rows each."""
    names = service.steps.calls
    count = sum(
        -(-len(call.parameters["arguments"][0]) // 100) if call.operation == "batch_get" else 1
        for call in names
    )
    service.steps.clear()
    return count


@in_memory
def test_ten_thousand_applied_versions_cost_no_look(service: Service) -> None:
    publish_much(service, range(MANY))
    calls(service)
    assert len(listed(service, limit=20)) == 20
    assert calls(service) == 4
    assert len(listed(service, limit=20, start_from_sk="R00019")) == 20
    assert calls(service) == 3
    assert len(external(service, *(entry(f"R{number:05}", 2) for number in range(20)))) == 20
    assert calls(service) == 3


@on_dynamodb
def test_what_is_pending_among_them_costs_one_call_more(service: Service) -> None:
    publish_much(service, range(150))
    service.publish("R00001", 2, name="mine")
    service.publish("Z1", name="new")
    service.wire.clear()
    calls(service)
    shown = listed(service, limit=20)
    assert (shown[0], shown[2], len(shown)) == (("Z1", "new"), ("R00001", "mine"), 21)
    assert len(service.wire.names()) == calls(service) == 6


@pytest.fixture
def busy(service: Service) -> Service:
    publish_much(service, range(150))
    return service


class TestListItemsByPk:
    def test_every_page_shows_its_own_updates(self, busy: Service) -> None:
        for sk in ("R00001", "R00015"):
            busy.publish(sk, 2, name="mine")
        assert [sk for sk, name in listed(busy, limit=10) if name == "mine"] == ["R00001"]
        after = listed(busy, limit=10, start_from_sk="R00009")
        assert [sk for sk, name in after if name == "mine"] == ["R00015"]
        down = listed(busy, limit=140, order="desc")
        assert [sk for sk, name in down if name == "mine"] == ["R00015"]

    def test_a_deletion_takes_the_row_away(self, busy: Service) -> None:
        busy.publish("R00001", 2, isDeleted=True)
        assert "R00001" not in dict(listed(busy, limit=10))

    def test_what_is_new_comes_first_as_it_was_changed_last(self, busy: Service) -> None:
        busy.publish("Z1")
        busy.publish("Z2")
        busy.publish("Z1", 1, name="changed")
        assert listed(busy, limit=1)[:2] == [("Z1", "changed"), ("Z2", "after 0")]
        assert listed(busy, limit=1, start_from_sk="R00009")[0][0] == "R00010"

    def test_what_is_applied_is_where_it_belongs(self, busy: Service) -> None:
        busy.publish("Z1")
        busy.apply(1, "Z1")
        assert creations(busy) == []
        assert listed(busy, limit=1) == [("R00000", "stored")]

    def test_a_creation_that_is_noted_still_is_no_news_once_it_is_applied(self, busy: Service) -> None:
        busy.publish("Z1")
        elsewhere = busy.again(ryw=False)
        elsewhere.apply(1, "Z1")
        assert creations(busy) == ["Z1"]
        assert listed(busy, limit=1) == [("R00000", "stored")]

    def test_another_partition_and_another_user_do_not_show(self, busy: Service) -> None:
        other = busy.command("Z1") | {"pk": f"{PK}#sub#acme"}
        busy.module.commands.publish_async(other, invoke_context=busy.user())
        busy.module.commands.publish_async(busy.command("Z2"), invoke_context=busy.user("u2"))
        assert listed(busy, limit=1) == [("R00000", "stored")]

    def test_an_empty_page_is_one(self, busy: Service) -> None:
        busy.publish("Z1")
        rest = listed(busy, start_from_sk="S")
        assert rest == []

    def test_a_key_too_long_for_a_session_does_not_disturb(self, busy: Service) -> None:
        long = "R0" + "x" * 1020  # of an earlier release
        store_rows(busy, [(busy.tables.data, stored(long, 1))])
        busy.publish("R00001", 2, name="mine")
        shown = listed(busy, limit=1000)
        assert (long, "stored") in shown
        assert ("R00001", "mine") in shown


class TestListItems:
    @pytest.fixture
    def handled(self, make_service: Callable[..., Service]) -> Service:
        service = make_service(handlers=[Rows()])
        publish_much(service, range(150))
        return service

    def test_an_update_stands_in_the_place_of_its_item(self, handled: Service) -> None:
        handled.publish("R00001", 2, name="mine")
        assert external(handled, entry("R00000", 2), entry("R00001", 2)) == ["stored", "mine"]
        assert external(handled, entry("R00001", 3, "there")) == ["there"]
        assert external(handled, entry("R00001", None)) == ["mine"]

    def test_what_is_finished_during_the_query_is_not_lost(self, handled: Service) -> None:
        handled.publish("R00001", 2, name="mine")
        handled.publish("Z1", name="new")

        def slow() -> ItemList[Any]:
            for sk, version in (("R00001", 3), ("Z1", 1)):
                handled.apply(version, sk)
                handle(handled, version, sk)
                assert finish(handled.context, handled.image(version, sk))
            return ItemList([entry("R00001", 2)], 1)

        assert external(handled, query=slow) == ["new", "mine"]

    def test_a_creation_is_new_until_its_handlers_are_done(self, handled: Service) -> None:
        handled.publish("Z1", name="new")
        handled.apply(1, "Z1")
        assert external(handled) == ["new"]
        assert creations(handled) == ["Z1"]
        handle(handled, 1, "Z1")
        assert finish(handled.context, handled.image(1, "Z1"))
        assert creations(handled) == []
        assert external(handled) == []

    def test_an_id_that_nobody_can_have_is_nothing(self, handled: Service) -> None:
        handled.publish("R00001", 2, name="mine")
        odd = [{"id": value, "name": "odd", "version": 1} for value in ("x" * 2000, "\ud800", 5)]
        assert external(handled, *odd, entry("R00001", 2)) == ["odd", "odd", "odd", "mine"]


def test_a_later_life_is_noted_beside_the_earlier_one(service: Service) -> None:
    service.publish("A")
    first = service.image(1, "A")
    service.client.delete_item(TableName=service.tables.command, Key={"pk": {"S": PK}, "sk": {"S": "A@1"}})
    service.publish("A", name="again")
    assert creations(service) == ["A", "A"]
    service.apply(1, "A", images={1: first})
    assert [
        (row["publishId"] == first["publishId"])
        for row in service.rows(service.resources.settings.session_table)
        if row["sk"].startswith("#new#")
    ] == [True]


def test_erasing_forgets_it(service: Service) -> None:
    service.publish("A")
    service.again(ryw=False).apply(1, "A")
    assert creations(service) == ["A"]
    erase(service.module, (PK, "A"), invoke_context=service.user())
    assert service.rows(service.resources.settings.session_table) == []
