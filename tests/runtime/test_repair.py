"""Repair of parked handlers: redrive and skip, half-way failures, and work that goes on meanwhile."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    BadRequestError,
    ContentionError,
    ForbiddenError,
    InvalidInputError,
    ItemNotFoundError,
    clock,
    heal,
    reconcile,
    redrive,
    skip,
)
from runtime.entry.worker import Worker
from runtime.pipeline import repair as repairs
from runtime.pipeline.drain import Outcome
from runtime.store.port import Check, Set
from tests.runtime.test_handlers import Meeting, Recorder, handle
from tests.runtime.test_notifications import Inbox, inbox
from tests.support.service import PK, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.wire import Call

__all__ = ["inbox"]

KEY = (PK, "A1")


class Other(Recorder):
    """A second store."""


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def service(make_service: Callable[..., Service], recorder: Recorder) -> Service:
    return make_service(handlers=[recorder])


def work(service: Service, action: str, version: int, **extra: Any) -> dict[str, Any]:
    reference = {"module": "todo", "pk": PK, "sk": "A1", "version": version, **extra}
    return Worker({"todo": service.module}).run(
        {"action": action, "input": reference, "context": {"Execution": {"Id": f"arn:{version}"}}}
    )


def execution(service: Service, version: int, *, parks: tuple[str, ...] = ()) -> None:
    """What the state machine does about one version; the handlers in ``parks`` use up their retries."""
    results = []
    for name in work(service, "apply", version)["handlers"]:
        if name in parks:
            results.append(work(service, "park", version, handler=name, error="RuntimeError", cause="down"))
        else:
            results.append(work(service, "handle", version, handler=name))
    work(service, "finish", version, results=results)


def parked(service: Service, versions: int = 3) -> Service:
    """The handler has seen version 1 and is parked at version 2."""
    for version in range(versions):
        service.publish(version=version)
    execution(service, 1)
    execution(service, 2, parks=("Recorder",))
    for version in range(3, versions + 1):
        execution(service, version)
    return service


def cursor(service: Service, handler: str = "Recorder") -> dict[str, Any]:
    return service.row("sync", f"{handler}#A1") or {}


def statuses(service: Service) -> list[str]:
    rows = service.everything()["command"]
    return [rows[key]["status"].split(":")[1] for key in sorted(rows)]


def test_redrive_runs_what_was_missed_in_order(service: Service, recorder: Recorder) -> None:
    parked(service)
    assert statuses(service) == ["FINISHED", "FAILED", "FAILED"]
    outcome = redrive(service.module, KEY, "Recorder")
    assert (outcome.done, outcome.parked_version, outcome.skipped) == ((2, 3), None, None)
    assert recorder.seen == ["A1@1", "A1@2", "A1@3"]
    life = (service.row("data", "A1") or {})["lifeId"]
    assert cursor(service) == {"pk": PK, "sk": "Recorder#A1", "version": 3, "lifeId": life}
    assert statuses(service) == ["FINISHED"] * 3
    service.publish(version=3)
    execution(service, 4)
    assert recorder.seen[-1] == "A1@4"


def test_each_healed_command_is_told_once(
    make_service: Callable[..., Service], inbox: Inbox, recorder: Recorder
) -> None:
    service = parked(make_service(handlers=[recorder], topic_arn=inbox.topic_arn))
    inbox.take()
    redrive(service.module, KEY, "Recorder")
    told = inbox.take()
    assert [(m["sk"], m["content"]["status"]) for m in told] == [
        ("A1@2", "finish:FINISHED"),
        ("A1@3", "finish:FINISHED"),
    ]


def test_a_redrive_that_fails_parks_where_it_fails(service: Service, recorder: Recorder) -> None:
    parked(service, versions=4)
    recorder.failures = {"A1@3": 1}
    outcome = redrive(service.module, KEY, "Recorder")
    assert (outcome.done, outcome.parked_version) == ((2,), 3)
    assert outcome.error == "RuntimeError: the store is down"
    row = cursor(service)
    assert (row["version"], row["parkedVersion"]) == (2, 3)
    assert row["parkedError"] == outcome.error
    assert statuses(service) == ["FINISHED", "FINISHED", "FAILED", "FAILED"]
    assert redrive(service.module, KEY, "Recorder").done == (3, 4)
    assert statuses(service) == ["FINISHED"] * 4


def test_skip_passes_one_version_over_and_says_so(service: Service, recorder: Recorder) -> None:
    parked(service)
    outcome = skip(service.module, KEY, "Recorder")
    assert (outcome.done, outcome.skipped, outcome.parked_version) == ((3,), 2, None)
    assert recorder.seen == ["A1@1", "A1@3"]
    (entry,) = cursor(service)["skipped"]
    assert (entry["version"], entry["error"]) == (2, "RuntimeError: down")
    assert datetime.fromisoformat(entry["at"]).tzinfo
    assert "parkedVersion" not in cursor(service)
    assert statuses(service) == ["FINISHED"] * 3


def test_a_second_skip_is_added_to_the_first(service: Service, recorder: Recorder) -> None:
    parked(service)
    recorder.failures = {"A1@3": 1}
    assert skip(service.module, KEY, "Recorder").parked_version == 3
    assert skip(service.module, KEY, "Recorder").skipped == 3
    assert [entry["version"] for entry in cursor(service)["skipped"]] == [2, 3]


@pytest.mark.parametrize("repair", [redrive, skip])
def test_what_came_before_the_parked_version_is_not_passed_over(
    service: Service, recorder: Recorder, repair: Any
) -> None:
    for version in range(2):
        service.publish(version=version)
    service.apply(2)
    # The turn of version 2 runs out of time before it can say where; then version 1 meets a parked handler.
    work(service, "park", 2, handler="Recorder", error="Sandbox.Timedout", cause="")
    assert work(service, "handle", 1, handler="Recorder")["outcome"] == Outcome.PARKED
    outcome = repair(service.module, KEY, "Recorder")
    assert outcome.done == ((1, 2) if repair is redrive else (1,))
    assert recorder.seen[0] == "A1@1"


def test_a_skip_that_fails_before_the_parked_version_skips_nothing(
    service: Service, recorder: Recorder
) -> None:
    for version in range(2):
        service.publish(version=version)
    service.apply(2)
    work(service, "park", 2, handler="Recorder", error="Sandbox.Timedout", cause="")
    recorder.failures = {"A1@1": 1}
    outcome = skip(service.module, KEY, "Recorder")
    assert (outcome.skipped, outcome.parked_version) == (None, 1)
    assert "skipped" not in cursor(service)


def test_a_later_version_does_not_park_a_handler_that_is_at_work(
    make_service: Callable[..., Service],
) -> None:
    slow, outcomes = Meeting(), []
    service = make_service(handlers=[slow])
    for version in range(2):
        service.publish(version=version)
    service.apply(2)

    def give_up() -> None:
        parking = work(service, "park", 2, handler="Meeting", error="Sandbox.Timedout", cause="")
        outcomes.append(parking["outcome"])

    slow.meets = give_up
    assert handle(service, 1) is Outcome.DONE
    assert outcomes == [Outcome.LEFT]
    assert slow.seen == ["A1@1", "A1@2"]
    row = cursor(service, "Meeting")
    assert row["version"] == 2
    assert {"parkedVersion", "claim", "claimUntil", "wanted"} & set(row) == set()


def test_a_handler_that_is_slow_and_not_broken_is_not_parked(service: Service, recorder: Recorder) -> None:
    service.publish()
    work(service, "apply", 1)
    parking = work(service, "park", 1, handler="Recorder", error="PreviousVersionPending", cause="")
    assert parking["outcome"] == Outcome.LEFT
    work(service, "finish", 1, results=[parking])
    assert (cursor(service), statuses(service)) == ({}, ["STARTED"])
    # What still has no final status is found, and gets its turn.
    service.set("command", "A1@1", createdAt="2020-01-01T00:00:00.000+00:00")
    assert heal(service.module, older_than=timedelta(0)).healed == 1
    assert (recorder.seen, statuses(service)) == (["A1@1"], ["FINISHED"])


def test_a_status_of_the_users_own_outlives_a_repair(service: Service, recorder: Recorder) -> None:
    service.publish()
    service.apply(1)
    service.module.commands.update_status((PK, "A1@1"), "import:STARTED")
    page = reconcile(service.module, older_than=timedelta(0))
    assert (page.handled, page.finished, recorder.seen) == (1, 0, ["A1@1"])
    assert (service.row("command", "A1@1") or {})["status"] == "import:STARTED"


def test_what_is_finished_is_not_handed_over_again(
    service: Service, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cursor from a backup is behind a finished command, and the handler fails: the next look goes on."""
    for version in range(2):
        service.publish_sync(version=version)
    service.set("sync", "Recorder#A1", version=1)
    recorder.failures = {"A1@2": 1}
    monkeypatch.setattr(service.resources.workflow, "start", lambda *_, **__: pytest.fail("handed over"))
    assert reconcile(service.module, older_than=timedelta(0)).handed_over == 0
    page = reconcile(service.module, older_than=timedelta(0))
    assert (page.handled, page.failed, recorder.seen) == (1, (), ["A1@1", "A1@2", "A1@2"])
    assert statuses(service) == ["FINISHED"] * 2


