"""Data sync handlers: in order for each aggregate, at least once, parked when they give up (I5)."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from runtime import ConfigurationError, DataSyncHandler, HandlersPendingError, PreviousVersionPending
from runtime.entry.worker import Worker
from runtime.model.handlers import HandlerReference, handler_references
from runtime.model.keys import DetailKey, get_sort_key_version
from runtime.pipeline.drain import Outcome, drain
from tests.support.checker import check_invariants
from tests.support.recorder import Recorder
from tests.support.service import PK, Service, on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import CommandModel


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def service(make_service: Callable[..., Service], recorder: Recorder) -> Service:
    return make_service(handlers=[recorder])


def handle(
    service: Service, version: int, sk: str = "A1", *, owner: str | None = None, hold: bool = False
) -> Outcome:
    """A turn of the first handler: that of an owner of its own, unless one is given."""
    context = service.context
    owner = owner or f"owner-{uuid.uuid4().hex}"
    return drain(context, context.handlers[0], DetailKey(PK, sk), version, owner=owner, hold=hold)


def task(service: Service, action: str, version: int = 1, **extra: Any) -> dict[str, Any]:
    worker = Worker({"todo": service.module})
    return worker.run(
        {
            "action": action,
            "input": {"module": "todo", "pk": PK, "sk": "A1", "version": version, **extra},
            "context": {"Execution": {"Id": f"arn:execution-{version}"}},
        }
    )


@pytest.mark.parametrize("doorbells", [(1, 2, 3), (2, 1, 3), (3, 2, 1), (3,), (1,)])
def test_versions_are_seen_in_order(service: Service, recorder: Recorder, doorbells: tuple[int, ...]) -> None:
    for version in range(3):
        service.publish(version=version)
    service.apply(3)
    for version in doorbells:
        assert handle(service, version) is Outcome.DONE
    assert recorder.seen == ["A1@1", "A1@2", "A1@3"]


class Meeting(Recorder):
    """A store that meets somebody during its first call."""

    meets: Callable[[], object]

    def up(self, command: CommandModel[Any]) -> None:
        if not self.seen:
            self.meets()
        super().up(command)


def test_a_turn_that_is_taken_is_left_alone_and_goes_on(make_service: Callable[..., Service]) -> None:
    store = Meeting()
    service = make_service(handlers=[store])
    service.publish()
    service.apply(1)
    outcomes: list[Outcome] = []

    def meet() -> None:
        for version in (1, 2):
            service.publish(version=version)
            service.apply(version + 1)
            outcomes.append(handle(service, version + 1))

    store.meets = meet
    assert handle(service, 1) is Outcome.DONE
    assert outcomes == [Outcome.LEFT, Outcome.LEFT]
    assert store.seen == ["A1@1", "A1@2", "A1@3"]
    assert {"claim", "claimUntil", "wanted"} & set(cursor(service, "Meeting")) == set()


def test_an_earlier_try_of_the_same_execution_is_waited_for(make_service: Callable[..., Service]) -> None:
    store = Meeting()
    service = make_service(handlers=[store])
    service.publish()
    service.apply(1)

    def meet() -> None:
        with pytest.raises(PreviousVersionPending, match="an earlier try of Meeting"):
            handle(service, 1, owner="one")

    store.meets = meet
    assert handle(service, 1, owner="one") is Outcome.DONE
    assert store.seen == ["A1@1"]


def test_a_handler_that_fails_keeps_its_turn_for_the_same_execution(
    service: Service, recorder: Recorder
) -> None:
    for version in range(2):
        service.publish(version=version)
    service.apply(2)
    recorder.failures = {"A1@1": 1}
    with pytest.raises(RuntimeError):
        handle(service, 1, owner="one", hold=True)
    assert handle(service, 2) is Outcome.LEFT
    assert recorder.seen == []
    assert handle(service, 1, owner="one", hold=True) is Outcome.DONE
    assert recorder.seen == ["A1@1", "A1@2"]


def test_a_version_that_was_seen_is_not_seen_again(service: Service, recorder: Recorder) -> None:
    service.publish()
    service.apply(1)
    assert [handle(service, 1), handle(service, 1)] == [Outcome.DONE, Outcome.DONE]
    assert recorder.seen == ["A1@1"]


def test_a_failed_turn_is_repeated(service: Service, recorder: Recorder) -> None:
    service.publish()
    service.apply(1)
    recorder.failures = {"A1@1": 1}
    with pytest.raises(RuntimeError):
        handle(service, 1)
    assert handle(service, 1) is Outcome.DONE
    assert recorder.seen == ["A1@1"]


def test_a_handler_that_is_new_to_an_old_aggregate_starts_where_it_is(
    make_service: Callable[..., Service], recorder: Recorder
) -> None:
    service = make_service()
    for version in range(3):
        service.publish_sync(version=version)
    service.release(recorder)
    service.publish(version=3)
    service.apply(4)
    assert handle(service, 4) is Outcome.DONE
    assert recorder.seen == ["A1@4"]


def test_versions_that_are_gone_are_not_waited_for(service: Service, recorder: Recorder) -> None:
    service.publish()
    service.apply(1)
    handle(service, 1)
    for version in range(1, 4):
        service.publish(version=version)
    service.apply(4)
    for version in (2, 3):
        key = {"pk": {"S": PK}, "sk": {"S": f"A1@{version}"}}
        service.client.delete_item(TableName=service.tables.command, Key=key)
    assert handle(service, 4) is Outcome.DONE
    assert recorder.seen == ["A1@1", "A1@4"]


def test_a_parked_handler_holds_back_its_aggregate_only(service: Service, recorder: Recorder) -> None:
    service.publish()
    service.publish(version=1)
    service.publish("B1")
    task(service, "apply", 2)
    cause = {"errorMessage": "the store is down", "errorType": "RuntimeError", "stackTrace": ["line\n"]}
    park = {"handler": "Recorder", "error": "RuntimeError", "cause": json.dumps(cause)}
    assert task(service, "park", 1, **park)["outcome"] == Outcome.PARKED
    assert handle(service, 1) is Outcome.PARKED
    assert handle(service, 2) is Outcome.PARKED
    task(service, "finish", 1, results=[{"handler": "Recorder", "outcome": "parked"}])
    assert (service.row("command", "A1@1") or {})["status"] == "sync_data:FAILED"
    cursor = service.rows(service.tables.sync)[0]
    assert (cursor["sk"], cursor["parkedVersion"]) == ("Recorder#A1", 1)
    assert cursor["parkedError"] == "RuntimeError: the store is down"
    service.apply(1, "B1")
    handle(service, 1, "B1")
    assert recorder.seen == ["B1@1"]
    assert (service.row("data", "A1") or {})["version"] == 2


def test_a_version_that_was_seen_cannot_be_parked(service: Service) -> None:
    service.publish()
    service.apply(1)
    handle(service, 1)
    task(service, "park", 1, handler="Recorder", error="E", cause="late")
    assert "parkedVersion" not in service.rows(service.tables.sync)[0]


def test_a_handler_that_only_another_release_knows_is_waited_for_and_never_parked(service: Service) -> None:
    service.publish()
    service.apply(1)
    with pytest.raises(PreviousVersionPending, match="this release of todo has no data sync handler 'Other'"):
        task(service, "handle", handler="Other")
    parking = task(service, "park", handler="Other", error="PreviousVersionPending", cause="")
    assert parking == {"handler": "Other", "outcome": Outcome.DONE}
    assert service.rows(service.tables.sync) == []


def test_the_status_is_final_only_after_the_handlers(service: Service) -> None:
    service.publish()
    assert task(service, "apply") == {"handlers": ["Recorder"]}
    assert (service.row("command", "A1@1") or {})["status"] == "sync_data:STARTED"
    assert task(service, "handle", handler="Recorder")["outcome"] == "done"
    task(service, "finish", results=[{"handler": "Recorder", "outcome": "done"}])
    assert (service.row("command", "A1@1") or {})["status"] == "finish:FINISHED"


def test_a_finished_command_stays_finished(service: Service) -> None:
    service.publish()
    task(service, "apply")
    task(service, "handle", handler="Recorder")
    task(service, "finish", results=[{"handler": "Recorder", "outcome": "done"}])
    task(service, "park", handler="Recorder", error="late", cause="")
    task(service, "finish", results=[{"handler": "Recorder", "outcome": "parked"}])
    assert task(service, "fail", error="late") == {"failed": False}
    assert (service.row("command", "A1@1") or {})["status"] == "finish:FINISHED"


def test_a_command_that_cannot_be_applied_says_so(service: Service) -> None:
    service.publish()
    assert task(service, "fail", error="Boom") == {"failed": True}
    assert (service.row("command", "A1@1") or {})["status"] == "transform_data:FAILED"


def test_publish_sync_runs_the_handlers_before_it_returns(service: Service, recorder: Recorder) -> None:
    service.publish_sync()
    assert recorder.seen == ["A1@1"]
    assert (service.row("command", "A1@1") or {})["status"] == "finish:FINISHED"


def test_publish_sync_hands_over_what_fails(
    service: Service, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[DetailKey, int]] = []

    def start(module: str, table: str, key: DetailKey, command: Any) -> None:
        assert (module, table) == ("todo", service.tables.command)
        started.append((key, get_sort_key_version(command["sk"])))

    monkeypatch.setattr(service.resources.workflow, "start", start)
    recorder.failures = {"A1@1": 1}
    with pytest.raises(HandlersPendingError, match=r"committed as version 1.*Recorder"):
        service.publish_sync()
    assert started == [(DetailKey(PK, "A1"), 1)]
    check_invariants(service)
    assert handle(service, 1) is Outcome.DONE


@on_dynamodb
def test_a_turn_is_one_read_or_two_and_two_writes(service: Service) -> None:
    read, write = "dynamodb:BatchGetItem", "dynamodb:UpdateItem"
    service.publish()
    service.apply(1)
    service.wire.clear()
    handle(service, 1)
    # The first cursor of a life is made while the aggregate exists, which takes a transaction.
    assert service.wire.names() == [read, "dynamodb:TransactWriteItems", write]
    for version in (1, 2, 3, 4):
        service.publish(version=version)
    service.apply(5)
    service.wire.clear()
    handle(service, 2)
    assert service.wire.names() == [read, write, read, write]
    service.wire.clear()
    handle(service, 3)
    assert service.wire.names() == [read]


def test_a_handler_is_given_as_object_class_or_path() -> None:
    path = f"{__name__}:Recorder"
    references = [HandlerReference.of(source) for source in (Recorder(), Recorder, path)]
    assert [reference.name for reference in references] == ["Recorder"] * 3
    assert all(isinstance(reference.handler, DataSyncHandler) for reference in references)


@pytest.mark.parametrize("source", ["nowhere", ":Name", "a.b:", "a:b-c", 3, object])
def test_what_cannot_be_a_handler_is_refused(source: Any) -> None:
    with pytest.raises(ConfigurationError, match="data sync handler"):
        HandlerReference.of(source)


def test_a_path_to_something_else_is_refused_when_it_is_loaded() -> None:
    with pytest.raises(ConfigurationError, match="not a DataSyncHandler"):
        _ = HandlerReference.of(f"{__name__}:task").handler


def test_two_handlers_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="more than once"):
        handler_references("todo", [Recorder, Recorder()])


def cursor(service: Service, handler: str = "Recorder") -> dict[str, Any]:
    row = service.row("sync", f"{handler}#A1")
    assert row
    return row


def test_the_text_of_an_error_is_kept_in_the_row_until_the_handler_succeeds(
    service: Service, recorder: Recorder
) -> None:
    service.publish()
    service.apply(1)
    recorder.failures["A1@1"] = 1
    with pytest.raises(RuntimeError):
        task(service, "handle", handler="Recorder")
    assert cursor(service)["failedError"] == "RuntimeError: the store is down"
    task(service, "handle", handler="Recorder")
    assert {"failedError", "failedVersion"} & set(cursor(service)) == set()


HIDDEN = '{"errorMessage": "the text is left out", "errorType": "RuntimeError", "stackTrace": ["main.py"]}'
LATE = '{"errorMessage": "Task timed out after 60.00 seconds", "errorType": "Sandbox.Timedout"}'


@pytest.mark.parametrize(
    ("error", "cause", "kept"),
    [
        ("RuntimeError", HIDDEN, "RuntimeError: the store is down"),
        ("Sandbox.Timedout", LATE, "Sandbox.Timedout: Task timed out after 60.00 seconds"),
        ("States.Timeout", "", "States.Timeout: "),
    ],
)
def test_a_parked_handler_says_what_its_last_try_said(
    service: Service, recorder: Recorder, error: str, cause: str, kept: str
) -> None:
    service.publish()
    service.apply(1)
    recorder.failures["A1@1"] = 1
    with pytest.raises(RuntimeError):
        task(service, "handle", handler="Recorder")
    task(service, "park", handler="Recorder", error=error, cause=cause)
    row = cursor(service)
    assert (row["parkedVersion"], row["parkedError"]) == (1, kept)
    assert {"failedError", "failedVersion"} & set(row) == set()


@on_dynamodb
def test_a_failure_that_cannot_be_noted_is_still_that_failure(service: Service, recorder: Recorder) -> None:
    service.publish()
    service.apply(1)
    recorder.failures["A1@1"] = 1

    def refuse(call: Any) -> None:
        if call.operation == "UpdateItem" and "failedVersion" in str(call.parameters):
            raise EndpointConnectionError(endpoint_url="dynamodb")

    service.wire.before = refuse
    with pytest.raises(RuntimeError, match="the store is down"):
        task(service, "handle", handler="Recorder")
