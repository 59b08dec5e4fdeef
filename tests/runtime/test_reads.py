from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    DataSyncHandler,
    ForbiddenError,
    InvalidInputError,
    ItemNotFoundError,
    SortKeyCondition,
)
from runtime.identity.context import use_invoke_context
from runtime.model.keys import DetailKey
from runtime.queries.sessions import Session
from tests.support.checker import check_invariants
from tests.support.service import PK, Service, eventually_expired, in_memory, on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import CommandModel


class Handler(DataSyncHandler):
    def up(self, command: CommandModel[Any]) -> None:
        pass


def sessions_of(service: Service) -> list[dict[str, Any]]:
    """The sessions, without the notes of what is new."""
    rows = service.rows(service.resources.settings.session_table)
    return [row for row in rows if not row["sk"].startswith("#new#")]


class TestReadYourWrites:
    def test_the_writer_sees_a_pending_create(self, service: Service) -> None:
        service.publish(name="mine")
        found = service.module.repository.get_item((PK, "A1"), invoke_context=service.user())
        assert found is not None
        assert (found.name, found.version, found.sk, found.csk) == ("mine", 1, "A1", "A1@1")

    def test_others_see_what_is_applied(self, service: Service) -> None:
        service.publish(name="old")
        service.apply(1)
        service.publish(version=1, name="new")
        names = [
            service.module.repository.get_item((PK, "A1"), invoke_context=service.user(user)).name  # type: ignore[union-attr]
            for user in ("u1", "u2")
        ]
        assert names == ["new", "old"]

    def test_a_pending_update_looks_like_the_applied_one(self, service: Service) -> None:
        service.publish()
        service.apply(1)
        service.publish(version=1, name="new")
        pending = service.module.repository.get_item((PK, "A1"), invoke_context=service.user())
        service.apply(2)
        assert pending == service.module.data.get_item((PK, "A1"), consistent=True)

    def test_a_session_that_the_data_has_overtaken_is_ignored(self, service: Service) -> None:
        service.publish()
        service.apply(1)
        service.publish_sync(version=1, name="later")
        found = service.module.repository.get_item((PK, "A1"), invoke_context=service.user())
        assert found is not None
        assert (found.name, found.version) == ("later", 2)

    def test_an_expired_session_is_ignored(self, service: Service) -> None:
        service.publish()
        (session,) = sessions_of(service)
        table = service.resources.settings.session_table
        service.set(table, session["sk"], session["pk"], ttl=eventually_expired())
        assert service.module.repository.get_item((PK, "A1"), invoke_context=service.user()) is None

    def test_the_session_row_is_that_of_the_seeds(self, service: Service) -> None:
        service.publish()
        (session,) = sessions_of(service)
        assert (session["pk"], session["sk"], session["version"]) == ("u1#acme", f"todo#{PK}#A1", 1)

    def test_switched_off_nothing_is_noted_and_nothing_merged(
        self, make_service: Callable[..., Service]
    ) -> None:
        service = make_service(ryw=False)
        service.publish()
        assert service.rows(service.resources.settings.session_table) == []
        assert service.module.repository.get_item((PK, "A1"), invoke_context=service.user()) is None


class TestDataService:
    def test_pages_follow_each_other(self, service: Service) -> None:
        for number in range(5):
            service.publish_sync(f"S{number}")
        seen, start = [], None
        while True:
            page = service.module.data.list_items_by_pk(PK, limit=2, start_from_sk=start)
            seen += [item.sk for item in page.items]
            if (start := page.last_sk) is None:
                break
        assert seen == [f"S{number}" for number in range(5)]

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (SortKeyCondition.eq("b1"), ["b1"]),
            (SortKeyCondition.begins_with("b"), ["b1", "b2"]),
            (SortKeyCondition.between("a1", "b1"), ["a1", "b1"]),
            (SortKeyCondition.lt("b1"), ["a1"]),
            (SortKeyCondition.le("b1"), ["a1", "b1"]),
            (SortKeyCondition.gt("b1"), ["b2"]),
            (SortKeyCondition.ge("b1"), ["b1", "b2"]),
        ],
    )
    def test_sort_key_conditions(
        self, service: Service, condition: SortKeyCondition, expected: list[str]
    ) -> None:
        for sk in ("a1", "b1", "b2"):
            service.publish_sync(sk)
        up = service.module.data.list_items_by_pk(PK, sk=condition)
        down = service.module.data.list_items_by_pk(PK, sk=condition, order="desc")
        assert [item.sk for item in up.items] == expected
        assert [item.sk for item in down.items] == expected[::-1]

    def test_a_condition_says_what_a_query_finds(self, service: Service) -> None:
        # Sorted by UTF-8 bytes; by UTF-16 units the last two would change places.
        sks = ["!", "A", "A#", "AA", "B", "a", "é", "\uff5e", "\U0001f600"]
        for sk in sks:
            service.client.put_item(
                TableName=service.tables.data,
                Item={"pk": {"S": PK}, "sk": {"S": sk}, "version": {"N": "1"}},
            )
        conditions = [SortKeyCondition.any()]
        for sk in sks:
            one = (
                getattr(SortKeyCondition, name)(sk) for name in ("eq", "begins_with", "lt", "le", "gt", "ge")
            )
            conditions += [*one, SortKeyCondition.between("A", max("A", sk))]
        for condition in conditions:
            found = service.module.data.list_items_by_pk(PK, sk=condition, limit=100).items
            assert [item.sk for item in found] == [sk for sk in sks if condition.matches(sk)]

    @in_memory
    @pytest.mark.parametrize("limit", [0, -1, 1001])
    def test_a_page_size_out_of_range_is_refused(self, service: Service, limit: int) -> None:
        with pytest.raises(InvalidInputError, match="limit"):
            service.module.data.list_items_by_pk(PK, limit=limit)


