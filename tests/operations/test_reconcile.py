"""Reconciling: whatever was left lying is found by facts, finished once, and in order."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import ForbiddenError, InvalidInputError, reconcile, redrive
from runtime.clients.workflow import execution_name
from runtime.entry.operator.operator import Operator
from runtime.entry.operator.scope import Scope
from runtime.model.keys import DetailKey
from runtime.pipeline import drain as draining
from tests.faults.scale import scaled
from tests.operations.pipeline import (
    NOW,
    Recorder,
    check_all_is_done,
    everything,
    execution,
    reconcile_all,
    work,
)
from tests.support.checker import check_invariants
from tests.support.polling import wait_until
from tests.support.service import PK, Service, in_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.local import Emulator
    from tests.runtime.test_notifications import Inbox
    from tests.support.clock import AdvancedClock
    from tests.support.wire import Call


_LONGEST_TURN = 130
"""Seconds after which a turn of a process that died is free again."""


def backlog(service: Service, aggregates: int = 3, versions: int = 4) -> None:
    """Commands whose stream was down for longer than it remembers: no doorbell, ever."""
    for number in range(aggregates):
        for version in range(versions):
            service.publish(f"A{number}", version)


def problems(service: Service, **options: Any) -> list[tuple[str, int, str]]:
    pages = reconcile_all(service, dry_run=True, **options)
    return sorted((one.key.sk, one.version, one.problem) for page in pages for one in page.found)


def test_what_the_stream_forgot_is_applied_and_handled_in_order(
    make_service: Callable[..., Service], recorder: Recorder, inbox: Inbox
) -> None:
    service = make_service(handlers=[recorder], topic_arn=inbox.topic_arn)
    backlog(service, aggregates=2, versions=11)  # `A0@10` comes before `A0@2`
    assert problems(service) == sorted((f"A{n}", v, "notApplied") for n in range(2) for v in range(1, 12))
    pages = reconcile_all(service)
    assert sum(page.applied for page in pages) == 22
    assert sum(page.handled for page in pages) == 22
    assert sum(page.finished for page in pages) == 22
    check_all_is_done(service, recorder)
    assert len(recorder.seen) == 22
    told = [message["sk"] for message in inbox.take()]
    assert sorted(told) == sorted(sk for _, sk in service.everything()["command"])
    assert problems(service) == []


def test_without_handlers_too(make_service: Callable[..., Service], inbox: Inbox) -> None:
    service = make_service(topic_arn=inbox.topic_arn)
    backlog(service)
    (page,) = reconcile_all(service)
    assert (page.applied, page.handled, page.finished, page.scanned) == (12, 0, 12, 12)
    check_all_is_done(service)
    assert len(inbox.take()) == 12


def test_it_goes_on_after_a_page(service: Service, recorder: Recorder) -> None:
    backlog(service)
    first = reconcile(service.module, older_than=NOW, limit=3)
    assert (first.scanned, bool(first.resume_token)) == (3, True)
    pages = [first, *reconcile_all(service, limit=3, resume_from=first.resume_token)]
    assert sum(page.scanned for page in pages) == 12
    check_all_is_done(service, recorder)


@in_memory
def test_finished_commands_cost_one_call_a_page(make_service: Callable[..., Service]) -> None:
    service = make_service()
    for number in range(120):
        service.publish_sync(f"A{number:03}")
    for number in range(3):
        service.publish(f"B{number}")
    service.steps.clear()
    pages = reconcile_all(service, limit=50, trust_finished=True)
    assert [page.scanned for page in pages] == [50, 50, 23]
    assert service.steps.names()[:3] == ["store:scan", "store:scan", "store:scan"]
    assert [one.key.sk for page in pages for one in page.found] == ["B0", "B1", "B2"]
    service.steps.clear()
    assert not any(page.found for page in reconcile_all(service, limit=50, trust_finished=True))
    assert service.steps.names() == ["store:scan"] * 3
    remove = service.client.delete_item
    remove(TableName=service.tables.data, Key={"pk": {"S": PK}, "sk": {"S": "A007"}})
    assert not any(page.found for page in reconcile_all(service, trust_finished=True))
    assert [one.key.sk for page in reconcile_all(service, dry_run=True) for one in page.found] == ["A007"]
    operator = Operator(Scope({"todo": service.module}, service.resources))
    for trusting, found in ((True, []), (False, ["A007"])):
        asked = {"module": "todo", "olderThan": 0, "limit": 200, "trustFinished": trusting}
        page = operator.run({"operation": "reconcile", **asked})
        assert [one["sk"] for one in page["found"]] == found


def test_segments_cover_every_command_exactly_once(service: Service, recorder: Recorder) -> None:
    for tenant in range(12):
        pk = f"TODO#t{tenant}"
        for version in range(2):
            command = service.command("A1", version, pk=pk)
            service.module.commands.publish_async(command, invoke_context=service.user(tenant=f"t{tenant}"))

    def segment(number: int, **options: Any) -> list[Any]:
        return reconcile_all(service, segment=number, total_segments=4, limit=5, **options)

    found = [one for number in range(4) for page in segment(number, dry_run=True) for one in page.found]
    assert sorted((one.key.pk, one.version) for one in found) == sorted(
        (f"TODO#t{tenant}", version) for tenant in range(12) for version in (1, 2)
    )
    with ThreadPoolExecutor(4) as pool:
        pages = [page for part in pool.map(segment, range(4)) for page in part]
    assert sum(page.scanned for page in pages) == 24
    assert sum(page.applied for page in pages) == 24
    assert len(recorder.seen) == 24
    check_invariants(service)
    assert problems(service) == []


def test_a_dry_run_finds_and_writes_nothing(service: Service, recorder: Recorder) -> None:
    backlog(service)
    before = everything(service)
    service.wire.clear()
    (page,) = reconcile_all(service, dry_run=True)
    assert len(page.found) == 12
    assert (page.applied, page.handled, page.finished, page.handed_over) == (0, 0, 0, 0)
    assert set(service.wire.names()) == {"dynamodb:Scan", "dynamodb:BatchGetItem"}
    assert everything(service) == before
    assert recorder.seen == []


def test_young_commands_are_left_to_the_pipeline(service: Service) -> None:
    backlog(service, aggregates=1)
    assert reconcile(service.module).found == ()
    assert reconcile(service.module, older_than=timedelta(hours=1)).found == ()
    update(service, "A0@1", "SET createdAt = :v", {"S": "2026-01-01T00:00:00.000Z"})
    (page,) = reconcile_all(service, older_than=timedelta(hours=1))
    assert [(one.version, one.created_at) for one in page.found] == [(1, "2026-01-01T00:00:00.000Z")]
    assert page.applied == 1
    update(service, "A0@2", "REMOVE createdAt", None)
    assert [one.version for one in reconcile(service.module).found] == [2]


def update(service: Service, sk: str, expression: str, value: Any) -> None:
    service.client.update_item(
        TableName=service.tables.command,
        Key={"pk": {"S": PK}, "sk": {"S": sk}},
        UpdateExpression=expression,
        **({"ExpressionAttributeValues": {":v": value}} if value else {}),
    )


def test_twice_at_the_same_time(service: Service, recorder: Recorder) -> None:
    backlog(service)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: reconcile_all(service, limit=5), range(2)))
    assert sum(page.applied for pages in done for page in pages) == 12
    assert [page.failed for pages in done for page in pages if page.failed] == []
    reconcile_all(service)
    check_all_is_done(service, recorder)


def test_beside_a_live_pipeline(service: Service, recorder: Recorder) -> None:
    def live(number: int) -> None:
        for version in range(5):
            service.publish(f"A{number}", version)
            execution(service, version + 1, f"A{number}")

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(live, number) for number in range(2)]
        pages = []
        while not all(one.done() for one in running):
            pages += reconcile_all(service, limit=4)
        for one in running:
            one.result()
    assert [page.failed for page in pages if page.failed] == []
    reconcile_all(service)
    check_all_is_done(service, recorder)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_call_is_healed_by_the_next_run(
    service: Service, recorder: Recorder, later: AdvancedClock, when: str
) -> None:
    crashed = 0
    for number in range(1, 100, scaled(3, 1)):
        recorder.seen.clear()
        backlog_of_one(service, f"B{number}")
        calls = iter(range(1, 1000))

        def crash(_call: Call, last: int = number, calls: Any = calls) -> None:
            if next(calls) == last:
                raise KeyboardInterrupt

        setattr(service.wire, when, crash)
        try:
            reconcile(service.module, older_than=NOW)
        except KeyboardInterrupt:
            crashed += 1
        else:
            break
        finally:
            setattr(service.wire, when, lambda _call: None)
        later.advance(_LONGEST_TURN)
        reconcile_all(service)
        assert list(dict.fromkeys(recorder.seen)) == [f"B{number}@1", f"B{number}@2"]
        rows = everything(service)
        statuses = [row["status"] for row in rows["command"].values()]
        assert set(statuses) == {"finish:FINISHED"}
        assert rows["data"][PK, f"B{number}"]["version"] == 2
        assert rows["sync"][PK, f"Recorder#B{number}"]["version"] == 2
    check_invariants(service)
    assert crashed > scaled(4, 12)  # scan, facts, two versions applied, handled and finished


def backlog_of_one(service: Service, sk: str) -> None:
    for version in range(2):
        service.publish(sk, version)


def test_a_synchronous_publish_that_died_before_its_handlers(service: Service, recorder: Recorder) -> None:
    """The hole that nothing else closes: committed, never on the stream, in nobody's hands."""
    service.publish_sync()

    def die(call: Call) -> None:
        if call.operation == "TransactWriteItems":
            raise KeyboardInterrupt

    service.wire.after = die
    with pytest.raises(KeyboardInterrupt):
        service.publish_sync(version=1)
    service.wire.after = lambda _call: None
    service.publish(version=2)
    assert problems(service) == [("A1", 2, "notHandled"), ("A1", 3, "notApplied")]
    (page,) = reconcile_all(service)
    assert (page.applied, page.handled, page.finished) == (1, 2, 2)
    assert recorder.seen == ["A1@1", "A1@2", "A1@3"]
    check_all_is_done(service, recorder)


