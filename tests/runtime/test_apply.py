"""Apply, and the invariants it keeps: I1 to I4 and I6."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import VersionConflictError
from runtime.model.status import FINISHED
from tests.support.checker import check_invariants
from tests.support.service import PK, Service, in_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.wire import Call


class Crash(BaseException):
    """Stands for a killed process, so nothing may catch it."""


def publish_versions(service: Service, count: int, sk: str = "A1") -> None:
    for version in range(count):
        service.publish(sk, version)


def test_creating_writes_data_and_no_history(service: Service) -> None:
    service.publish()
    done = service.apply(1)
    assert [command["sk"] for command in done.commands] == ["A1@1"]
    assert done.version == 1
    data = service.row("data", "A1") or {}
    assert (data["cpk"], data["csk"], data["version"]) == (PK, "A1@1", 1)
    assert service.rows(service.tables.history) == []


def test_data_rows_carry_neither_status_nor_source(service: Service) -> None:
    service.module.commands.publish_async(
        service.command(), invoke_context=service.user(), source="[todo]:T.create"
    )
    service.apply(1)
    data = service.row("data", "A1") or {}
    assert not {"status", "source", "syncMode", "publishId", "taskToken"} & set(data)
    assert (service.row("command", "A1@1") or {})["status"] == FINISHED


def test_the_first_author_stays_and_the_last_one_changes(service: Service) -> None:
    commands = service.module.commands
    commands.publish_async(service.command(), invoke_context=service.user("ann"))
    commands.publish_async(service.command(version=1), invoke_context=service.user("bob"))
    service.apply(2)
    data = service.row("data", "A1") or {}
    assert (data["createdBy"], data["updatedBy"]) == ("ann", "bob")
    assert data["createdAt"] == (service.row("command", "A1@1") or {})["createdAt"]
    assert data["updatedAt"] == (service.row("command", "A1@2") or {})["updatedAt"]


def test_a_field_that_the_command_lacks_goes_away(service: Service) -> None:
    service.publish(seq=7)
    service.publish(version=1)
    service.apply(2)
    assert "seq" not in (service.row("data", "A1") or {})
    assert (service.row("history", "A1@1") or {})["seq"] == 7


def test_retention_is_the_data_rows_and_not_the_commands(service: Service) -> None:
    service.publish(ttl=4_000_000_000)
    service.apply(1)
    assert "ttl" not in (service.row("command", "A1@1") or {})
    assert (service.row("data", "A1") or {})["ttl"] == 4_000_000_000
    service.publish(version=1)
    service.apply(2)
    assert "ttl" not in (service.row("data", "A1") or {})


@pytest.mark.parametrize("seed", range(4))
def test_any_order_and_any_repetition_end_alike(service: Service, seed: int) -> None:
    publish_versions(service, 6)
    doorbells = [*range(1, 7), *range(1, 7)]
    random.Random(seed).shuffle(doorbells)  # noqa: S311 - a repeatable order
    for version in doorbells:
        service.apply(version)
    check_invariants(service)


def test_a_late_doorbell_does_nothing(service: Service) -> None:
    publish_versions(service, 3)
    service.apply(3)
    before = service.everything()
    done = service.apply(1)
    assert (done.version, done.commands) == (3, ())
    assert service.everything() == before


def test_concurrent_doorbells_apply_each_version_once(service: Service) -> None:
    publish_versions(service, 8)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(service.apply, [3, 8, 1, 5, 8, 2, 7, 4]))
    applied = [command["sk"] for result in done for command in result.commands]
    assert sorted(applied) == [f"A1@{v}" for v in range(1, 9)]
    check_invariants(service)


def test_the_versions_of_others_are_left_to_them_for_a_moment(service: Service) -> None:
    publish_versions(service, 3)
    others = [1, 2]

    def apply_one(call: Call) -> None:
        if call.operation in {"get", "batch_get"} and others:
            service.steps.after = lambda _call: None
            service.apply(others.pop(0))
            service.steps.after = apply_one

    service.steps.after = apply_one
    written = service.steps.names().count("store:write")
    done = service.apply(3, first=3)
    assert [command["sk"] for command in done.commands] == ["A1@3"]
    assert others == []
    assert service.steps.names().count("store:write") == written + 3  # nothing was tried in vain


def test_the_versions_of_others_are_applied_where_nobody_does(service: Service) -> None:
    publish_versions(service, 3)
    service.steps.clear()
    done = service.apply(3, first=3)
    assert [command["sk"] for command in done.commands] == ["A1@1", "A1@2", "A1@3"]
    looks = service.steps.names().index("store:write")
    assert looks == 6  # five looks, and one read of what is missing
    publish = [service.publish(version=version) for version in (3, 4)]
    assert len(publish) == 2
    service.steps.clear()
    service.apply(5, first=4)
    assert service.steps.names() == ["store:batch_get"] * 2 + ["store:write"] * 2


def test_who_is_overtaken_waits_while_somebody_goes_on(service: Service) -> None:
    publish_versions(service, 8)
    others = list(range(1, 7))

    def overtake(call: Call) -> None:
        """Somebody applies a version before each try, and a version after each look."""
        if call.operation == "write" and others:
            quietly(lambda: service.apply(others.pop(0)))

    def go_on(call: Call) -> None:
        if call.operation in {"get", "batch_get"} and 0 < len(others) < 6:
            quietly(lambda: service.apply(others.pop(0)))

    def quietly(do: Callable[[], object]) -> None:
        service.steps.before = service.steps.after = lambda _call: None
        do()
        service.steps.before, service.steps.after = overtake, go_on

    service.steps.before, service.steps.after = overtake, go_on
    written = service.steps.names().count("store:write")
    assert service.apply(8).version == 8
    assert others == []
    # One that was overtaken, and one for each version.
    assert service.steps.names().count("store:write") == written + 9


def test_a_version_that_is_gone_is_passed_over(service: Service) -> None:
    publish_versions(service, 4)
    service.client.delete_item(TableName=service.tables.command, Key={"pk": {"S": PK}, "sk": {"S": "A1@2"}})
    service.apply(4)
    assert (service.row("data", "A1") or {})["version"] == 4
    assert {row["sk"] for row in service.rows(service.tables.history)} == {"A1@1", "A1@3"}


def test_an_image_of_a_deleted_command_is_not_applied(service: Service) -> None:
    publish_versions(service, 2)
    image = service.image(2)
    service.client.delete_item(TableName=service.tables.command, Key={"pk": {"S": PK}, "sk": {"S": "A1@2"}})
    assert service.apply(2, images={2: image}).version == 1
    assert service.row("command", "A1@2") is None


def test_a_late_image_brings_no_expired_data_row_back(service: Service) -> None:
    """The image is from before the command was applied: only the table says that it was."""
    service.publish()
    image = service.image(1)
    service.apply(1)
    service.client.delete_item(TableName=service.tables.data, Key={"pk": {"S": PK}, "sk": {"S": "A1"}})
    before = service.everything()
    assert service.apply(1, images={1: image}).commands == ()
    assert service.everything() == before


def test_a_command_that_never_existed_changes_nothing(service: Service) -> None:
    done = service.apply(3)
    assert (done.data, done.commands) == (None, ())
    assert service.everything() == {"command": {}, "data": {}, "history": {}}


@in_memory
def test_more_versions_than_one_batch_holds(service: Service) -> None:
    publish_versions(service, 105)
    assert service.apply(105).version == 105
    check_invariants(service)


def test_aggregates_whose_keys_look_alike_stay_apart(service: Service) -> None:
    for sk in ("USER#a@x.com", "USER#a@y.com", "USER#a"):
        service.publish(sk)
        service.apply(1, sk)
    assert {row["sk"] for row in service.rows(service.tables.data)} == {
        "USER#a@x.com",
        "USER#a@y.com",
        "USER#a",
    }
    check_invariants(service)


def run(service: Service) -> None:
    """Create, update, update synchronously; applied by doorbells that come until they are heard."""
    for attempt in (
        service.publish,
        lambda: service.publish(version=1),
        lambda: service.apply(1),
        lambda: service.publish_sync(version=2),
        lambda: service.publish(version=3),
        lambda: service.apply(4),
    ):
        deliver(attempt)


def deliver(attempt: Callable[[], Any]) -> None:
    """A caller that repeats what crashed; a repeated publish that had succeeded is a conflict."""
    for _ in range(3):
        try:
            attempt()
        except Crash:
            continue
        except VersionConflictError:
            return
        else:
            return


def state(service: Service) -> Any:
    """The rows, without what differs from run to run."""
    fleeting = {"createdAt", "updatedAt", "publishId", "lifeId"}
    return {
        table: {key: {n: v for n, v in row.items() if n not in fleeting} for key, row in rows.items()}
        for table, rows in service.everything().items()
    }


@in_memory
def test_a_crash_around_any_call_ends_like_no_crash(make_service: Callable[..., Service]) -> None:
    undisturbed = make_service()
    run(undisturbed)
    expected, calls = state(undisturbed), len(undisturbed.wire.calls)
    assert calls > 8
    for moment in ("before", "after"):
        for position in range(calls):
            service = make_service()
            crash_at(service, moment, position)
            run(service)
            assert state(service) == expected, f"crash {moment} call {position}"
            check_invariants(service)


def crash_at(service: Service, moment: str, position: int) -> None:
    def crash(_call: Call) -> None:
        if len(service.wire.calls) == position + 1:
            service.wire.calls.append(_call)  # the next call is another one
            raise Crash

    setattr(service.wire, moment, crash)


def test_one_winner_for_each_version(service: Service) -> None:
    def writer(number: int) -> int:
        won = 0
        for version in range(6):
            try:
                won += service.publish(version=version, name=f"writer {number}") is not None
            except VersionConflictError:
                service.apply(version + 1)
        return won

    with ThreadPoolExecutor(8) as pool:
        wins = sum(pool.map(writer, range(8)))
    assert wins == 6
    service.apply(6)
    check_invariants(service)
