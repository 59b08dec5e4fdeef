"""Pages of a partition with the caller's own pending writes in them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from runtime import ForbiddenError, InvalidInputError, InvokeContext, Settings, SortKeyCondition
from runtime.identity.context import use_invoke_context
from tests.support.service import PK, Service, eventually_expired, in_memory, on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import DataListModel
    from tests.support.wire import Call

QUERY = "dynamodb:Query"
BATCH_GET = "dynamodb:BatchGetItem"


def listed(service: Service, user: str = "u1", **options: Any) -> DataListModel[dict[str, Any]]:
    return service.module.repository.list_items_by_pk(PK, invoke_context=service.user(user), **options)


def keys(page: DataListModel[dict[str, Any]]) -> list[str]:
    return [item.sk for item in page.items]


def applied(service: Service, *sks: str) -> None:
    for sk in sks:
        service.publish(sk)
        service.apply(1, sk)


def delete(service: Service, sk: str, version: int) -> None:
    service.publish(sk, version, isDeleted=True)


def session_row(service: Service, sk: str, version: int, columns: Any = None) -> None:
    """A session as the TypeScript framework writes it: without columns for the key."""
    item = {
        "pk": {"S": "u1#acme"},
        "sk": {"S": f"todo#{PK}#{sk}"},
        "version": {"N": str(version)},
        "ttl": {"N": "4102444800"},
    }
    service.client.put_item(TableName=service.resources.settings.session_table, Item=item | (columns or {}))


def forget_keys(service: Service) -> None:
    """Turn the session rows into those of the TypeScript framework."""
    table = service.resources.settings.session_table
    for row in service.rows(table):
        service.set(table, row["sk"], row["pk"], itemPk=None, itemSk=None)


def expire(service: Service) -> None:
    table = service.resources.settings.session_table
    for row in service.rows(table):
        service.set(table, row["sk"], row["pk"], ttl=eventually_expired(0))


class TestListItemsByPk:
    def test_a_pending_update_stands_in_the_place_of_its_row(self, service: Service) -> None:
        applied(service, "A", "B", "C")
        service.publish("B", 1, name="mine")
        assert [(i.sk, i.name, i.version) for i in listed(service).items] == [
            ("A", "after 0", 1),
            ("B", "mine", 2),
            ("C", "after 0", 1),
        ]
        assert [i.name for i in listed(service, "u2").items] == ["after 0"] * 3

    def test_a_pending_update_looks_like_the_applied_one(self, service: Service) -> None:
        applied(service, "A")
        service.publish("A", 1, name="mine")
        pending = listed(service).items
        service.apply(2, "A")
        assert pending == listed(service).items

    def test_the_last_of_several_pending_versions_counts(self, service: Service) -> None:
        applied(service, "A")
        for version in (1, 2, 3):
            service.publish("A", version, name=f"v{version + 1}")
        assert [(i.name, i.version) for i in listed(service).items] == [("v4", 4)]

    def test_a_pending_deletion_takes_the_row_away(self, service: Service) -> None:
        applied(service, "A", "B")
        delete(service, "A", 1)
        assert keys(listed(service)) == ["B"]
        assert keys(listed(service, "u2")) == ["A", "B"]

    def test_pending_creations_come_first_and_the_newest_before_the_others(self, service: Service) -> None:
        applied(service, "B")
        # In UTC that is 05:59, 06:00 and 05:58.
        moments = {
            "C": "2026-01-02T05:59:00.5+00:00",
            "A": "2026-01-02T15:00:00+09:00",
            "D": "2026-01-02T05:58:00Z",
        }
        for sk, moment in moments.items():
            service.publish(sk)
            service.set("command", f"{sk}@1", createdAt=moment)
        assert keys(listed(service)) == ["A", "C", "D", "B"]
        assert keys(listed(service, order="desc")) == ["A", "C", "D", "B"]

    def test_what_was_created_and_deleted_again_is_not_there(self, service: Service) -> None:
        service.publish("A")
        delete(service, "A", 1)
        assert keys(listed(service)) == []

    def test_creations_are_on_the_first_page_only(self, service: Service) -> None:
        applied(service, "B", "C", "D")
        service.publish("E")
        service.set("command", "E@1", createdAt="2020-01-01T00:00:00.000+00:00")
        service.publish("A")
        first = listed(service, limit=2)
        second = listed(service, limit=2, start_from_sk=first.last_sk)
        assert (keys(first), first.last_sk) == (["A", "E", "B", "C"], "C")
        assert (keys(second), second.last_sk) == (["D"], None)
        service.steps.clear()
        assert keys(listed(service, limit=1, start_from_sk="B")) == ["C"]
        assert service.steps.names() == ["store:query"] * 2

    @pytest.mark.parametrize("order", ["asc", "desc"])
    def test_an_update_of_an_item_on_another_page_is_shown_there_only(
        self, service: Service, order: Any
    ) -> None:
        applied(service, "A", "B", "C", "D")
        for sk in ("A", "B", "C", "D"):
            service.publish(sk, 1, name="mine")
        first = listed(service, limit=2, order=order)
        second = listed(service, limit=2, order=order, start_from_sk=first.last_sk)
        expected = ["A", "B", "C", "D"] if order == "asc" else ["D", "C", "B", "A"]
        assert keys(first) + keys(second) == expected
        assert {item.name for item in [*first.items, *second.items]} == {"mine"}

    def test_a_deletion_on_another_page_changes_nothing_here(self, service: Service) -> None:
        applied(service, "A", "B")
        delete(service, "B", 1)
        assert keys(listed(service, limit=1)) == ["A"]

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (SortKeyCondition.eq("b1"), ["b1"]),
            (SortKeyCondition.begins_with("b"), ["b2", "b1"]),
            (SortKeyCondition.between("a1", "b1"), ["b1", "a1"]),
            (SortKeyCondition.lt("b1"), ["a1"]),
            (SortKeyCondition.le("b1"), ["b1", "a1"]),
            (SortKeyCondition.gt("b1"), ["b2"]),
            (SortKeyCondition.ge("b1"), ["b2", "b1"]),
            (None, ["b2", "b1", "a1"]),
        ],
    )
    def test_the_sort_key_condition_holds_for_pending_rows(
        self, service: Service, condition: SortKeyCondition | None, expected: list[str]
    ) -> None:
        for sk in ("a1", "b1", "b2"):
            service.publish(sk)
        assert sorted(keys(listed(service, sk=condition))) == sorted(expected)
        for sk in ("a1", "b1", "b2"):
            service.apply(1, sk)
        assert sorted(keys(listed(service, sk=condition))) == sorted(expected)

    def test_sessions_that_are_over_are_ignored(self, service: Service) -> None:
        applied(service, "A")
        service.publish("A", 1, name="mine")
        service.publish("B")
        expire(service)
        assert [(i.sk, i.name) for i in listed(service).items] == [("A", "after 0")]

    def test_sessions_that_the_data_has_overtaken_are_ignored(self, service: Service) -> None:
        applied(service, "A")
        service.publish_sync("A", 1, name="later")
        session_row(service, "A", 1)
        service.steps.clear()
        assert [(i.name, i.version) for i in listed(service).items] == [("later", 2)]
        assert service.steps.names() == ["store:query"] * 2

    def test_a_session_without_its_command_is_ignored(self, service: Service) -> None:
        applied(service, "A")
        session_row(service, "A", 7)
        session_row(service, "gone", 1)
        assert [(i.sk, i.version) for i in listed(service).items] == [("A", 1)]

    def test_a_session_row_that_says_nothing_is_ignored(self, service: Service) -> None:
        applied(service, "A")
        session_row(service, "A", 2, {"version": {"NULL": True}})
        session_row(service, "B", 2, {"ttl": {"NULL": True}})
        assert keys(listed(service)) == ["A"]

    def test_rows_of_the_typescript_framework_are_understood(self, service: Service) -> None:
        applied(service, "A#1")
        service.publish("A#1", 1, name="mine")
        service.publish("acme#B", name="new")
        forget_keys(service)
        assert [(i.sk, i.name) for i in listed(service).items] == [("acme#B", "new"), ("A#1", "mine")]

    def test_an_id_of_the_callers_own_making_does_not_disturb(self, service: Service) -> None:
        applied(service, "A")
        service.publish("A", 1, id="my-own", name="mine")
        session_row(service, "A@9", 2)
        assert [(i.sk, i.id, i.name) for i in listed(service).items] == [("A", "my-own", "mine")]

    def test_other_partitions_do_not_show(self, service: Service) -> None:
        for pk in ("NOTE#acme", f"{PK}#sub#acme", f"{PK}2"):
            service.module.commands.publish_async(
                service.command() | {"pk": pk, "attributes": {}},
                invoke_context=service.user(tenant=pk.rpartition("#")[2]),
            )
        assert keys(listed(service)) == []
        forget_keys(service)
        assert keys(listed(service)) == []

    def test_every_page_of_sessions_is_read(self, service: Service) -> None:
        padding = {"S": "x" * 300_000}
        for number in range(5):
            session_row(service, f"old{number}", 1, {"padding": padding})
        service.publish("Z")
        service.steps.clear()
        assert keys(listed(service)) == ["Z"]
        assert service.steps.names().count("store:query") == 3

    @on_dynamodb
    def test_pending_rows_are_read_in_batches(self, service: Service) -> None:
        for number in range(30):
            applied(service, f"A{number:02}")
            service.publish(f"A{number:02}", 1, name="mine")
            service.publish(f"B{number:02}")
        service.wire.clear()
        found = listed(service, limit=100).items
        assert len(found) == 60
        assert sum(item.name == "mine" for item in found) == 30
        assert sorted(service.wire.names()) == [BATCH_GET, QUERY, QUERY]

    def test_large_attributes_are_loaded(self, make_service: Callable[..., Service], bucket: str) -> None:
        service = make_service(bucket_name=bucket, attribute_limit=1000)
        applied(service, "A")
        for sk, version in (("A", 1), ("B", 0)):
            service.publish(sk, version, attributes={"blob": sk * 2000})
        assert {i.sk: i.attributes for i in listed(service).items} == {
            sk: {"blob": sk * 2000} for sk in ("A", "B")
        }

    @pytest.mark.parametrize("order", ["asc", "desc"])
    def test_a_row_that_arrives_between_the_reads_gets_its_place(self, service: Service, order: Any) -> None:
        applied(service, "A", "C", "E")
        late = {"asc": ("B", "D"), "desc": ("D", "B")}[order]
        for sk in late:
            service.publish(sk)

        def arrive(sk: str) -> Callable[[Call], None]:
            def before(call: Call) -> None:
                if call.operation == "batch_get":
                    service.steps.before = lambda _call: None
                    service.apply(1, sk)

            return before

        service.steps.before = arrive(late[0])
        first = listed(service, limit=2, order=order)
        service.steps.before = arrive(late[1])
        second = listed(service, limit=2, order=order, start_from_sk=first.last_sk)
        expected = ["A", "B", "C", "D", "E"]
        # The other one is still pending on the first page.
        assert keys(first)[0] == late[1]
        assert keys(first)[1:] + keys(second) == (expected if order == "asc" else expected[::-1])

    def test_a_row_that_arrives_as_a_later_version_is_shown_as_it_is(self, service: Service) -> None:
        service.publish("B")

        def before(call: Call) -> None:
            if call.operation == "batch_get":
                service.steps.before = lambda _call: None
                service.publish_sync("B", 1, name="later")

        service.steps.before = before
        assert [(item.name, item.version) for item in listed(service).items] == [("later", 2)]

    def test_an_id_with_two_meanings_shows_its_own_aggregate(self, service: Service) -> None:
        applied(service, "B")
        service.module.commands.publish_async(
            service.command("B", 1, name="of another user"), invoke_context=service.user("u2")
        )
        # Aggregate `acme#B` of this partition, or `B` of the partition `TODO#acme#acme`.
        session_row(service, "acme#B", 2)
        assert [(item.sk, item.name) for item in listed(service).items] == [("B", "after 0")]

    @pytest.mark.parametrize("minutes", ["", "0", "-1", "NaN", "five"])
    def test_switched_off_no_session_is_read(self, service: Service, minutes: str) -> None:
        applied(service, "A")
        service.publish("A", 1, name="mine")
        seconds = Settings.from_environment({"RYW_SESSION_TTL_MINUTES": minutes}).ryw_session_seconds
        off = service.again(ryw_session_seconds=seconds)
        found = listed(off)
        assert [item.name for item in found.items] == ["after 0"]
        assert [(call.name, call.parameters["arguments"][0]) for call in off.steps.calls] == [
            ("store:query", off.tables.data)
        ]

    @pytest.mark.parametrize("context", [None, InvokeContext()])
    def test_without_a_user_no_session_is_read(self, service: Service, context: InvokeContext | None) -> None:
        applied(service, "A")
        service.publish("A", 1, name="mine")
        service.steps.clear()
        if context is not None:
            with pytest.raises(ForbiddenError):
                service.module.repository.list_items_by_pk(PK, invoke_context=context)
            assert service.steps.names() == []
            return
        found = service.module.repository.list_items_by_pk(PK)
        assert [item.name for item in found.items] == ["after 0"]
        assert service.steps.names() == ["store:query"]

    def test_pending_writes_can_be_left_out(self, service: Service) -> None:
        applied(service, "A")
        service.publish("A", 1, name="mine")
        service.steps.clear()
        assert [i.name for i in listed(service, latest_flg=False).items] == ["after 0"]
        assert service.steps.names() == ["store:query"]

    @on_dynamodb
    def test_what_was_published_synchronously_is_read_consistently(self, service: Service) -> None:
        service.publish_sync("A")
        service.wire.clear()
        assert keys(listed(service)) == ["A"]
        assert [call.parameters["ConsistentRead"] for call in service.wire.calls] == [True, True]


class TestCalls:
    @on_dynamodb
    def test_nothing_pending_takes_two_queries_at_once(self, service: Service) -> None:
        applied(service, "A")
        service.client.delete_item(
            TableName=service.resources.settings.session_table,
            Key={"pk": {"S": "u1#acme"}, "sk": {"S": f"todo#{PK}#A"}},
        )
        service.wire.clear()
        meet = threading.Barrier(2, timeout=60)
        service.wire.before = lambda _call: meet.wait()  # type: ignore[assignment, return-value]
        listed(service)
        assert service.wire.names() == [QUERY, QUERY]

    @on_dynamodb
    def test_pending_writes_take_one_call_more(self, service: Service) -> None:
        applied(service, "A", "B")
        service.publish("A", 1)
        service.publish("C")
        service.wire.clear()
        meet = threading.Barrier(2, timeout=60)

        def both(call: Call) -> None:
            if call.name == QUERY:
                meet.wait()

        service.wire.before = both
        listed(service)
        assert sorted(service.wire.names()) == [BATCH_GET, QUERY, QUERY]
        assert service.wire.depth() == 2
        (batch,) = (call for call in service.wire.calls if call.name == BATCH_GET)
        requested = batch.parameters["RequestItems"]
        sessions = next(c for c in service.wire.calls if c.parameters["TableName"].endswith("-session"))
        said = sessions.parameters["ExpressionAttributeValues"].values()
        assert [value["S"] for value in said] == ["u1#acme", f"todo#{PK}#"]
        # The data row of A is on the page already. B's session is overtaken.
        assert [key["sk"]["S"] for key in requested[service.tables.command]["Keys"]] == ["A@2", "C@1"]
        assert [key["sk"]["S"] for key in requested[service.tables.data]["Keys"]] == ["C"]


class TestBadInput:
    @in_memory
    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"limit": 0}, "limit"),
            ({"limit": 1001}, "limit"),
            ({"limit": "10"}, "limit"),
            ({"limit": True}, "limit"),
            ({"order": "up"}, "order"),
            ({"order": ["asc"]}, "order"),
            ({"sk": "prefix"}, "sk"),
            ({"sk": SortKeyCondition.eq("")}, "sk"),
            ({"sk": SortKeyCondition.eq("x" * 1025)}, "sk"),
            ({"sk": SortKeyCondition.eq("\ud800")}, "sk"),
            ({"sk": SortKeyCondition.eq(7)}, "sk"),  # type: ignore[arg-type]
            ({"sk": SortKeyCondition.between("b", "a")}, "sk"),
            ({"sk": SortKeyCondition("sk <> :a", ("x",))}, "sk"),
            ({"start_from_sk": ""}, "start_from_sk"),
            ({"start_from_sk": 3}, "start_from_sk"),
            ({"sk": SortKeyCondition.begins_with("a"), "start_from_sk": "b"}, "start_from_sk"),
        ],
    )
    def test_an_argument_out_of_range_is_refused(
        self, service: Service, arguments: dict[str, Any], field: str
    ) -> None:
        for reader in (service.module.repository, service.module.data):
            with pytest.raises(InvalidInputError) as caught:
                reader.list_items_by_pk(PK, invoke_context=service.user(), **arguments)
            assert [problem.field for problem in caught.value.problems] == [field]
        assert service.wire.names() == []

    @in_memory
    def test_every_problem_is_named_at_once(self, service: Service) -> None:
        with pytest.raises(InvalidInputError) as caught:
            listed(service, limit=0, order="up", start_from_sk="")
        assert {problem.field for problem in caught.value.problems} == {"limit", "order", "start_from_sk"}

    @in_memory
    def test_a_foreign_partition_is_refused(self, service: Service) -> None:
        with use_invoke_context(service.user()), pytest.raises(ForbiddenError):
            service.module.repository.list_items_by_pk("TODO#globex")
        assert service.wire.names() == []

    @in_memory
    @pytest.mark.parametrize("pk", [None, 7, "", "x" * 2049])
    def test_what_is_no_partition_key_is_refused(self, service: Service, pk: Any) -> None:
        for reader in (service.module.repository, service.module.data):
            with pytest.raises(InvalidInputError, match="pk: "):
                reader.list_items_by_pk(pk)
        assert service.wire.names() == []

    @in_memory
    @pytest.mark.parametrize(
        ("key", "field"),
        [
            ((PK,), "key"),
            (PK, "key"),
            (None, "key"),
            ((PK, "A", "B"), "key"),
            ((7, "A"), "pk"),
            (("", "A"), "pk"),
            ((PK, None), "sk"),
            ((PK, ""), "sk"),
            ((PK, "A@1"), "sk"),
            ((PK, "\udfff"), "sk"),
        ],
    )
    def test_what_is_no_key_is_refused(self, service: Service, key: Any, field: str) -> None:
        module = service.module
        reads: list[Callable[[], object]] = [
            lambda: module.repository.get_item(key),
            lambda: module.data.get_item(key),
            lambda: module.history.get_item(key, 1),
            lambda: module.history.list_versions(key),
            lambda: module.history.as_of(key, version=1),
            lambda: module.history.publish(key),
        ]
        for read in reads:
            with pytest.raises(InvalidInputError) as caught:
                read()
            assert [problem.field for problem in caught.value.problems] == [field]
        assert service.wire.names() == []