def test_an_execution_that_never_wrote_its_final_status(
    make_service: Callable[..., Service], recorder: Recorder, inbox: Inbox
) -> None:
    service = make_service(handlers=[recorder], topic_arn=inbox.topic_arn)
    service.publish()
    work(service, "apply", 1)
    work(service, "handle", 1, handler="Recorder")
    assert problems(service) == [("A1", 1, "notFinished")]
    (page,) = reconcile_all(service)
    assert (page.applied, page.handled, page.finished) == (0, 0, 1)
    check_all_is_done(service, recorder)
    assert len(recorder.seen) == len(inbox.take()) == 1


def test_two_that_finish_the_same_command_tell_its_clients_once(
    make_service: Callable[..., Service], recorder: Recorder, inbox: Inbox
) -> None:
    service = make_service(handlers=[recorder], topic_arn=inbox.topic_arn)
    service.publish()
    work(service, "apply", 1)
    work(service, "handle", 1, handler="Recorder")

    def meet(call: Call) -> None:
        # The first version of an item takes the note of its creation with it.
        if call.operation == "TransactWriteItems":
            service.wire.before = lambda _call: None
            assert reconcile(service.module, older_than=NOW).finished == 1

    service.wire.before = meet
    assert reconcile(service.module, older_than=NOW).finished == 0
    assert len(inbox.take()) == 1