def test_a_command_is_finished_only_when_no_handler_is_behind(make_service: Callable[..., Service]) -> None:
    service = make_service(handlers=[Recorder, Other])
    service.publish()
    execution(service, 1, parks=("Recorder", "Other"))
    redrive(service.module, KEY, "Recorder")
    assert statuses(service) == ["FAILED"]
    redrive(service.module, KEY, "Other")
    assert statuses(service) == ["FINISHED"]


def test_an_execution_that_ends_after_the_repair_leaves_the_command_finished(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(handlers=[Recorder, Other])
    service.publish()
    work(service, "apply", 1)
    result = work(service, "park", 1, handler="Recorder", error="E", cause="")
    redrive(service.module, KEY, "Recorder")
    assert statuses(service) == ["STARTED"]
    other = work(service, "handle", 1, handler="Other")
    work(service, "finish", 1, results=[result, other])
    assert statuses(service) == ["FINISHED"]


def test_a_version_that_arrives_during_the_repair_is_not_left_behind(
    service: Service, recorder: Recorder
) -> None:
    parked(service)

    def arrive(call: Call) -> None:
        if any(isinstance(write, Check) for write in call.writes):
            service.steps.before = lambda _call: None
            service.publish(version=3)
            execution(service, 4)  # meets the parked handler

    service.steps.before = arrive
    outcome = redrive(service.module, KEY, "Recorder")
    assert outcome.done == (2, 3, 4)
    assert recorder.seen == ["A1@1", "A1@2", "A1@3", "A1@4"]
    assert "parkedVersion" not in cursor(service)
    assert statuses(service) == ["FINISHED"] * 4


def test_a_version_that_is_not_applied_yet_is_left_to_the_pipeline(
    service: Service, recorder: Recorder
) -> None:
    parked(service)
    service.publish(version=3)
    assert redrive(service.module, KEY, "Recorder").done == (2, 3)
    assert "status" not in (service.row("command", "A1@4") or {})
    execution(service, 4)
    assert recorder.seen[-1] == "A1@4"


@pytest.fixture
def own_clock() -> Iterator[None]:
    """The test may set the clock."""
    yield
    clock.set_source()


@pytest.mark.usefixtures("own_clock")
def test_a_repair_that_crashed_is_done_again_when_its_time_is_up(
    service: Service, recorder: Recorder
) -> None:
    parked(service)

    def crash(call: Call) -> None:
        if len(call.writes) == 1 and len(recorder.seen) == 3:
            message = "killed"
            raise KeyboardInterrupt(message)

    service.steps.before = crash
    with pytest.raises(KeyboardInterrupt):
        redrive(service.module, KEY, "Recorder")
    service.steps.before = lambda _call: None
    assert cursor(service)["parkedVersion"] == 2
    with pytest.raises(ContentionError, match=r"somebody else is at work.*Recorder"):
        redrive(service.module, KEY, "Recorder")  # nobody can tell that it died
    clock.set_source(lambda: time.time() + clock.seconds_left() + 2)
    assert redrive(service.module, KEY, "Recorder").parked_version is None
    # Nobody knows how far it had come: what it was shown is shown again, in order.
    assert recorder.seen == ["A1@1", "A1@2", "A1@3", "A1@2", "A1@3"]
    assert statuses(service) == ["FINISHED"] * 3


def test_of_two_repairs_at_once_one_does_it(service: Service, recorder: Recorder) -> None:
    parked(service)

    def meet(call: Call) -> None:
        if [write.place.table for write in call.writes if isinstance(write, Set)] == [service.tables.sync]:
            service.steps.before = lambda _call: None
            assert redrive(service.module, KEY, "Recorder").done == (2, 3)

    service.steps.before = meet
    assert redrive(service.module, KEY, "Recorder").parked_version is None
    assert recorder.seen == ["A1@1", "A1@2", "A1@3"]
    life = (service.row("data", "A1") or {})["lifeId"]
    assert cursor(service) == {"pk": PK, "sk": "Recorder#A1", "version": 3, "lifeId": life}


def test_versions_that_are_gone_are_passed(service: Service) -> None:
    parked(service, versions=4)
    for version in (2, 3):
        key = {"pk": {"S": PK}, "sk": {"S": f"A1@{version}"}}
        service.client.delete_item(TableName=service.tables.command, Key=key)
    assert redrive(service.module, KEY, "Recorder").done == (4,)
    assert cursor(service)["version"] == 4


def test_a_module_without_data_rows_is_repaired_too(
    make_service: Callable[..., Service], recorder: Recorder
) -> None:
    service = parked(make_service(handlers=[recorder], disable_default_handler=True))
    assert redrive(service.module, KEY, "Recorder").done == (2, 3)
    assert statuses(service) == ["FINISHED"] * 3


@pytest.mark.parametrize("repair", [redrive, skip])
def test_where_nothing_is_parked_nothing_is_done(service: Service, repair: Any) -> None:
    with pytest.raises(ItemNotFoundError, match="seen no version"):
        repair(service.module, KEY, "Recorder")
    service.publish()
    execution(service, 1)
    with pytest.raises(BadRequestError, match="not parked: it has seen version 1"):
        repair(service.module, KEY, "Recorder")


@pytest.mark.parametrize("repair", [redrive, skip])
def test_bad_input_is_refused(service: Service, repair: Any) -> None:
    parked(service)
    with pytest.raises(InvalidInputError, match=r"handler: 'Nobody' is no handler of todo.*Recorder"):
        repair(service.module, KEY, "Nobody")
    with pytest.raises(InvalidInputError, match="sk: must not end in @"):
        repair(service.module, (PK, "A1@2"), "Recorder")
    with pytest.raises(ForbiddenError):
        repair(service.module, KEY, "Recorder", invoke_context=service.user(tenant="globex"))
    assert cursor(service)["parkedVersion"] == 2


def test_an_aggregate_that_never_rests_is_given_up_and_stays_parked(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    parked(service)
    monkeypatch.setattr(repairs, "_MAX_ROUNDS", 3)
    arriving = iter(range(3, 9))

    def arrive(call: Call) -> None:
        if any(isinstance(write, Check) for write in call.writes):
            version = next(arriving)
            service.publish(version=version)
            execution(service, version + 1)

    service.steps.before = arrive
    with pytest.raises(ContentionError, match=r"somebody else is at work.*Recorder; repeat the call"):
        redrive(service.module, KEY, "Recorder")
    service.steps.before = lambda _call: None
    assert cursor(service)["parkedVersion"] == 2
    assert redrive(service.module, KEY, "Recorder").parked_version is None
    assert set(statuses(service)) == {"FINISHED"}
