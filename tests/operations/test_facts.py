"""What is unfinished is found by what the tables hold, whatever the statuses say; and healed by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import InvalidInputError, erase, heal, reconcile
from runtime.contract import OPEN_COLUMN, OPEN_SLICES
from runtime.model.status import APPLY_FAILED, FINISHED, HANDLERS_FAILED
from tests.operations.pipeline import Recorder, check_all_is_done, execution, reconcile_all, work
from tests.support.checker import check_invariants
from tests.support.service import PK, Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.clock import AdvancedClock
    from tests.support.wire import Call

INDEXED = {"todo": {"sync": True, "open": True}}
WITHOUT_HANDLERS = {"todo": {"open": True}}
_TEN_MINUTES = 600


@pytest.fixture
def service(make_service: Callable[..., Service], recorder: Recorder) -> Service:
    return make_service(handlers=[recorder], modules=INDEXED)


def under_way(service: Service) -> list[str]:
    """Sort keys of the commands in the index."""
    return sorted(row["sk"] for row in service.rows(service.tables.command) if OPEN_COLUMN in row)


def remove(service: Service, table: str, sk: str) -> None:
    key = {"pk": {"S": PK}, "sk": {"S": sk}}
    service.client.delete_item(TableName=getattr(service.tables, table), Key=key)


def restore(service: Service, item: Any) -> None:
    service.client.put_item(TableName=service.tables.data, Item=item)


def statuses(service: Service) -> list[Any]:
    return [row.get("status") for row in service.everything()["command"].values()]


class TestReconcile:
    def test_a_data_row_that_is_missing_is_made_anew(self, service: Service, recorder: Recorder) -> None:
        for version in range(3):
            service.publish(version=version)
            execution(service, version + 1)
        before = service.everything()
        remove(service, "data", "A1")
        for version in (1, 2):
            remove(service, "history", f"A1@{version}")
        (page,) = reconcile_all(service, dry_run=True)
        # The last one says how long the row was to stay, and brings the others along.
        found = [(one.version, one.problem, one.status) for one in page.found]
        assert found == [(3, "notApplied", FINISHED)]
        (page,) = reconcile_all(service)
        assert (page.applied, page.failed) == (3, ())
        assert service.everything() == before
        assert recorder.seen == ["A1@1", "A1@2", "A1@3"], "they had seen it all"
        assert reconcile_all(service)[0].found == ()

    def test_a_data_row_that_was_restored_from_an_older_backup(
        self, service: Service, recorder: Recorder
    ) -> None:
        service.publish()
        execution(service, 1)
        backup = service.item("data", "A1")
        for version in (1, 2):
            service.publish(version=version)
            execution(service, version + 1)
        before = service.everything()
        restore(service, backup)
        (page,) = reconcile_all(service)
        assert [one.version for one in page.found] == [2, 3]
        assert page.applied == 2
        assert service.everything() == before
        assert recorder.seen == ["A1@1", "A1@2", "A1@3"]
        check_all_is_done(service, recorder)

    def test_a_data_row_whose_time_is_over_stays_away(self, service: Service) -> None:
        for version, ttl in enumerate((None, None, 1)):
            service.publish(version=version, ttl=ttl)
            execution(service, version + 1)
        remove(service, "data", "A1")
        for limit in (100, 2, 1):
            assert [page.found for page in reconcile_all(service, limit=limit) if page.found] == []
        assert service.row("data", "A1") is None

    def test_a_command_from_the_future_is_found(self, service: Service, recorder: Recorder) -> None:
        service.publish()
        set_created(service, "A1@1", datetime.now(UTC) + timedelta(hours=9))
        page = reconcile(service.module)
        assert [(one.version, one.problem) for one in page.found] == [(1, "notApplied")]
        check_all_is_done(service, recorder)

    def test_a_handler_whose_cursor_was_lost_is_new_to_the_aggregate(
        self, service: Service, recorder: Recorder
    ) -> None:
        """It is not shown again what was finished: its store is fed by a re-sync."""
        service.publish()
        execution(service, 1)
        remove(service, "sync", "Recorder#A1")
        assert reconcile_all(service)[0].found == ()
        service.publish(version=1)
        execution(service, 2)
        assert recorder.seen == ["A1@1", "A1@2"]

    def test_a_cursor_that_was_restored_from_an_older_backup(
        self, service: Service, recorder: Recorder
    ) -> None:
        service.publish()
        execution(service, 1)
        backup = service.item("sync", "Recorder#A1")
        service.publish(version=1)
        execution(service, 2)
        service.client.put_item(TableName=service.tables.sync, Item=backup)
        (page,) = reconcile_all(service)
        assert [(one.version, one.problem) for one in page.found] == [(2, "notHandled")]
        assert recorder.seen == ["A1@1", "A1@2", "A1@2"]
        check_invariants(service)
        assert reconcile_all(service)[0].found == ()


def set_created(service: Service, sk: str, moment: datetime) -> None:
    service.client.update_item(
        TableName=service.tables.command,
        Key={"pk": {"S": PK}, "sk": {"S": sk}},
        UpdateExpression="SET createdAt = :v",
        ExpressionAttributeValues={":v": {"S": moment.isoformat(timespec="milliseconds")}},
    )


class TestHeal:
    def test_a_synchronous_publish_that_died_before_its_handlers(
        self, service: Service, recorder: Recorder, later: AdvancedClock
    ) -> None:
        def die(call: Call) -> None:
            if call.operation == "TransactWriteItems":
                raise KeyboardInterrupt

        service.wire.after = die
        with pytest.raises(KeyboardInterrupt):
            service.publish_sync()
        service.wire.after = lambda _call: None
        assert under_way(service) == ["A1@1"]
        assert (heal(service.module).looked_at, recorder.seen) == (0, [])
        later.advance(_TEN_MINUTES + 1)
        healed = heal(service.module)
        assert (healed.looked_at, healed.healed, healed.failed) == (1, 1, ())
        check_all_is_done(service, recorder)
        assert under_way(service) == []
        assert heal(service.module).looked_at == 0

    @pytest.mark.parametrize("with_handlers", [True, False])
    def test_what_the_stream_forgot(
        self, make_service: Callable[..., Service], recorder: Recorder, later: AdvancedClock,
        *, with_handlers: bool,
    ) -> None:  # fmt: skip
        service = make_service(
            handlers=[recorder] if with_handlers else [],
            modules=INDEXED if with_handlers else WITHOUT_HANDLERS,
        )
        count = 40 if with_handlers else 10  # more than a page, and less
        for number in range(count):
            for version in range(3):
                service.publish(f"A{number}", version)
        later.advance(_TEN_MINUTES + 1)
        healed = heal(service.module)
        assert (healed.looked_at, healed.healed, healed.failed) == (3 * count, 3 * count, ())
        check_all_is_done(service, recorder if with_handlers else None)
        assert under_way(service) == []

    def test_a_handler_whose_process_died_in_its_turn(
        self, service: Service, recorder: Recorder, later: AdvancedClock
    ) -> None:
        service.publish()
        work(service, "apply", 1)

        def die(call: Call) -> None:
            if call.operation == "TransactWriteItems":
                raise KeyboardInterrupt

        service.wire.after = die  # the turn is taken, and nothing was shown
        with pytest.raises(KeyboardInterrupt):
            work(service, "handle", 1, handler="Recorder")
        service.wire.after = lambda _call: None
        assert recorder.seen == []
        later.advance(_TEN_MINUTES + 1)
        assert heal(service.module).healed == 1
        check_all_is_done(service, recorder)

    def test_one_from_the_future_is_found(self, service: Service, recorder: Recorder) -> None:
        service.publish()
        set_created(service, "A1@1", datetime.now(UTC) + timedelta(hours=9))
        assert heal(service.module).healed == 1
        check_all_is_done(service, recorder)

    def test_what_is_settled_is_not_in_the_index(
        self, make_service: Callable[..., Service], service: Service
    ) -> None:
        plain = make_service(modules=WITHOUT_HANDLERS)
        plain.publish("A1")
        assert under_way(plain) == ["A1@1"]
        plain.apply(1)
        plain.publish_sync("B1")
        plain.publish("C1")
        work(plain, "fail", 1, "C1", error="E")
        assert statuses(plain) == [FINISHED, FINISHED, APPLY_FAILED]
        assert under_way(plain) == ["C1@1"]  # to be tried again
        for sk in ("A1", "B1"):
            service.publish(sk)
        assert under_way(service) == ["A1@1", "B1@1"]
        execution(service, 1)
        execution(service, 1, "B1", parks=("Recorder",))
        service.publish_sync("C1")
        assert sorted(statuses(service)) == [FINISHED, FINISHED, HANDLERS_FAILED]
        assert under_way(service) == []

    def test_an_aggregate_that_is_erased_is_not_in_the_index(self, service: Service) -> None:
        service.publish()
        execution(service, 1)
        erase(service.module, (PK, "A1"))
        assert under_way(service) == []

    def test_it_costs_the_same_however_many_commands_are_done(self, service: Service) -> None:
        for number in range(20):
            service.publish(f"A{number}")
            execution(service, 1, f"A{number}")
        service.wire.clear()
        heal(service.module)
        assert service.wire.names() == ["dynamodb:Query"] * 2 * OPEN_SLICES

    def test_a_stack_without_the_index_heals_nothing(self, make_service: Callable[..., Service]) -> None:
        service = make_service(modules={"todo": {"open": False}})
        service.publish()
        assert under_way(service) == []
        assert heal(service.module, older_than=timedelta(0)).looked_at == 0

    def test_a_negative_age_is_refused(self, service: Service) -> None:
        with pytest.raises(InvalidInputError, match="older_than: must not be negative"):
            heal(service.module, older_than=timedelta(seconds=-1))