def test_a_command_that_could_not_be_applied_is_tried_again(service: Service, recorder: Recorder) -> None:
    service.publish()
    work(service, "fail", 1, error="TimeoutError")
    (page,) = reconcile_all(service)
    assert [(one.problem, one.status) for one in page.found] == [("notApplied", "transform_data:FAILED")]
    check_all_is_done(service, recorder)


def test_a_parked_handler_is_left_to_operators(service: Service, recorder: Recorder) -> None:
    for version in range(3):
        service.publish(version=version)
    execution(service, 1, parks=("Recorder",))
    work(service, "apply", 2)  # its execution died
    assert problems(service) == [("A1", 2, "notFinished"), ("A1", 3, "notApplied")]
    (page,) = reconcile_all(service)
    assert (page.applied, page.finished, page.handed_over) == (1, 2, 0)
    assert recorder.seen == []
    assert [row["status"] for row in everything(service)["command"].values()] == ["sync_data:FAILED"] * 3
    assert problems(service) == []
    assert redrive(service.module, (PK, "A1"), "Recorder").done == (1, 2, 3)
    check_all_is_done(service, recorder)


def test_a_handler_that_fails_is_handed_over_under_a_new_name(
    make_service: Callable[..., Service], recorder: Recorder, state_machine: str, emulator: Emulator
) -> None:
    service = make_service(handlers=[recorder], state_machine_arn=state_machine)
    backlog(service, aggregates=2, versions=3)
    recorder.failures = {"A0@2": 1}
    command = service.raw("command", "A0@2")
    key = DetailKey(PK, "A0")
    service.context.workflow.start("todo", service.tables.command, key, command)  # used up
    (page,) = reconcile_all(service)
    assert (page.applied, page.handled, page.finished, page.handed_over) == (6, 4, 4, 2)
    assert recorder.seen == ["A0@1", "A1@1", "A1@2", "A1@3"]
    client = emulator.client("stepfunctions")

    def started() -> list[dict[str, Any]] | None:
        found = client.list_executions(stateMachineArn=state_machine)["executions"]
        return found if len(found) == 3 else None

    executions = wait_until(started)
    assert executions
    inputs = [
        json.loads(client.describe_execution(executionArn=e["executionArn"])["input"]) for e in executions
    ]
    assert sorted((i["module"], i["sk"], i["version"]) for i in inputs) == [
        ("todo", "A0", 2),
        ("todo", "A0", 2),
        ("todo", "A0", 3),
    ]
    first = execution_name(service.tables.command, key, 2, command["publishId"])
    names = {e["name"] for e in executions}
    assert first in names
    assert len([name for name in names if name.startswith(f"{first}-")]) == 1
    for version in (2, 3):
        execution(service, version, "A0")
    check_all_is_done(service, recorder)


