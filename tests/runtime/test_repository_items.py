"""Lists of an external store with the caller's own pending writes in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    ConfigurationError,
    DataSyncHandler,
    ForbiddenError,
    InvalidInputError,
    InvokeContext,
    ItemList,
)
from runtime.identity.context import use_invoke_context
from runtime.model.keys import VERSION_LATEST, DetailKey
from runtime.pipeline.finish import finish
from tests.runtime.test_handlers import handle
from tests.support.service import PK, Service, eventually_expired, in_memory, on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import CommandModel

QUERY = "dynamodb:Query"
BATCH_GET = "dynamodb:BatchGetItem"


class Rows(DataSyncHandler):
    """Does nothing: the store is what the test says it is."""

    def up(self, command: CommandModel[Any]) -> None:
        pass


@dataclass(frozen=True)
class Row:
    id: str
    name: str
    version: int | None = None
    joined: str = "from the store"


@dataclass
class Store:
    """An SQL table, in short."""

    items: list[Any] = field(default_factory=list)
    total: int | None = 0
    queries: int = 0

    def query(self) -> ItemList[Any]:
        self.queries += 1
        return ItemList(self.items, self.total)


def item_id(sk: str) -> str:
    return f"{PK}#{sk}"


def to_row(command: CommandModel[Any], existing: Row | None) -> Row:
    return Row(
        id=command.id or "",
        name=command.name or "",
        version=command.version,
        joined=existing.joined if existing else "",
    )


def listed(service: Service, store: Store, user: str = "u1", **options: Any) -> ItemList[Any]:
    options = {"transform_command": to_row} | options
    return service.module.repository.list_items(store.query, invoke_context=service.user(user), **options)


def names(found: ItemList[Any]) -> list[str]:
    return [item.name for item in found.items]


def done(service: Service, sk: str, version: int) -> None:
    """Let the pipeline finish a command, its handlers included."""
    service.apply(version, sk)
    handlers_done(service, sk, version)


def handlers_done(service: Service, sk: str, version: int) -> None:
    """Let the handlers see a command, and finish it."""
    handle(service, version, sk)
    assert finish(service.context, service.image(version, sk))


def set_status(service: Service, sk: str, version: int, status: str) -> None:
    service.set("command", f"{sk}@{version}", status=status)


def remove(service: Service, table: str, sk: str) -> None:
    service.client.delete_item(
        TableName=getattr(service.tables, table), Key={"pk": {"S": PK}, "sk": {"S": sk}}
    )


@pytest.fixture
def handled(make_service: Callable[..., Service]) -> Service:
    """A module whose handlers feed the store."""
    return make_service(handlers=[Rows()])


@pytest.fixture
def store(handled: Service) -> Store:
    """Two aggregates that are in the store, as they are."""
    for sk in ("A", "B"):
        handled.publish(sk)
        done(handled, sk, 1)
    handled.wire.clear()
    handled.steps.clear()
    return Store([Row(item_id(sk), "after 0", 1) for sk in ("A", "B")], 12)


class TestUpdates:
    def test_a_pending_update_stands_in_the_place_of_its_item(self, handled: Service, store: Store) -> None:
        handled.publish("B", 1, name="mine")
        found = listed(handled, store)
        assert found == ItemList([store.items[0], Row(item_id("B"), "mine", 2)], 12)
        assert listed(handled, store, "u2") == store.query()

    def test_it_is_pending_until_its_handlers_are_done(self, handled: Service, store: Store) -> None:
        handled.publish("B", 1, name="mine")
        handled.apply(2, "B")
        assert names(listed(handled, store)) == ["after 0", "mine"]
        handlers_done(handled, "B", 2)
        assert listed(handled, store) == store.query()

    def test_an_item_that_has_the_version_is_left_alone(self, handled: Service, store: Store) -> None:
        handled.publish("B", 1, name="mine")
        store.items[1] = Row(item_id("B"), "stored", 2)
        assert names(listed(handled, store)) == ["after 0", "stored"]
        store.items[1] = Row(item_id("B"), "of another user", 3)
        assert names(listed(handled, store)) == ["after 0", "of another user"]

    def test_the_version_may_come_from_a_function(self, handled: Service, store: Store) -> None:
        handled.publish("B", 1, name="mine")
        versions = {item_id("A"): 1, item_id("B"): 2}
        found = listed(handled, store, get_version=lambda item: versions[item.id])
        assert names(found) == ["after 0", "after 0"]

    @pytest.mark.parametrize("options", [{}, {"get_version": lambda _item: None}])
    def test_without_a_version_the_data_row_decides(
        self, handled: Service, store: Store, options: dict[str, Any]
    ) -> None:
        store.items = [Row(item_id("B"), "stored", None if not options else 99)]
        handled.publish("B", 1, name="mine")
        assert names(listed(handled, store, **options)) == ["mine"]
        handled.apply(2, "B")
        assert names(listed(handled, store, **options)) == ["mine"]
        handled.module.commands.publish_async(
            handled.command("B", 2, name="of another user"), invoke_context=handled.user("u2")
        )
        handled.apply(3, "B")
        assert names(listed(handled, store, **options)) == ["stored"]

    def test_an_update_that_does_not_match_any_more_takes_the_item_away(
        self, handled: Service, store: Store
    ) -> None:
        handled.publish("B", 1, name="mine")
        found = listed(handled, store, matches_filter=lambda item: item.name == "after 0")
        assert (names(found), found.total) == (["after 0"], 11)

    def test_an_update_of_an_item_that_was_not_found_adds_nothing(
        self, handled: Service, store: Store
    ) -> None:
        handled.publish("B", 1, name="mine")
        del store.items[1]
        assert listed(handled, store) == store.query()

    def test_every_row_of_an_aggregate_is_replaced(self, handled: Service, store: Store) -> None:
        handled.publish("B", 1, name="mine")
        store.items.append(Row(item_id("B"), "after 0", 1, joined="once more"))
        found = listed(handled, store)
        assert [(item.name, item.joined) for item in found.items[1:]] == [
            ("mine", "from the store"),
            ("mine", "once more"),
        ]

    @pytest.mark.usefixtures("store")
    def test_items_may_be_dictionaries(self, handled: Service) -> None:
        handled.publish("B", 1, name="mine")
        rows = [{"id": item_id("A"), "name": "a", "version": 1}, {"id": item_id("B"), "name": "b"}]
        found = handled.module.repository.list_items(
            lambda: {"items": rows, "total": 2},
            transform_command=lambda command, existing: (existing or {}) | {"name": command.name},
            invoke_context=handled.user(),
        )
        assert found == ItemList([rows[0], {"id": item_id("B"), "name": "mine"}], 2)


class TestDeletions:
    def test_a_pending_deletion_takes_the_item_away(self, handled: Service, store: Store) -> None:
        handled.publish("A", 1, isDeleted=True)
        found = listed(handled, store)
        assert (found.items, found.total) == ([store.items[1]], 11)

    def test_one_that_was_not_found_changes_nothing(self, handled: Service, store: Store) -> None:
        handled.publish("A", 1, isDeleted=True)
        del store.items[0]
        assert listed(handled, store) == store.query()


class TestCreations:
    def test_the_newest_comes_first(self, handled: Service, store: Store) -> None:
        for name in ("C", "D"):
            handled.publish(name, name=f"new {name}")
            handled.set("command", f"{name}@1", createdAt=f"2020-01-01T00:00:00.{ord(name)}0+00:00")
        found = listed(handled, store)
        assert (names(found), found.total) == (["new D", "new C", "after 0", "after 0"], 14)
        assert found.items[0].joined == ""

    def test_one_that_does_not_match_is_left_out(self, handled: Service, store: Store) -> None:
        handled.publish("C", name="new")
        found = listed(handled, store, matches_filter=lambda item: item.name != "new")
        assert found == store.query()

    def test_later_pages_only_count_it(self, handled: Service, store: Store) -> None:
        handled.publish("C", name="new")
        found = listed(handled, store, first_page=False)
        assert (names(found), found.total) == (["after 0", "after 0"], 13)

    def test_it_is_new_until_the_handlers_of_the_first_version_are_done(
        self, handled: Service, store: Store
    ) -> None:
        handled.publish("C", name="new")
        handled.apply(1, "C")
        handled.publish("C", 1, name="newer")
        handled.apply(2, "C")
        assert names(listed(handled, store))[0] == "newer"
        handlers_done(handled, "C", 1)
        assert listed(handled, store) == store.query()

    def test_one_that_the_query_found_already_is_not_shown_twice(
        self, handled: Service, store: Store
    ) -> None:
        handled.publish("C", name="new")
        store.items.append(Row(item_id("C"), "stored", 1))
        assert names(listed(handled, store)) == ["after 0", "after 0", "stored"]

    def test_a_version_that_was_parked_long_ago_makes_nothing_new(
        self, handled: Service, store: Store
    ) -> None:
        set_status(handled, "B", 1, "sync_data:FAILED")
        handled.publish("B", 1)
        done(handled, "B", 2)
        handled.publish("B", 2, name="mine")
        del store.items[1]
        assert listed(handled, store) == store.query()

    def test_several_pending_updates_make_nothing_new(self, handled: Service, store: Store) -> None:
        handled.publish("B", 1)
        handled.publish("B", 2, name="mine")
        del store.items[1]
        assert listed(handled, store) == store.query()

    def test_one_that_the_data_row_has_overtaken_is_ignored(self, handled: Service, store: Store) -> None:
        handled.publish("C", name="new")
        handled.module.commands.publish_async(handled.command("C", 1), invoke_context=handled.user("u2"))
        assert names(listed(handled, store))[0] == "new"
        handled.apply(2, "C")
        assert listed(handled, store) == store.query()

    def test_a_first_version_that_has_expired_makes_nothing_new(self, handled: Service, store: Store) -> None:
        handled.publish("B", 1, name="mine")
        remove(handled, "command", "B@1")
        del store.items[1]
        assert listed(handled, store) == store.query()

    def test_without_a_data_row_it_is_new(self, handled: Service, store: Store) -> None:
        handled.publish("B", 1, name="mine")
        remove(handled, "data", "B")
        del store.items[1]
        assert names(listed(handled, store)) == ["mine", "after 0"]

    def test_a_module_without_data_rows_needs_none(self, make_service: Callable[..., Service]) -> None:
        service = make_service(handlers=[Rows()], disable_default_handler=True)
        store = Store()
        service.publish("A", name="new")
        assert names(listed(service, store)) == ["new"]
        handlers_done(service, "A", 1)
        service.publish("A", VERSION_LATEST, name="newer")
        assert listed(service, store) == store.query()

    def test_what_was_deleted_before_comes_back_as_new(self, handled: Service, store: Store) -> None:
        handled.publish("B", 1, isDeleted=True)
        done(handled, "B", 2)
        del store.items[1]
        handled.publish("B", 2, name="back")
        assert names(listed(handled, store)) == ["back", "after 0"]

    def test_what_was_created_and_deleted_is_not_there(self, handled: Service, store: Store) -> None:
        handled.publish("C")
        handled.publish("C", 1, isDeleted=True)
        assert listed(handled, store) == store.query()

    def test_a_total_that_nobody_knows_stays_unknown(self, handled: Service, store: Store) -> None:
        handled.publish("C", name="new")
        store.total = None
        found = listed(handled, store)
        assert (names(found)[0], found.total) == ("new", None)


class TestSessions:
    def test_an_id_of_the_callers_own_making_is_found(self, handled: Service, store: Store) -> None:
        handled.publish("B", 1, id="my-own", name="mine")
        store.items[1] = Row("my-own", "after 0", 1)
        assert names(listed(handled, store)) == ["after 0", "mine"]

    @pytest.mark.parametrize("sk", ["B", "x#acme#y", "acme#z", "e@x.com"])
    @pytest.mark.parametrize("pk", [PK, "A#acme#B#acme", "A#acme#acme", "#acme"])
    def test_rows_of_the_typescript_framework_are_understood(
        self, handled: Service, pk: str, sk: str
    ) -> None:
        handled.module.commands.publish_async(
            handled.command(sk, name="mine") | {"pk": pk}, invoke_context=handled.user()
        )
        table = handled.resources.settings.session_table
        handled.client.put_item(
            TableName=table,
            Item={
                "pk": {"S": "u1#acme"},
                "sk": {"S": f"todo#{pk}#{sk}"},
                "version": {"N": "1"},
                "ttl": {"N": "4102444800"},
            },
        )
        assert names(listed(handled, Store())) == ["mine"]

    def test_sessions_that_are_over_are_ignored(self, handled: Service, store: Store) -> None:
        handled.publish("B", 1, name="mine")
        table = handled.resources.settings.session_table
        handled.set(table, f"todo#{PK}#B", "u1#acme", ttl=eventually_expired())
        assert listed(handled, store) == store.query()

    def test_other_modules_do_not_show(self, handled: Service) -> None:
        handled.publish("B", name="mine")
        service, table = handled, handled.resources.settings.session_table
        for row in service.rows(table):
            service.client.delete_item(TableName=table, Key={k: {"S": row[k]} for k in ("pk", "sk")})
            service.client.put_item(
                TableName=table,
                Item={
                    "pk": {"S": row["pk"]},
                    "sk": {"S": f"todo2#{item_id('B')}"},
                    "version": {"N": "1"},
                    "ttl": {"N": "4102444800"},
                },
            )
        assert names(listed(service, Store())) == []

    def test_large_attributes_are_loaded(self, make_service: Callable[..., Service], bucket: str) -> None:
        service = make_service(handlers=[Rows()], bucket_name=bucket, attribute_limit=1000)
        service.publish("B", attributes={"blob": "x" * 2000})
        found = listed(
            service, Store(), transform_command=lambda command, _existing: command.attributes["blob"]
        )
        assert found.items == ["x" * 2000]


class TestCalls:
    def test_nothing_published_takes_one_call(self, handled: Service) -> None:
        store = Store()
        listed(handled, store)
        assert (handled.steps.names(), store.queries) == (["store:query"], 1)

    @on_dynamodb
    def test_something_published_takes_two_before_the_query(self, handled: Service, store: Store) -> None:
        for number in range(20):
            handled.publish(f"N{number}")
        handled.publish("B", 1)
        handled.wire.clear()
        calls: list[str] = []
        query = store.query

        def watched() -> ItemList[Any]:
            calls.extend(handled.wire.names())
            return query()

        store.query = watched  # type: ignore[method-assign]
        assert len(listed(handled, store).items) == 22
        assert calls == handled.wire.names() == [QUERY, BATCH_GET]

    def test_what_is_finished_during_the_query_is_not_lost(self, handled: Service, store: Store) -> None:
        handled.publish("B", 1, name="mine")
        stale = store.query()

        def slow() -> ItemList[Any]:
            done(handled, "B", 2)
            return stale

        store.query = slow  # type: ignore[method-assign]
        assert names(listed(handled, store)) == ["after 0", "mine"]


class TestWithoutMerging:
    def test_switched_off_nothing_is_read(self, make_service: Callable[..., Service]) -> None:
        service = make_service(ryw=False)
        service.publish("A")
        service.wire.clear()
        store = Store(["no ids needed"], 1)
        assert listed(service, store) == store.query()
        assert service.wire.names() == []

    @pytest.mark.parametrize(
        "context", [None, InvokeContext(), InvokeContext(claims={"sub": "u1"}),
                    InvokeContext(claims={"custom:tenant": "acme"})]
    )  # fmt: skip
    def test_without_user_or_tenant_nothing_is_read(
        self, handled: Service, context: InvokeContext | None
    ) -> None:
        handled.publish("A")
        handled.wire.clear()
        store = Store()
        found = handled.module.repository.list_items(
            store.query, transform_command=to_row, invoke_context=context
        )
        assert found == store.query()
        assert handled.wire.names() == []

    def test_pending_writes_can_be_left_out(self, handled: Service, store: Store) -> None:
        handled.publish("B", 1, name="mine")
        handled.wire.clear()
        assert listed(handled, store, latest_flg=False) == store.query()
        assert handled.wire.names() == []


class TestBadInput:
    @in_memory
    def test_a_tenant_that_is_not_the_callers_own_is_refused(self, handled: Service) -> None:
        handled.publish("A")
        handled.wire.clear()
        store = Store()
        claimed = InvokeContext(claims={"sub": "u1"}, headers={"x-tenant-code": "acme"})
        for latest_flg in (True, False):
            with use_invoke_context(claimed), pytest.raises(ForbiddenError):
                handled.module.repository.list_items(
                    store.query, transform_command=to_row, latest_flg=latest_flg
                )
        assert (handled.wire.names(), store.queries) == ([], 0)

    @in_memory
    def test_a_role_that_crosses_tenants_may_claim_one(self, handled: Service) -> None:
        role = '[{"tenant": "", "role": "system_admin"}]'
        admin = InvokeContext(claims={"sub": "u1", "custom:roles": role}, headers={"x-tenant-code": "acme"})
        handled.module.commands.publish_async(handled.command("A", name="mine"), invoke_context=admin)
        found = handled.module.repository.list_items(
            Store().query, transform_command=to_row, invoke_context=admin
        )
        assert names(found) == ["mine"]

    @in_memory
    @pytest.mark.parametrize("name", ["query", "transform_command", "matches_filter", "get_version"])
    def test_what_cannot_be_called_is_refused(self, handled: Service, name: str) -> None:
        store = Store()
        arguments: dict[str, Any] = {"query": store.query, "transform_command": to_row} | {name: "text"}
        with pytest.raises(InvalidInputError, match=f"^{name}: must be callable, got str$"):
            handled.module.repository.list_items(invoke_context=handled.user(), **arguments)
        assert (handled.wire.names(), store.queries) == ([], 0)

    @in_memory
    @pytest.mark.parametrize(
        "found",
        [None, [], {"total": 1}, {"items": "text", "total": 1}, {"items": [], "total": "1"},
         {"items": [{"name": "no id"}], "total": 1}],
    )  # fmt: skip
    def test_a_query_that_returns_something_else_is_refused(self, handled: Service, found: Any) -> None:
        with pytest.raises(ConfigurationError, match="query must return "):
            handled.module.repository.list_items(
                lambda: found, transform_command=to_row, invoke_context=handled.user()
            )


class TestGetItem:
    def test_a_session_of_another_key_with_the_same_id_is_ignored(self, service: Service) -> None:
        for pk, sk in (("A#acme", "acme#X"), ("A#acme#acme", "X")):
            service.module.commands.publish_async(
                service.command(sk, name=pk) | {"pk": pk}, invoke_context=service.user()
            )
        get = service.module.repository.get_item
        found = get(("A#acme#acme", "X"), invoke_context=service.user())
        assert found is not None
        assert found.name == "A#acme#acme"
        assert get(("A#acme", "acme#X"), invoke_context=service.user()) is None

    def test_a_key_too_long_for_a_session_is_published_without(self, service: Service) -> None:
        key = DetailKey(f"{'x' * 1500}#acme", "A")
        service.module.commands.publish_async(
            service.command() | key._asdict(), invoke_context=service.user()
        )
        assert service.rows(service.resources.settings.session_table) == []
        assert service.module.repository.get_item(key, invoke_context=service.user()) is None
