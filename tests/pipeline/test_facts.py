"""What nobody has finished is found by facts, and healed by the stack itself."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import HandlersPendingError, ModuleMismatchError, StoreUnavailableError, heal, reconcile
from runtime.contract import OPEN_COLUMN
from runtime.model.status import APPLY_FAILED, FINISHED, HANDLERS_FAILED
from runtime.pipeline.facts import Problem
from runtime.store.port import Delete, Put, Set
from tests.pipeline.lab import KEY, Lab, One, Two

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime import CommandModel
    from runtime.store.values import Place


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    lab = Lab(mode=getattr(request, "param", "workflow"), handlers=[One()])
    yield lab
    lab.clock.stop()


def one(lab: Lab) -> One:
    return lab.module.handler("One").handler  # type: ignore[return-value]


def sweep(lab: Lab, **options: Any) -> Any:
    return reconcile(lab.module, invoke_context=lab.admin(), **({"older_than": timedelta(0)} | options))


def finished(lab: Lab, versions: int = 3) -> None:
    for version in range(versions):
        lab.publish(version)
        lab.settle()
        lab.clock.advance(seconds=1)


def test_a_data_row_that_is_gone_before_its_time_is_made_anew(lab: Lab) -> None:
    finished(lab)
    before = lab.row("data")
    lab.store.write(Delete(place=lab.context.data_place(KEY)))
    page = sweep(lab)
    assert {(u.version, u.problem) for u in page.found} == {(3, Problem.NOT_APPLIED)}
    assert lab.row("data") == before
    assert [lab.status(v) for v in (1, 2, 3)] == [FINISHED] * 3
    assert one(lab).versions() == [1, 2, 3]
    assert sweep(lab).found == ()


def test_a_data_row_of_an_older_backup_moves_forward(lab: Lab) -> None:
    finished(lab, 1)
    backup = lab.row("data")
    for version in (1, 2):
        lab.publish(version)
        lab.settle()
    after = lab.row("data")
    lab.store.write(Put(table=lab.context.tables.data, row=backup))
    page = sweep(lab)
    assert {u.version for u in page.found} == {2, 3}
    assert lab.row("data") == after
    assert [lab.status(v) for v in (1, 2, 3)] == [FINISHED] * 3  # never started anew
    assert one(lab).versions() == [1, 2, 3]


@pytest.mark.parametrize("own", [True, False])
def test_a_data_row_that_has_expired_stays_away(lab: Lab, own: bool) -> None:  # noqa: FBT001
    if own:
        lab.publish(0, values={"ttl": int(lab.clock.seconds()) + 3600})
    else:
        lab.keep_for("data", 1)
        lab.publish(0)
    lab.settle()
    lab.clock.advance(days=2)
    lab.store.expire()
    assert lab.row("data") is None
    assert sweep(lab).found == ()
    assert lab.row("data") is None


def test_nothing_is_brought_back_because_nobody_knows_how_long_it_was_kept(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.keep_for("data", 1)
    lab.publish(0)
    lab.settle()
    lab.store.write(Set(place=lab.context.command_place(KEY, 1), remove=["appliedTtl"]))  # as it was once
    lab.clock.advance(days=2)
    lab.store.expire()
    get = lab.store.get

    def out_of_reach(place: Place, **options: Any) -> Any:
        if place.pk.startswith("MASTER#"):
            raise StoreUnavailableError("STS", "Throttling")  # noqa: EM101
        return get(place, **options)

    monkeypatch.setattr(lab.store, "get", out_of_reach)
    page = sweep(lab)
    assert (page.found, [one.error for one in page.failed]) == ((), ["StoreUnavailableError"])
    assert lab.row("data") is None
    monkeypatch.undo()
    assert sweep(lab).found == ()


def test_a_command_from_the_future_is_found(lab: Lab) -> None:
    lab.publish(0)
    place = lab.context.command_place(KEY, 1)
    lab.store.write(Set(place=place, columns={"createdAt": "2999-01-01T00:00:00.000+00:00"}))
    page = sweep(lab, older_than=timedelta(minutes=15))
    assert [u.version for u in page.found] == [1]
    assert lab.status(1) == FINISHED


def test_young_commands_are_left_to_the_pipeline(lab: Lab) -> None:
    lab.publish(0)
    assert sweep(lab, older_than=timedelta(minutes=15)).found == ()
    assert lab.row("data") is None


def test_a_cursor_that_was_restored_is_brought_up_to_date(lab: Lab) -> None:
    finished(lab)
    place = lab.context.cursor_place(KEY, "One")
    lab.store.write(Set(place=place, columns={"version": 1}))
    page = sweep(lab)
    assert {u.problem for u in page.found} == {Problem.NOT_HANDLED}
    assert one(lab).versions() == [1, 2, 3, 2, 3]


def test_one_bad_row_is_reported_and_stops_nobody(lab: Lab) -> None:
    finished(lab, 1)
    lab.publish(0, sk="B")
    lab.store.write(Set(place=lab.context.data_place(KEY), columns={"version": "three"}))
    page = sweep(lab)
    assert [(one.key.sk, one.error) for one in page.failed] == [("A1", "CorruptRowError")]
    assert lab.status(1, "B") == FINISHED


class TestHeal:
    def test_a_command_is_in_the_index_until_its_final_status(self, lab: Lab) -> None:
        lab.publish(0)
        assert lab.row("command", "A1@1")[OPEN_COLUMN].isdecimal()
        lab.settle()
        assert OPEN_COLUMN not in lab.row("command", "A1@1")
        one(lab).fails_at = {2}
        lab.publish(1)
        lab.settle()
        assert lab.status(2) == HANDLERS_FAILED
        assert OPEN_COLUMN not in lab.row("command", "A1@2")  # an operator was told

    def test_a_synchronous_publish_that_died_before_its_handlers_is_healed(self, lab: Lab) -> None:
        class Died(BaseException):
            pass

        def die(_command: CommandModel[Any]) -> None:
            raise Died

        one(lab).before = die
        with pytest.raises(Died):
            lab.publish(0, sync=True)
        one(lab).before = lambda _command: None
        assert heal(lab.module).healed == 0  # it may still be at work
        lab.clock.advance(minutes=11)
        done = heal(lab.module)
        assert (done.looked_at, done.healed) == (1, 1)
        assert lab.status(1) == FINISHED
        assert one(lab).versions() == [1]
        assert heal(lab.module).looked_at == 0

    def test_a_command_that_no_record_told_of_is_healed(self, lab: Lab) -> None:
        lab.publish(0)
        lab.records.clear()
        lab.clock.advance(minutes=11)
        assert heal(lab.module).healed == 1
        assert (lab.row("data")["version"], lab.status(1)) == (1, FINISHED)

    def test_an_execution_that_failed_is_healed(self, lab: Lab) -> None:
        lab.publish(0)
        lab.deliver()
        lab.running()[0].status = "FAILED"
        lab.clock.advance(minutes=11)
        assert heal(lab.module).healed == 1
        assert lab.status(1) == FINISHED

    def test_a_command_from_the_future_is_healed(self, lab: Lab) -> None:
        lab.publish(0)
        lab.records.clear()
        lab.store.write(
            Set(
                place=lab.context.command_place(KEY, 1),
                columns={"createdAt": "2999-01-01T00:00:00.000+00:00"},
            )
        )
        assert heal(lab.module).healed == 1
        assert lab.status(1) == FINISHED

    def test_what_was_not_applied_is_tried_again(self, lab: Lab) -> None:
        lab.publish(0)
        lab.deliver()
        (execution,) = lab.running()
        context = {"Execution": {"Id": execution.arn}, "State": {}}
        lab.work({"action": "fail", "input": execution.input | {"error": "E"}, "context": context})
        execution.status = "FAILED"
        assert lab.status(1) == APPLY_FAILED
        lab.clock.advance(minutes=11)
        assert heal(lab.module).healed == 1
        assert (lab.row("data")["version"], lab.status(1)) == (1, FINISHED)

    def test_what_can_not_be_healed_is_reported_and_stays(self, lab: Lab) -> None:
        lab.publish(0)
        lab.records.clear()
        lab.store.write(Put(table=lab.context.tables.data, row={**KEY._asdict(), "version": "three"}))
        lab.clock.advance(minutes=11)
        for _ in range(2):
            done = heal(lab.module)
            assert (done.looked_at, done.healed) == (1, 0)
            assert [failed.error for failed in done.failed] == ["CorruptRowError"]

    def test_a_settled_command_that_is_still_in_the_index_is_taken_out(self, lab: Lab) -> None:
        lab.publish(0)
        lab.settle()
        lab.store.write(Set(place=lab.context.command_place(KEY, 1), columns={OPEN_COLUMN: "3"}))
        lab.clock.advance(minutes=11)
        assert heal(lab.module).healed == 0
        assert heal(lab.module).looked_at == 0

    def test_what_it_reads_does_not_grow_with_the_table(self, lab: Lab) -> None:
        for number in range(30):
            lab.publish(0, sk=f"S{number}")
        lab.settle()
        lab.clock.advance(minutes=11)
        queries: list[Any] = []
        query = lab.store.query

        def counted(*args: Any, **kwargs: Any) -> Any:
            page = query(*args, **kwargs)
            queries.append(len(page.rows))
            return page

        lab.store.query = counted  # type: ignore[method-assign]
        assert heal(lab.module).looked_at == 0
        assert sum(queries) == 0
        assert len(queries) == 32

    def test_a_publish_whose_handlers_fail_and_whose_execution_cannot_start_is_healed(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            message = "Step Functions is down"
            raise RuntimeError(message)

        one(lab).fails_at = {1}
        with monkeypatch.context() as patch:
            patch.setattr(type(lab.context.workflow), "start", refuse)
            with pytest.raises(HandlersPendingError, match="reconcile finds it") as caught:
                lab.publish(0, sync=True)
        assert (caught.value.is_handed_over, caught.value.written) == (False, "everything")
        one(lab).fails_at = set()
        lab.clock.advance(minutes=11)
        assert heal(lab.module).healed == 1
        assert lab.status(1) == FINISHED


class TestHandlersThatChange:
    """Handlers added, removed, renamed, and two releases side by side."""

    def with_handlers(self, lab: Lab, *handlers: Any) -> None:
        lab.deploy(data_sync=bool(handlers))
        lab.module = type(lab.module)("todo", data_sync_handlers=handlers, resources=lab.resources)

    def test_a_new_handler_starts_behind_what_was_finished_without_it(self, lab: Lab) -> None:
        finished(lab, 2)
        first, second = one(lab), Two()
        self.with_handlers(lab, first, second)
        lab.publish(2)
        lab.settle()
        assert second.versions() == [3]
        assert sweep(lab).found == ()

    def test_a_handler_that_comes_back_sees_what_it_has_missed(self, lab: Lab) -> None:
        finished(lab, 1)
        first = one(lab)
        self.with_handlers(lab, Two())
        lab.publish(1)
        lab.settle()
        self.with_handlers(lab, first, Two())
        lab.publish(2)
        lab.settle()
        assert first.versions() == [1, 2, 3]

    def test_the_last_handler_goes_while_commands_are_in_flight(self, lab: Lab) -> None:
        lab.publish(0)
        lab.deliver()
        (execution,) = lab.running()
        lab.work({"action": "apply", "input": execution.input, "context": {}})
        self.with_handlers(lab)
        lab.run()
        assert lab.status(1) == FINISHED
        assert lab.notified() == [("A1@1", FINISHED)]
        assert lab.alarms() == []

    @pytest.mark.parametrize("lab", ["workflow", "inline"], indirect=True)
    def test_the_last_handler_goes_and_the_stack_still_says_that_there_is_one(self, lab: Lab) -> None:
        lab.publish(0)
        self.with_handlers(lab)
        lab.deploy(data_sync=True)
        with pytest.raises(
            ModuleMismatchError, match="data_sync=True, but the code has no data sync handlers"
        ):
            lab.publish(1)
        with pytest.raises(ModuleMismatchError):
            lab.publish(1, sync=True)
        with suppress(ModuleMismatchError):
            lab.settle()
        lab.clock.advance(hours=1)
        with suppress(ModuleMismatchError):
            sweep(lab)
        assert (lab.status(1), lab.notified()) == (None, [])
        lab.deploy(data_sync=False)
        lab.module.use(resources=lab.resources)
        sweep(lab)
        lab.settle()
        assert lab.status(1) == FINISHED

    def test_a_handler_that_goes_while_its_task_is_under_way_parks_nothing(self, lab: Lab) -> None:
        first = one(lab)
        self.with_handlers(lab, first, Two())
        lab.publish(0)
        lab.deliver()
        lab.module = lab.module
        work = lab.work
        steps: list[str] = []

        def release_after_apply(event: dict[str, Any]) -> Any:
            answer = work(event)
            steps.append(event["action"])
            if steps == ["apply"]:
                self.with_handlers(lab, first)
            return answer

        lab.work = release_after_apply  # type: ignore[method-assign]
        lab.run()
        assert lab.status(1) == FINISHED
        assert lab.alarms() == []
        assert first.versions() == [1]

    def test_an_older_release_does_not_take_a_new_handlers_turn_away(self, lab: Lab) -> None:
        first, second = one(lab), Two()
        self.with_handlers(lab, first, second)
        lab.publish(0)
        lab.deliver()
        work = lab.work
        steps: list[str] = []

        def old_release_for_a_while(event: dict[str, Any]) -> Any:
            self.with_handlers(lab, *([first] if 1 <= len(steps) < 8 else [first, second]))
            steps.append(event["action"])
            return work(event)

        lab.work = old_release_for_a_while  # type: ignore[method-assign]
        lab.run()
        assert (first.versions(), second.versions()) == ([1], [1])
        assert lab.status(1) == FINISHED


class TestForeignCommands:
    """Commands of a TypeScript service that shares the tables."""

    def foreign(self, lab: Lab, version: int, *, sync: bool, status: str | None) -> None:
        row: dict[str, Any] = {
            "pk": KEY.pk,
            "sk": f"A1@{version}",
            "id": "TODO#acme#A1",
            "code": "A1",
            "name": f"foreign {version}",
            "type": "TODO",
            "tenantCode": "acme",
            "version": version,
            "createdAt": "2026-01-01T12:00:00+00:00",
            "updatedAt": "2026-01-01T12:00:00+00:00",
        }
        if status:
            row["status"] = status
        if sync:
            row["syncMode"] = "SYNC"
        lab.store.write(Put(table=lab.context.tables.command, row=row))
        if sync or status:
            data = {**row, "sk": "A1", "cpk": row["pk"], "csk": row["sk"]}
            for name in ("status", "syncMode"):
                data.pop(name, None)
            lab.store.write(Put(table=lab.context.tables.data, row=data))

    def test_versions_that_never_reached_us_are_shown_before_ours(self, lab: Lab) -> None:
        lab.publish(0)
        lab.settle()
        self.foreign(lab, 2, sync=True, status=None)
        self.foreign(lab, 3, sync=True, status="finish:FINISHED")
        lab.publish(3)
        lab.settle()
        assert [name for _, _, name in one(lab).seen] == ["after 0", "foreign 2", "foreign 3", "after 3"]
        assert lab.alarms() == []
        assert lab.status(4) == FINISHED

    def test_a_foreign_record_rings_like_our_own(self, lab: Lab) -> None:
        self.foreign(lab, 1, sync=False, status=None)
        lab.settle()
        assert lab.row("data")["name"] == "foreign 1"
        assert one(lab).versions() == [1]
        lab.publish(1)
        lab.settle()
        assert one(lab).versions() == [1, 2]
        assert "lifeId" not in lab.row("data")

    def test_a_foreign_version_does_not_end_a_life(self, lab: Lab) -> None:
        lab.publish(0)
        lab.settle()
        self.foreign(lab, 2, sync=True, status=None)
        lab.publish(2)
        lab.settle()
        assert one(lab).versions() == [1, 2, 3]