def test_without_a_state_machine_a_handler_that_fails_is_reported(
    service: Service, recorder: Recorder
) -> None:
    backlog(service, aggregates=2, versions=2)
    recorder.failures = {"A0@1": 1}
    (page,) = reconcile_all(service)
    assert [(one.key.sk, one.version, one.error) for one in page.failed] == [("A0", 2, "ConfigurationError")]
    assert recorder.seen == ["A1@1", "A1@2"]
    reconcile_all(service)
    check_all_is_done(service, recorder)


def test_an_aggregate_that_cannot_be_repaired_does_not_stop_the_page(
    service: Service, recorder: Recorder
) -> None:
    backlog(service, aggregates=3, versions=2)
    spoiled = {"pk": {"S": PK}, "sk": {"S": "A1"}, "version": {"S": "one"}}
    service.client.put_item(TableName=service.tables.data, Item=spoiled)
    (page,) = reconcile_all(service)
    assert [(one.key.sk, one.version, one.error) for one in page.failed] == [("A1", 2, "CorruptRowError")]
    assert sorted(recorder.seen) == ["A0@1", "A0@2", "A2@1", "A2@2"]
    service.client.delete_item(TableName=service.tables.data, Key={"pk": {"S": PK}, "sk": {"S": "A1"}})
    reconcile_all(service)
    check_all_is_done(service, recorder)


