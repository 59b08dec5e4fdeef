"""The stream function's work: grouping, partial failures, workflow and inline."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from runtime import CqrsApp, UnknownTriggerError
from runtime.entry.stream import StreamProcessor
from runtime.store.memory import MemoryStore
from tests.runtime.test_handlers import Recorder
from tests.support.checker import check_invariants
from tests.support.polling import wait_until
from tests.support.service import PK, Service, Services, on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.wire import Call

INLINE = {"todo": {"mode": "inline"}}
INLINE_WITH_HANDLERS = {"todo": {"mode": "inline", "sync": True}}
PASS = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})


@pytest.fixture
def state_machine(make_service: Services) -> Iterator[str]:
    """One that does nothing; in memory, where nobody runs what is started, one that never ends."""
    if make_service.emulator is None:
        yield "arn:aws:states:us-east-1:000000000000:stateMachine:m"
        return
    client = make_service.emulator.client("stepfunctions")
    arn = client.create_state_machine(
        name=f"m{uuid.uuid4().hex}", definition=PASS, roleArn="arn:aws:iam::000000000000:role/r"
    )["stateMachineArn"]
    yield arn
    client.delete_state_machine(stateMachineArn=arn)


@pytest.fixture
def inline(make_service: Callable[..., Service]) -> Service:
    return make_service(modules=INLINE)


def record(service: Service, sk: str, number: int = 1, event: str = "INSERT", **image: Any) -> dict[str, Any]:
    return {
        "eventName": event,
        "eventSource": "aws:dynamodb",
        "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{service.tables.command}/stream/x",
        "dynamodb": {
            "SequenceNumber": str(number),
            "NewImage": as_json(service.item("command", sk) or {"pk": {"S": PK}, "sk": {"S": sk}}) | image,
        },
    }


def as_json(row: Any) -> Any:
    """A row as it stands in an event, which is JSON: binary values are base64 text."""
    return json.loads(json.dumps(row, default=lambda value: base64.b64encode(value).decode()))


def process(service: Service, *records: dict[str, Any]) -> list[str]:
    response = StreamProcessor({service.tables.command: service.module}).process(records)
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def executions(service: Service) -> list[Any]:
    """The inputs of the executions that the service started."""
    if isinstance(service.where, MemoryStore):
        return [execution.input for execution in service.resources.executions]
    client, arn = service.where.client("stepfunctions"), service.resources.settings.state_machine_arn
    found = client.list_executions(stateMachineArn=arn)["executions"]
    shown = [client.describe_execution(executionArn=execution["executionArn"]) for execution in found]
    return [json.loads(execution["input"]) for execution in shown]


def end_executions(service: Service) -> None:
    if isinstance(service.where, MemoryStore):
        for execution in service.resources.executions:
            execution.status = "SUCCEEDED"
        return
    client, arn = service.where.client("stepfunctions"), service.resources.settings.state_machine_arn
    running = {"stateMachineArn": arn, "statusFilter": "RUNNING"}
    wait_until(lambda: not client.list_executions(**running)["executions"])


def test_workflow_starts_one_execution_an_aggregate_with_a_reference(
    make_service: Callable[..., Service], state_machine: str
) -> None:
    service = make_service(state_machine_arn=state_machine)
    service.publish(attributes={"title": "not in the input"})
    batch = record(service, "A1@1")
    assert process(service, batch) == process(service, batch, batch) == []
    assert executions(service) == [
        {
            "module": "todo",
            "table": service.tables.command,
            "pk": PK,
            "sk": "A1",
            "version": 1,
            "publishId": service.image(1)["publishId"],
            "requestId": "req-1",
        }
    ]


def test_a_batch_with_several_versions_starts_the_execution_of_the_last_one(
    make_service: Callable[..., Service], state_machine: str
) -> None:
    service = make_service(state_machine_arn=state_machine)
    for sk in ("A1", "B1"):
        for version in range(3):
            service.publish(sk, version)
    batch = [record(service, f"{sk}@{v}", v) for v in (2, 3, 1) for sk in ("A1", "B1")]
    assert process(service, *batch) == []
    assert sorted((each["sk"], each["first"], each["version"]) for each in executions(service)) == [
        ("A1", 1, 3),
        ("B1", 1, 3),
    ]


def test_starting_again_after_the_execution_ended_is_harmless(
    make_service: Callable[..., Service], state_machine: str
) -> None:
    service = make_service(state_machine_arn=state_machine)
    service.publish()
    process(service, record(service, "A1@1"))
    end_executions(service)
    assert process(service, record(service, "A1@1")) == []
    assert len(executions(service)) == 1


@on_dynamodb
def test_inline_applies_a_batch_with_one_read_an_aggregate(inline: Service) -> None:
    for version in range(3):
        inline.publish(version=version)
    batch = [record(inline, f"A1@{v}", v) for v in (1, 2, 3)]
    inline.wire.clear()
    assert process(inline, *batch) == []
    transact = "dynamodb:TransactWriteItems"
    assert inline.wire.names() == ["dynamodb:GetItem", transact, transact, transact]
    check_invariants(inline)


def test_inline_keeps_every_type(inline: Service) -> None:
    attributes = {
        "b": b"\x00\xff",
        "bs": {b"a", b"b"},
        "deep": [{"b": b"c"}],
        "n": 1,
        "ns": {1, 2},
        "s": {"x"},
    }
    inline.publish(attributes=attributes)
    assert process(inline, record(inline, "A1@1")) == []
    assert inline.raw("data", "A1")["attributes"] == inline.raw("command", "A1@1")["attributes"]
    found = inline.module.data.get_item((PK, "A1"))
    assert found is not None
    assert found.attributes == attributes


def test_inline_takes_a_batch_in_any_order(inline: Service) -> None:
    for version in range(3):
        inline.publish(version=version)
        inline.publish("B1", version)
    batch = [record(inline, f"{sk}@{v}", v) for v in (3, 1, 2, 3) for sk in ("A1", "B1")]
    assert process(inline, *batch) == []
    check_invariants(inline)


def test_inline_with_handlers_leaves_them_to_the_workflow(
    make_service: Callable[..., Service], state_machine: str
) -> None:
    service = make_service(modules=INLINE_WITH_HANDLERS, handlers=[Recorder], state_machine_arn=state_machine)
    service.publish()
    service.publish(version=1)
    assert process(service, record(service, "A1@1"), record(service, "A1@2", 2)) == []
    assert (service.row("data", "A1") or {})["version"] == 2
    # The turns of the last version's execution come to those before as well.
    assert [each["version"] for each in executions(service)] == [2]


def test_a_failure_stops_its_own_aggregate_only(inline: Service) -> None:
    for sk in ("A1", "B1", "C1"):
        inline.publish(sk)
    inline.publish("B1", 1)

    def fail(call: Call) -> None:
        if "B1" in str(call.writes):
            message = "no network"
            raise OSError(message)

    inline.steps.before = fail
    batch = [record(inline, sk, n) for n, sk in enumerate(("A1@1", "B1@1", "C1@1", "B1@2"), start=1)]
    assert process(inline, *batch) == ["2", "4"]
    assert {row["sk"] for row in inline.rows(inline.tables.data)} == {"A1", "C1"}
    inline.steps.before = lambda _call: None
    assert process(inline, *batch) == []
    check_invariants(inline)


@pytest.mark.parametrize("change", [{"event": "MODIFY"}, {"syncMode": {"S": "SYNC"}}])
def test_what_the_filter_leaves_out_is_left_out_here_too(inline: Service, change: dict[str, Any]) -> None:
    inline.publish()
    assert process(inline, record(inline, "A1@1", **change)) == []
    assert inline.row("data", "A1") is None


def test_a_row_without_a_version_is_no_command(inline: Service) -> None:
    assert process(inline, record(inline, "settings")) == []


def test_a_record_that_makes_no_sense_is_reported_and_the_rest_goes_on(inline: Service) -> None:
    inline.publish()
    broken = record(inline, "X@1", 7)
    del broken["dynamodb"]["NewImage"]["pk"]
    foreign = record(inline, "Y@1", 8) | {"eventSourceARN": "arn:aws:dynamodb:r:0:table/other/stream/x"}
    assert process(inline, broken, record(inline, "A1@1", 2), foreign) == ["7", "8"]
    assert inline.row("data", "A1") is not None


def test_the_app_routes_records_to_the_stream(inline: Service) -> None:
    inline.publish()
    app = CqrsApp(modules=[inline.module])
    assert app({"Records": [record(inline, "A1@1")]}, None) == {"batchItemFailures": []}
    assert inline.row("data", "A1") is not None


def test_the_app_routes_tasks_to_the_worker(service: Service) -> None:
    service.publish()
    event = {
        "action": "apply",
        "input": {"module": "todo", "pk": PK, "sk": "A1", "version": 1},
        "context": {"Execution": {"Id": "x"}, "State": {}, "StateMachine": {}},
    }
    assert CqrsApp(modules=[service.module])(event, None) == {"handlers": []}
    assert service.row("data", "A1") is not None


@pytest.mark.parametrize("version", [1, 2])
def test_an_execution_that_finds_its_version_applied_takes_one_read(service: Service, version: int) -> None:
    for before in range(2):
        service.publish(version=before)
    service.apply(2)
    service.steps.clear()
    event = {
        "action": "apply",
        "input": {"module": "todo", "pk": PK, "sk": "A1", "version": version},
        "context": {"Execution": {"Id": "x"}, "State": {}, "StateMachine": {}},
    }
    assert CqrsApp(modules=[service.module])(event, None) == {"handlers": []}
    assert service.steps.names() == ["store:batch_get"]


def test_a_notification_that_makes_no_sense_is_reported_and_the_rest_is_handled(service: Service) -> None:
    seen: list[Any] = []
    app = CqrsApp(modules=[service.module], notification_handlers=[seen.append])
    bodies = ["{", "[]", '{"id": 1}', '{"action": "command-status", "id": "r"}']
    records = [{"messageId": str(n), "body": body, "eventSource": "aws:sqs"} for n, body in enumerate(bodies)]
    failures = app({"Records": records}, None)["batchItemFailures"]
    assert [failure["itemIdentifier"] for failure in failures] == ["0", "1", "2"]
    assert seen == [{"action": "command-status", "id": "r"}]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": []},
        {"Records": [{"eventSource": "aws:s3"}]},
        {"version": "1.0", "requestContext": {}},
        {"context": {"Execution": {}}},
    ],
)
def test_an_event_of_unknown_shape_is_an_error(service: Service, event: dict[str, Any]) -> None:
    with pytest.raises(UnknownTriggerError):
        CqrsApp(modules=[service.module])(event, None)


@pytest.mark.parametrize("change", [{"action": "dance"}, {"input": {"module": "other"}}])
def test_a_task_that_nobody_knows_is_an_error(service: Service, change: dict[str, Any]) -> None:
    event = {
        "action": "apply",
        "input": {"module": "todo", "pk": PK, "sk": "A1", "version": 1},
        "context": {"Execution": {}, "State": {}, "StateMachine": {}},
    }
    with pytest.raises(UnknownTriggerError):
        CqrsApp(modules=[service.module])(event | change, None)