class TestIteration:
    def test_it_goes_over_every_page(self, service: Service) -> None:
        for number in range(5):
            service.publish_sync(f"S{number}")
        service.steps.clear()
        up = list(service.module.data.iterate_items_by_pk(PK, page_size=2))
        assert [item.sk for item in up] == [f"S{number}" for number in range(5)]
        assert service.steps.names() == ["store:query"] * 3
        down = service.module.data.iterate_items_by_pk(PK, page_size=2, order="desc")
        assert list(down) == up[::-1]

    @on_dynamodb
    def test_it_reads_a_page_when_it_is_asked_for(self, service: Service) -> None:
        for number in range(4):
            service.publish_sync(f"S{number}")
        service.wire.clear()
        rows = service.module.data.iterate_items_by_pk(PK, page_size=2, consistent=True)
        assert service.wire.names() == []
        _ = next(rows), next(rows)
        assert service.wire.names() == ["dynamodb:Query"]
        assert next(rows).sk == "S2"
        assert [call.parameters["ConsistentRead"] for call in service.wire.calls] == [True, True]

    def test_the_condition_holds_on_every_page(self, service: Service) -> None:
        for sk in ("a1", "b1", "b2", "b3", "c1"):
            service.publish_sync(sk)
        rows = service.module.data.iterate_items_by_pk(PK, sk=SortKeyCondition.begins_with("b"), page_size=1)
        assert [row.sk for row in rows] == ["b1", "b2", "b3"]

    def test_an_empty_partition_has_no_rows(self, service: Service) -> None:
        assert list(service.module.data.iterate_items_by_pk(PK)) == []

    def test_a_foreign_partition_is_refused_at_the_call(self, service: Service) -> None:
        with use_invoke_context(service.user()), pytest.raises(ForbiddenError):
            service.module.data.iterate_items_by_pk("TODO#globex")
        assert service.wire.names() == []

    def test_who_asks_is_settled_at_the_call(self, service: Service) -> None:
        service.publish_sync()
        with use_invoke_context(service.user()):
            rows = service.module.data.iterate_items_by_pk(PK)
        with use_invoke_context(service.user(tenant="globex")):
            assert [row.sk for row in rows] == ["A1"]

    @in_memory
    @pytest.mark.parametrize(
        ("arguments", "field"),
        [({"page_size": 0}, "page_size"), ({"order": "up"}, "order"), ({"sk": "b"}, "sk")],
    )
    def test_an_argument_out_of_range_is_refused_at_the_call(
        self, service: Service, arguments: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidInputError, match=field):
            service.module.data.iterate_items_by_pk(PK, **arguments)
        assert service.wire.names() == []


class TestDataPublish:
    def test_it_applies_the_command_and_those_before(self, service: Service) -> None:
        service.publish(name="one")
        second = service.publish(version=1, name="two")
        state = service.module.data.publish(second)
        assert (state.name, state.version, state.sk, state.csk) == ("two", 2, "A1", "A1@2")
        assert state == service.module.data.get_item((PK, "A1"))
        check_invariants(service)
        statuses = {row["status"] for row in service.rows(service.tables.command)}
        assert statuses == {"finish:FINISHED"}

    @on_dynamodb
    @pytest.mark.parametrize("handlers", [(), (Handler,)])
    def test_it_notifies_unless_handlers_come_first(
        self, make_service: Callable[..., Service], handlers: tuple[type[DataSyncHandler], ...]
    ) -> None:
        service = make_service(handlers=handlers, topic_arn="arn:aws:sns:us-east-1:000000000000:gone")
        command = service.publish()
        service.wire.clear()
        service.module.data.publish(command)
        assert service.wire.names("sns") == ([] if handlers else ["sns:Publish"])

    def test_a_command_that_is_applied_already_is_done(self, service: Service) -> None:
        first = service.publish(name="one")
        service.publish_sync(version=1, name="two")
        before = service.everything()
        assert service.module.data.publish(first).name == "two"
        assert service.everything() == before

    def test_a_key_without_a_version_does_as_well(self, service: Service) -> None:
        command = service.publish(name="one")
        assert service.module.data.publish(command.model_copy(update={"sk": "A1"})).version == 1

    @pytest.mark.parametrize("applied", [0, 1])
    def test_a_command_that_is_not_stored_is_not_applied(self, service: Service, applied: int) -> None:
        command = service.publish()
        if applied:
            service.apply(1)
        before = service.everything()["data"]
        with pytest.raises(ItemNotFoundError):
            service.module.data.publish(command.model_copy(update={"sk": "A2@1" if not applied else "A1@7"}))
        assert service.everything()["data"] == before

    @pytest.mark.parametrize("change", [None, {"pk": PK}, {"sk": "A1", "version": 0}])
    def test_what_is_no_command_is_refused(self, service: Service, change: Any) -> None:
        command = service.publish()
        service.wire.clear()
        broken = command.model_copy(update=change) if change and "sk" in change else change
        with pytest.raises(InvalidInputError):
            service.module.data.publish(broken)
        assert service.wire.names() == []

    def test_a_foreign_command_is_refused(self, service: Service) -> None:
        command = service.publish()
        service.wire.clear()
        with use_invoke_context(service.user(tenant="globex")), pytest.raises(ForbiddenError):
            service.module.data.publish(command)
        assert service.wire.names() == []


