"""The methods of a module's commands, one class each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    BadRequestError,
    DataSyncHandler,
    ForbiddenError,
    InvalidInputError,
    ItemNotFoundError,
    PublishIdReusedError,
    VersionConflictError,
    erase,
)
from runtime.store.port import Put
from tests.runtime.test_handlers import Recorder, handle
from tests.support.checker import check_invariants
from tests.support.service import PK, Service, in_memory, on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import CommandModel
    from runtime.pipeline.resync import Progress
    from tests.support.wire import Call


class TestGetItem:
    def test_a_version(self, service: Service) -> None:
        service.publish(name="one")
        service.publish(version=1, name="two")
        found = service.module.commands.get_item((PK, "A1@1"))
        assert found is not None
        assert (found.name, found.version) == ("one", 1)

    def test_without_a_version_the_latest(self, service: Service) -> None:
        service.publish(name="one")
        service.publish(version=1, name="two")
        found = service.module.commands.get_item((PK, "A1"))
        assert found is not None
        assert (found.name, found.sk) == ("two", "A1@2")

    def test_nothing_there(self, service: Service) -> None:
        assert service.module.commands.get_item((PK, "A1@1")) is None
        assert service.module.commands.get_item((PK, "A1")) is None


class TestGetLatestItem:
    @in_memory
    @pytest.mark.parametrize("applied", [True, False])
    def test_at_version_10_000_with_old_commands_expired(
        self, make_service: Callable[..., Service], *, applied: bool
    ) -> None:
        service = make_service()
        last, first_left = 10_000, 4_000
        write_commands(service, range(first_left, last + 1))
        if applied:
            row = service.image(last) | {"sk": "A1", "version": last}
        else:
            row = service.image(first_left) | {"sk": "A1"}
        service.quiet.write(Put(table=service.tables.data, row=row))
        service.steps.clear()
        found = service.module.commands.get_latest_item((PK, "A1"))
        assert found is not None
        assert found.version == last
        assert len(service.steps.calls) <= (3 if applied else 16)
        assert service.publish(version=-1, name="next").version == last + 1

    def test_a_command_that_has_expired_is_none(self, service: Service) -> None:
        service.publish_sync()
        service.client.delete_item(
            TableName=service.tables.command, Key={"pk": {"S": PK}, "sk": {"S": "A1@1"}}
        )
        assert service.module.commands.get_latest_item((PK, "A1")) is None

    @pytest.mark.parametrize("handlers", [[], [Recorder]])
    def test_without_data_rows(self, make_service: Callable[..., Service], handlers: list[Any]) -> None:
        service = make_service(disable_default_handler=True, handlers=handlers)
        for version in range(12):
            service.publish(version=version)
        found = service.module.commands.get_latest_item((PK, "A1"))
        assert found is not None
        assert found.version == 12
        assert service.publish(version=-1, name="next").version == 13

    def test_without_data_rows_once_the_handlers_are_done(self, make_service: Callable[..., Service]) -> None:
        """No row says how far the aggregate is but the cursor."""
        service = make_service(disable_default_handler=True, handlers=[Recorder])
        for version in range(3):
            service.publish(version=version)
        handle(service, 3)
        service.steps.clear()
        found = service.module.commands.get_latest_item((PK, "A1"))
        assert found is not None
        assert (found.version, found.name) == (3, "after 2")
        assert service.steps.names() == ["store:batch_get"] * 2
        assert service.publish(version=-1, name="after 2", attributes={"title": "t2"}) is None
        assert service.publish(version=-1, name="next").version == 4


def write_commands(service: Service, versions: range) -> None:
    service.publish()
    model = service.image(1)
    service.client.delete_item(TableName=service.tables.command, Key={"pk": {"S": PK}, "sk": {"S": "A1@1"}})

    rows = [model | {"sk": f"A1@{version}", "version": version} for version in versions]
    for first in range(0, len(rows), 100):
        service.quiet.write(
            *(Put(table=service.tables.command, row=row) for row in rows[first : first + 100])
        )


class TestGetNextCommand:
    def test_the_one_after(self, service: Service) -> None:
        service.publish()
        service.publish(version=1, name="two")
        found = service.module.commands.get_next_command((PK, "A1@1"))
        assert found is not None
        assert found.name == "two"
        assert service.module.commands.get_next_command((PK, "A1@2")) is None


class TestDuplicate:
    @pytest.mark.parametrize("sk", ["A1", "A1@1"])
    def test_the_state_once_more(self, service: Service, sk: str) -> None:
        service.publish_sync(seq=3)
        copy = service.module.commands.duplicate((PK, sk), invoke_context=service.user("u2"))
        assert copy is not None
        assert (copy.version, copy.source, copy.seq, copy.created_by) == (2, "duplicated", 3, "u2")
        row = service.row("command", "A1@2") or {}
        assert not {"status", "syncMode", "taskToken"} & set(row)
        service.apply(2)
        check_invariants(service)

    def test_of_nothing(self, service: Service) -> None:
        with pytest.raises(BadRequestError, match="Invalid input key: item not found"):
            service.module.commands.duplicate((PK, "A1"), invoke_context=service.user())

    def test_of_an_old_version_conflicts(self, service: Service) -> None:
        service.publish()
        service.publish(version=1)
        with pytest.raises(VersionConflictError):
            service.module.commands.duplicate((PK, "A1@1"), invoke_context=service.user())


class TestUpdateStatus:
    def test_sets_it_and_leaves_the_rest(self, service: Service) -> None:
        service.publish()
        before = service.row("command", "A1@1") or {}
        service.module.commands.update_status((PK, "A1@1"), "import:STARTED")
        assert service.row("command", "A1@1") == before | {"status": "import:STARTED"}

    def test_never_makes_a_row(self, service: Service) -> None:
        with pytest.raises(ItemNotFoundError):
            service.module.commands.update_status((PK, "A1@1"), "x:STARTED")
        assert service.row("command", "A1@1") is None


class TestUpdateTaskToken:
    def test_keeps_it(self, service: Service) -> None:
        service.publish()
        assert service.module.commands.update_task_token((PK, "A1@1"), "token").version == 1
        assert (service.row("command", "A1@1") or {})["taskToken"] == "token"
        with pytest.raises(ItemNotFoundError):
            service.module.commands.update_task_token((PK, "A1@2"), "token")


class TestIsNotCommandDirty:
    @pytest.mark.parametrize(
        ("change", "same"),
        [
            ({}, True),
            ({"isDeleted": False}, True),
            ({"isDeleted": True}, False),
            ({"seq": None}, True),
            ({"seq": 1}, False),
            ({"ttl": 5}, True),
            ({"version": 9}, True),
            ({"name": "other"}, False),
            ({"attributes": {"title": "t0", "gone": None}}, True),
            ({"attributes": {"title": "t0", "flag": False}}, False),
            ({"attributes": {"title": "t1"}}, False),
            ({"attributes": None}, False),
        ],
    )
    def test_compares_what_is_said(self, service: Service, change: dict[str, Any], *, same: bool) -> None:
        item = service.publish()
        assert service.module.commands.is_not_command_dirty(item, service.command() | change) is same


class TestPublishId:
    @pytest.mark.parametrize("method", ["publish_async", "publish_sync"])
    @pytest.mark.parametrize("version", [0, -1])
    def test_a_repeated_publish_returns_the_first_result(
        self, service: Service, method: str, version: int
    ) -> None:
        publish = getattr(service.module.commands, method)
        command, user = service.command(version=version), service.user()
        first = publish(command, invoke_context=user, publish_id="once")
        service.publish(version=-1, name="in between")
        again = publish(command, invoke_context=user, publish_id="once")
        assert (again.version, again.name, again.created_at) == (first.version, first.name, first.created_at)
        assert service.row("command", "A1@3") is None

    def test_at_the_same_time_one_wins_and_all_get_it(self, service: Service) -> None:
        def publish(_number: int) -> Any:
            return service.module.commands.publish_async(
                service.command(version=-1), invoke_context=service.user(), publish_id="once"
            )

        with ThreadPoolExecutor(8) as pool:
            versions = {command.version for command in pool.map(publish, range(16))}
        assert versions == {1}
        assert service.row("command", "A1@2") is None

    def test_ids_are_an_aggregates_own(self, service: Service) -> None:
        for sk in ("A1", "B1"):
            service.module.commands.publish_async(
                service.command(sk), invoke_context=service.user(), publish_id="once"
            )
        assert service.row("command", "B1@1")

    def test_the_record_is_left_out_by_the_stream_and_expires(self, service: Service) -> None:
        service.module.commands.publish_async(
            service.command(), invoke_context=service.user(), publish_id="once"
        )
        (record,) = [row for row in service.rows(service.tables.command) if row["sk"] != "A1@1"]
        assert record["sk"].startswith("A1@publish#")
        assert record["publishId"] == service.image(1)["publishId"]
        assert record["syncMode"] == "SYNC"
        assert record["ttl"] > 0

    @pytest.mark.parametrize("method", ["publish_async", "publish_sync"])
    @pytest.mark.parametrize(
        "change", [{"name": "other"}, {"attributes": {"title": "other"}}, {"version": 1}]
    )
    def test_another_call_with_the_same_id_is_refused(
        self, service: Service, method: str, change: dict[str, Any]
    ) -> None:
        publish = getattr(service.module.commands, method)
        publish(service.command(), invoke_context=service.user(), publish_id="once")
        before = service.everything()
        with pytest.raises(PublishIdReusedError):
            publish(service.command() | change, invoke_context=service.user(), publish_id="once")
        with pytest.raises(PublishIdReusedError):
            publish(service.command(), invoke_context=service.user("u2"), publish_id="once")
        assert service.everything() == before

    @pytest.mark.parametrize("publish_id", ["", "x" * 256])
    def test_an_id_out_of_range_is_refused(self, service: Service, publish_id: str) -> None:
        with pytest.raises(InvalidInputError, match="publish_id"):
            service.module.commands.publish_async(
                service.command(), invoke_context=service.user(), publish_id=publish_id
            )

    @on_dynamodb
    def test_it_takes_no_call_more(self, service: Service) -> None:
        service.module.commands.publish_async(
            service.command(), invoke_context=service.user(), publish_id="once"
        )
        assert service.wire.names() == ["dynamodb:BatchGetItem", "dynamodb:TransactWriteItems"]


class TestPublishWithRetry:
    def test_writers_that_collide_all_get_through(self, service: Service) -> None:
        service.publish(attributes={"count": 0})

        def add_one(latest: CommandModel[Any] | None) -> dict[str, Any]:
            count = (latest.attributes or {})["count"] if latest else 0
            return service.command(name="counted", attributes={"count": count + 1})

        def work(_number: int) -> None:
            service.module.commands.publish_with_retry(
                (PK, "A1"), add_one, attempts=50, invoke_context=service.user()
            )

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(work, range(12)))
        found = service.module.commands.get_latest_item((PK, "A1"))
        assert found is not None
        assert (found.version, found.attributes) == (13, {"count": 12})

    def test_it_gives_up(self, service: Service) -> None:
        service.publish()
        seen: list[int] = []

        def overtaken(latest: CommandModel[Any] | None) -> dict[str, Any]:
            version = latest.version if latest else 0
            seen.append(version)
            service.publish(version=version, name=f"faster {version}")
            return service.command(name="slow")

        with pytest.raises(VersionConflictError):
            service.module.commands.publish_with_retry(
                (PK, "A1"), overtaken, attempts=3, invoke_context=service.user()
            )
        assert seen == [1, 2, 3]

    def test_deciding_against_it_writes_nothing(self, service: Service) -> None:
        change: Callable[[Any], None] = lambda _latest: None  # noqa: E731 - the shortest decision
        assert (
            service.module.commands.publish_with_retry((PK, "A1"), change, invoke_context=service.user())
            is None
        )
        assert not any(service.everything().values())

    def test_a_new_aggregate(self, service: Service) -> None:
        def create(latest: CommandModel[Any] | None) -> dict[str, Any]:
            assert latest is None
            return service.command()

        made = service.module.commands.publish_with_retry(
            (PK, "A1"), create, sync=True, invoke_context=service.user()
        )
        assert made is not None
        assert made.version == 1
        check_invariants(service)


class TestReSyncData:
    def test_feeds_every_row_once_in_segments(self, make_service: Callable[..., Service]) -> None:
        recorder = Recorder()
        old = make_service()
        for number in range(25):
            old.publish_sync(f"S{number}")
            old.publish_sync(f"S{number}", version=1)
        old.release(recorder)
        total = sum(
            old.module.commands.re_sync_data(segment=segment, total_segments=3) for segment in range(3)
        )
        assert total == 25
        assert sorted(recorder.seen) == sorted(f"S{number}@2" for number in range(25))

    @in_memory
    def test_goes_on_where_it_stopped(self, make_service: Callable[..., Service]) -> None:
        recorder = Recorder()
        service = make_service(handlers=[Recorder])
        for number in range(130):
            service.publish_sync(f"S{number:03}")
        service.module = type(service.module)(
            "todo", data_sync_handlers=[recorder], resources=service.resources
        )
        pages: list[Progress] = []
        service.module.commands.re_sync_data(on_page=pages.append)
        assert [page.rows for page in pages] == [100, 30]
        assert pages[-1].resume_token is None
        recorder.seen.clear()
        assert service.module.commands.re_sync_data(resume_from=pages[0].resume_token) == 30
        assert recorder.seen == [f"S{number:03}@1" for number in range(100, 130)]

    def test_a_handler_that_is_past_a_row_is_left_alone(self, make_service: Callable[..., Service]) -> None:
        recorder = Recorder()
        service = make_service(handlers=[recorder])
        service.publish_sync()
        service.publish_sync(version=1)
        row = service.raw("history", "A1@1") | {"sk": "A1"}
        service.quiet.write(Put(table=service.tables.data, row=row))
        recorder.seen.clear()
        service.module.commands.re_sync_data()
        assert recorder.seen == []

    @in_memory
    def test_where_nothing_is_to_be_done_a_row_costs_next_to_no_call(
        self, make_service: Callable[..., Service]
    ) -> None:
        recorder = Recorder()
        service = make_service(handlers=[recorder])
        for number in range(150):
            service.publish_sync(f"S{number:03}")
        recorder.seen.clear()
        service.steps.clear()
        assert service.module.commands.re_sync_data(unseen_only=True) == 150
        assert recorder.seen == []
        assert service.steps.names() == ["store:scan", "store:batch_get"] * 2
        service.client.delete_item(
            TableName=service.tables.sync, Key={"pk": {"S": PK}, "sk": {"S": "Recorder#S007"}}
        )
        service.steps.clear()
        service.module.commands.re_sync_data(unseen_only=True)
        assert recorder.seen == ["S007@1"]
        assert service.steps.names().count("store:write") == 2
        service.steps.clear()
        service.module.commands.re_sync_data()
        assert len(recorder.seen) == 151
        assert len(service.steps.names()) == 4 + 2 * 150

    @in_memory
    def test_what_changed_since_its_page_was_read_is_shown_as_it_is(
        self, make_service: Callable[..., Service]
    ) -> None:
        recorder = Recorder()
        service = make_service(handlers=[recorder])
        for sk in ("A", "B", "C"):
            service.publish_sync(sk)
        recorder.seen.clear()
        other = service.again(handlers=[Recorder()])

        def change(call: Call) -> None:
            if call.operation == "batch_get":
                service.steps.after = lambda _call: None
                other.publish_sync("B", 1)
                erase(other.module, (PK, "C"))

        service.steps.after = change
        service.module.commands.re_sync_data()
        assert recorder.seen == ["A@1", "B@2"]

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"handlers": ["Nobody"]}, "handlers"),
            ({"segment": 2, "total_segments": 2}, "segment"),
            ({"resume_from": "x"}, "resume_from"),
            ({"resume_from": "[1]"}, "resume_from"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, make_service: Callable[..., Service], arguments: dict[str, Any], field: str
    ) -> None:
        service = make_service(handlers=[Recorder])
        with pytest.raises(InvalidInputError, match=field):
            service.module.commands.re_sync_data(**arguments)


class TestHandlers:
    def test_they_are_there_by_name(self, make_service: Callable[..., Service]) -> None:
        recorder = Recorder()
        commands = make_service(handlers=[recorder]).module.commands
        assert commands.data_sync_handlers == [recorder]
        assert commands.get_data_sync_handler("Recorder") is recorder
        assert commands.get_data_sync_handler("Other") is None
        assert isinstance(recorder, DataSyncHandler)


class TestTableName:
    def test_setting_it_redirects_the_commands(self, service: Service) -> None:
        commands = service.module.commands
        original = commands.table_name
        commands.table_name = service.tables.history
        service.publish()
        commands.table_name = original
        assert service.rows(original) == []


class TestTenants:
    def test_every_method_refuses_a_foreign_key_before_any_call(self, service: Service) -> None:
        commands, user, key = service.module.commands, service.user(), ("TODO#globex", "A1@1")
        bare = {"pk": key[0], "sk": "A1", "version": 1}
        calls: list[Callable[[], object]] = [
            lambda: commands.get_item(key, invoke_context=user),
            lambda: commands.get_latest_item(key, invoke_context=user),
            lambda: commands.get_next_command(key, invoke_context=user),
            lambda: commands.duplicate(key, invoke_context=user),
            lambda: commands.update_status(key, "x", invoke_context=user),
            lambda: commands.update_task_token(key, "x", invoke_context=user),
            lambda: commands.update_ttl(key, invoke_context=user),
            lambda: commands.publish_partial_update_async(bare, invoke_context=user),
            lambda: commands.publish_partial_update_sync(bare, invoke_context=user),
            lambda: commands.publish_async(service.command() | bare, invoke_context=user),
            lambda: commands.publish_sync(service.command() | bare, invoke_context=user),
            lambda: commands.publish_with_retry((key[0], "A1"), lambda _: None, invoke_context=user),
        ]
        for call in calls:
            with pytest.raises(ForbiddenError):
                call()
        assert service.wire.names() == []