@pytest.mark.parametrize("window", [2, 25])
def test_versions_that_are_gone_are_passed_over(
    service: Service, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr(draining, "_WINDOW", window)
    backlog(service, aggregates=1, versions=4)
    for version in (1, 3):
        key = {"pk": {"S": PK}, "sk": {"S": f"A0@{version}"}}
        service.client.delete_item(TableName=service.tables.command, Key=key)
    (page,) = reconcile_all(service)
    assert (page.applied, page.handled, page.finished) == (2, 2, 2)
    assert recorder.seen == ["A0@2", "A0@4"]
    assert problems(service) == []


def test_a_handler_that_is_new_to_an_aggregate_starts_with_what_is_unfinished(
    make_service: Callable[..., Service],
) -> None:
    service = make_service()
    for version in range(2):
        service.publish(version=version)
    reconcile_all(service)
    recorder = Recorder()
    service.release(recorder)
    service.publish(version=2)
    (page,) = reconcile_all(service)
    assert page.handled == 1
    assert recorder.seen == ["A1@3"]


def test_a_module_without_data_rows(make_service: Callable[..., Service], recorder: Recorder) -> None:
    service = make_service(handlers=[recorder], disable_default_handler=True)
    backlog(service, aggregates=2, versions=3)
    assert {problem for _, _, problem in problems(service)} == {"notHandled"}
    (page,) = reconcile_all(service)
    assert (page.applied, page.handled, page.finished) == (0, 6, 6)
    assert recorder.seen == [f"A{n}@{v}" for n in range(2) for v in (1, 2, 3)]
    assert problems(service) == []


def test_a_module_that_nobody_is_to_see_has_nothing_to_find(make_service: Callable[..., Service]) -> None:
    service = make_service(disable_default_handler=True)
    service.publish()
    assert problems(service) == []


def test_what_is_no_command_and_what_users_say_is_left_alone(service: Service) -> None:
    service.module.commands.publish_sync(service.command(), invoke_context=service.user(), publish_id="once")
    service.module.commands.update_status((PK, "A1@1"), "mine:DONE", invoke_context=service.user())
    before = everything(service)
    (page,) = reconcile_all(service)
    assert (page.found, page.scanned) == ((), 2)
    assert everything(service) == before


def test_a_status_of_the_users_own_stays_when_the_command_is_repaired(
    service: Service, recorder: Recorder
) -> None:
    service.publish()
    work(service, "apply", 1)
    service.module.commands.update_status((PK, "A1@1"), "mine:NEW", invoke_context=service.user())
    (page,) = reconcile_all(service)
    assert (page.handled, page.finished) == (1, 0)
    assert recorder.seen == ["A1@1"]
    assert (service.row("command", "A1@1") or {})["status"] == "mine:NEW"


def test_an_aggregate_whose_data_row_has_expired_does_not_come_back(
    service: Service, recorder: Recorder
) -> None:
    service.publish(ttl=int(time.time()) - 1)
    execution(service, 1, parks=("Recorder",))
    service.client.delete_item(TableName=service.tables.data, Key={"pk": {"S": PK}, "sk": {"S": "A1"}})
    reconcile_all(service)
    assert service.row("data", "A1") is None
    redrive(service.module, (PK, "A1"), "Recorder")
    reconcile_all(service)
    assert service.row("data", "A1") is None
    assert recorder.seen == ["A1@1"]


def test_a_command_of_the_reference_system_that_died_while_it_was_processed(plain: Service) -> None:
    """Its `sync_data:STARTED` says nothing about the data row."""
    plain.publish()
    update(plain, "A1@1", "REMOVE publishId", None)
    plain.client.update_item(
        TableName=plain.tables.command,
        Key={"pk": {"S": PK}, "sk": {"S": "A1@1"}},
        UpdateExpression="SET #s = :v",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":v": {"S": "sync_data:STARTED"}},
    )
    assert problems(plain) == [("A1", 1, "notApplied")]
    reconcile_all(plain)
    check_all_is_done(plain)


def test_a_status_that_is_left_from_handlers_that_are_no_more(
    make_service: Callable[..., Service], recorder: Recorder
) -> None:
    service = make_service(handlers=[recorder])
    service.publish()
    work(service, "apply", 1)
    service.release()
    assert problems(service) == [("A1", 1, "notFinished")]
    reconcile_all(service)
    check_all_is_done(service)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"older_than": timedelta(seconds=-1)}, "older_than: must not be negative"),
        ({"segment": 2, "total_segments": 2}, "segment: must be 0 to 1, got 2"),
        ({"total_segments": 0}, "total_segments: must be 1 to 1000000, got 0"),
        ({"limit": 0}, "limit: must be 1 to 1000, got 0"),
        ({"resume_from": "here"}, "resume_from: must be the resume_token of an earlier page"),
    ],
)
def test_bad_input_is_refused(plain: Service, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        reconcile(plain.module, **options)


def test_a_user_of_one_tenant_may_not_reconcile(plain: Service) -> None:
    with pytest.raises(ForbiddenError):
        reconcile(plain.module, invoke_context=plain.user())
    role = json.dumps([{"tenant": "", "role": "system_admin"}])
    assert reconcile(plain.module, invoke_context=plain.user(roles=role)).scanned == 0