class TestSessionService:
    def test_a_session_is_put_got_listed_and_deleted(self, service: Service) -> None:
        sessions, key = service.module.sessions, DetailKey(PK, "A1")
        assert sessions.get("u1", key) is None
        sessions.put("u1", key, 3)
        found = Session(f"{PK}#A1", 3, (key,))
        assert sessions.get("u1", key) == found
        assert sessions.get("u2", key) is None
        assert sessions.list_by_user("u1", "acme") == [found]
        assert sessions.list_by_user("u1", "acme", pk=PK) == [found]
        assert sessions.list_by_user("u1", "acme", pk="NOTE#acme") == []
        sessions.delete("u1", key)
        assert sessions.list_by_user("u1", "acme") == []

    def test_a_put_is_what_a_publish_notes(self, service: Service) -> None:
        command = service.publish()
        (published,) = sessions_of(service)
        publish_id = service.image(command.version)["publishId"]
        service.module.sessions.put("u1", (PK, "A1"), 1, publish_id=publish_id)
        (put,) = sessions_of(service)
        assert abs(put.pop("ttl") - published.pop("ttl")) <= 5
        assert put == published
        assert (put["itemPk"], put["itemSk"]) == (PK, "A1")

    def test_switched_off_nothing_is_called(self, make_service: Callable[..., Service]) -> None:
        service = make_service(ryw=False)
        sessions, key = service.module.sessions, (PK, "A1")
        sessions.put("u1", key, 1)
        sessions.delete("u1", key)
        assert sessions.get("u1", key) is None
        assert sessions.list_by_user("u1", "acme") == []
        assert service.wire.names() == []


class TestHistoryService:
    def test_a_version_is_the_state_as_it_was(self, service: Service) -> None:
        service.publish_sync(name="one")
        before = service.module.data.get_item((PK, "A1"))
        service.publish_sync(version=1, name="two")
        old = service.module.history.get_item((PK, "A1"), 1)
        assert old is not None
        assert before is not None
        assert old == before.model_copy(update={"sk": "A1@1"})
        assert service.module.history.get_item((PK, "A1"), 2) is None

    def test_versions_come_in_their_own_order(self, service: Service) -> None:
        for version in range(12):
            service.publish_sync(version=version)
        service.publish_sync("A1@x")
        service.publish_sync("A1@x", version=1)
        versions = [row.version for row in service.module.history.list_versions((PK, "A1"))]
        assert versions == list(range(1, 12))


class TestTenants:
    """No read reaches another tenant while a request is being handled."""

    def test_every_read_refuses_a_foreign_key(self, service: Service) -> None:
        module, key = service.module, ("TODO#globex", "A1")
        reads: list[Callable[[], object]] = [
            lambda: module.data.get_item(key),
            lambda: module.data.list_items_by_pk(key[0]),
            lambda: module.history.get_item(key, 1),
            lambda: module.history.list_versions(key),
            lambda: module.repository.get_item(key),
            lambda: module.commands.get_item((key[0], "A1@1")),
        ]
        with use_invoke_context(service.user()):
            for read in reads:
                service.wire.clear()
                with pytest.raises(ForbiddenError):
                    read()
                assert service.wire.names() == []

    @in_memory
    @pytest.mark.parametrize("pk", ["TODO", "TODO#ACME", "TODO#acme#globex", "TODO#", "acme#TODO"])
    def test_keys_that_only_look_like_the_own_tenant_are_refused(self, service: Service, pk: str) -> None:
        with pytest.raises(ForbiddenError):
            service.module.data.get_item((pk, "A1"), invoke_context=service.user())

    def test_without_a_request_code_is_trusted(self, service: Service) -> None:
        assert service.module.data.get_item(("TODO#globex", "A1")) is None
