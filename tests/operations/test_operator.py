"""The operations: what each one answers, what none may say, and who may not ask."""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from runtime import CqrsApp, UnknownTriggerError
from runtime.clients.workflow import WorkflowStarter
from runtime.contract import FunctionKind
from runtime.entry.operator.operator import Operator
from runtime.entry.operator.scope import Scope
from runtime.log import logger
from runtime.model.keys import DetailKey
from runtime.store.port import Put
from tests.operations.pipeline import Recorder, everything, execution, work
from tests.support.polling import wait_until
from tests.support.service import PK, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator

KEY = {"module": "todo", "pk": PK, "sk": "A1"}
PRIVATE = "known to the customer alone"


def operate(service: Service, operation: str, **arguments: Any) -> dict[str, Any]:
    """The answer of an operation, as Lambda would send it."""
    scope = Scope({"todo": service.module}, service.resources)
    answer: dict[str, Any] = json.loads(
        json.dumps(Operator(scope).run({"operation": operation, **arguments}))
    )
    assert PRIVATE not in json.dumps(answer)
    return answer


def parked(service: Service, recorder: Recorder, versions: int = 3) -> None:
    """Version 1 is done, the handler is parked at version 2."""
    for version in range(versions):
        service.publish(version=version, attributes={"title": PRIVATE})
    execution(service, 1)
    for version in range(2, versions + 1):
        execution(service, version, parks=("Recorder",))
    recorder.seen.clear()


def test_modules(service: Service) -> None:
    service.publish()
    (module,) = operate(service, "modules")["modules"]
    assert module == {"name": "todo", "mode": "workflow", "handlers": ["Recorder"], "rows": 1}


def test_show_tells_the_whole_life(service: Service, recorder: Recorder) -> None:
    parked(service, recorder)
    service.publish(version=3)
    shown = operate(service, "show", **KEY)
    assert {name: shown[name] for name in ("pk", "sk")} == {"pk": PK, "sk": "A1"}
    assert shown["data"]["version"] == 3
    assert shown["data"]["updatedBy"] == "u1"
    assert [(v["version"], v["status"], v["history"], v["applied"]) for v in shown["versions"]] == [
        (1, "finish:FINISHED", True, True),
        (2, "sync_data:FAILED", True, True),
        (3, "sync_data:FAILED", False, True),
        (4, None, False, False),
    ]
    assert {name: shown["versions"][0][name] for name in ("createdBy", "requestId", "syncMode")} == {
        "createdBy": "u1",
        "requestId": "req-1",
        "syncMode": None,
    }
    (cursor,) = shown["cursors"]
    assert (cursor["handler"], cursor["version"], cursor["parkedVersion"]) == ("Recorder", 1, 2)
    assert cursor["error"] == "RuntimeError: down"
    assert shown["executions"] == []


def test_show_of_a_neighbour_with_a_similar_key(service: Service) -> None:
    service.publish("A1@x")
    service.publish("A1@x", 1)
    assert operate(service, "show", **KEY)["error"]["type"] == "ItemNotFoundError"
    service.publish("A1")
    assert len(operate(service, "show", **KEY)["versions"]) == 1


def test_show_without_data_rows(make_service: Callable[..., Service], recorder: Recorder) -> None:
    service = make_service(handlers=[recorder], disable_default_handler=True)
    for version in range(2):
        service.publish(version=version)
    execution(service, 1)
    shown = operate(service, "show", **KEY)
    assert shown["data"] is None
    assert [(v["version"], v["applied"]) for v in shown["versions"]] == [(1, True), (2, False)]


def test_show_finds_executions_by_their_names(
    make_service: Callable[..., Service], state_machine: str
) -> None:
    service = make_service(state_machine_arn=state_machine)
    service.publish()
    service.publish(version=1)
    context, command = service.module.context, service.raw("command", "A1@1")
    service.resources.workflow.start("todo", context.tables.command, DetailKey(PK, "A1"), command)
    (found,) = operate(service, "show", **KEY)["executions"]
    assert found["version"] == 1
    assert found["status"] in {"RUNNING", "SUCCEEDED"}
    assert found["startedAt"].endswith("+00:00")


@pytest.mark.parametrize("had_handlers", [True, False])
def test_show_finds_an_execution_in_either_state_machine(
    make_service: Callable[..., Service], emulator: Emulator, *, had_handlers: bool
) -> None:
    """A deployment has given the module its first handler, or taken its last, since it was started."""
    whole, short = machines(emulator)
    service = make_service(
        modules={"todo": {"sync": False}}, state_machine_arn=whole, apply_machine_arn=short
    )
    service.publish()
    context, command = service.module.context, service.raw("command", "A1@1")
    deployed = service.resources.settings
    before = replace(deployed, modules={"todo": {"sync": had_handlers}})
    starter = WorkflowStarter(before, partial(service.resources.client, "stepfunctions"))
    starter.start("todo", context.tables.command, DetailKey(PK, "A1"), command)
    started = emulator.client("stepfunctions").list_executions(
        stateMachineArn=whole if had_handlers else short
    )
    assert len(started["executions"]) == 1
    (found,) = operate(service, "show", **KEY)["executions"]
    assert found["version"] == 1


def machines(emulator: Emulator, state: dict[str, Any] | None = None) -> list[str]:
    """Two state machines of one state."""
    return [
        emulator.client("stepfunctions").create_state_machine(
            name=f"m{uuid.uuid4().hex[:8]}",
            roleArn="arn:aws:iam::000000000000:role/r",
            definition=json.dumps({"StartAt": "End", "States": {"End": state or {"Type": "Succeed"}}}),
        )["stateMachineArn"]
        for _ in range(2)
    ]


def test_parked_lists_what_is_parked_page_by_page(service: Service, recorder: Recorder) -> None:
    parked(service, recorder)
    service.publish("A#2")
    execution(service, 1, "A#2", parks=("Recorder",))
    service.publish("B1")
    execution(service, 1, "B1")
    found: list[dict[str, Any]] = []
    token, scanned = None, 0
    while True:
        page = operate(service, "parked", module="todo", limit=2, resumeToken=token)
        found, scanned, token = found + page["parked"], scanned + page["scanned"], page["resumeToken"]
        if token is None:
            break
    assert scanned == 3
    assert [(one["sk"], one["handler"], one["version"], one["parkedVersion"]) for one in found] == [
        ("A#2", "Recorder", None, 1),
        ("A1", "Recorder", 1, 2),
    ]
    assert all(one["parkedAt"].endswith("+00:00") and one["skipped"] == [] for one in found)


NO_TEXT = {"M": {"a": {"S": PRIVATE}}}


def spoil(service: Service, table: str, sk: str, **columns: Any) -> None:
    """Give columns of a row values that make no sense."""
    service.client.update_item(
        TableName=getattr(service.tables, table),
        Key={"pk": {"S": PK}, "sk": {"S": sk}},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in columns),
        ExpressionAttributeNames={f"#{name}": name for name in columns},
        ExpressionAttributeValues={f":{name}": value for name, value in columns.items()},
    )


def test_rows_that_make_no_sense_are_shown_as_far_as_they_do(service: Service, recorder: Recorder) -> None:
    parked(service, recorder)
    spoil(service, "data", "A1", version={"S": "three"}, updatedBy=NO_TEXT)
    spoil(service, "command", "A1@2", status=NO_TEXT, source={"N": "5"}, version={"S": "two"})
    spoil(service, "sync", "Recorder#A1", version={"S": "one"}, parkedError=NO_TEXT, skipped={"S": "none"})
    spoil(service, "sync", "Recorder#B1", parkedVersion={"S": "two"}, skipped={"L": [{"S": "?"}]})
    shown = operate(service, "show", **KEY)
    assert (shown["data"]["version"], shown["data"]["updatedBy"]) == (None, None)
    assert [(v["version"], v["status"], v["createdBy"]) for v in shown["versions"]] == [
        (1, "finish:FINISHED", "u1"),
        (2, None, "u1"),
        (3, "sync_data:FAILED", "u1"),
    ]
    (cursor,) = shown["cursors"]
    assert [cursor[name] for name in ("version", "parkedVersion", "error", "skipped")] == [None, 2, None, []]
    page = operate(service, "parked", module="todo")
    assert [(one["sk"], one["parkedVersion"], one["error"]) for one in page["parked"]] == [
        ("A1", 2, None),
        ("B1", None, None),
    ]


def test_an_aggregate_with_a_key_too_long_for_a_cursor_is_shown(service: Service, recorder: Recorder) -> None:
    """An earlier release accepted it."""
    parked(service, recorder, versions=1)
    sk = "s" * 1013
    row = {**service.raw("command", "A1@1"), "sk": f"{sk}@1"}
    service.resources.store.write(Put(table=service.tables.command, row=row))
    shown = operate(service, "show", **{**KEY, "sk": sk})
    assert [version["version"] for version in shown["versions"]] == [1]
    assert [(cursor["handler"], cursor["version"]) for cursor in shown["cursors"]] == [("Recorder", None)]
    for operation in ("redrive", "skip"):
        assert "error" in operate(service, operation, **{**KEY, "sk": sk}, handler="Recorder")


def test_a_resync_reports_what_a_handler_does_not_take(service: Service, recorder: Recorder) -> None:
    for sk in ("A1", "B1", "C1"):
        service.publish(sk)
        execution(service, 1, sk)
    recorder.seen.clear()
    recorder.failures = {"B1@1": 9}
    done = operate(service, "resync", module="todo")
    assert (done["rows"], done["resumeToken"]) == (3, None)
    assert done["failed"] == [{"pk": PK, "sk": "B1", "handler": "Recorder", "error": "RuntimeError"}]
    assert sorted(recorder.seen) == ["A1@1", "C1@1"]


def test_parked_of_a_module_without_handlers(make_service: Callable[..., Service]) -> None:
    service = make_service(modules={"todo": {}})
    assert operate(service, "parked", module="todo") == {"parked": [], "scanned": 0, "resumeToken": None}


def test_drop_deletes_cursors_of_handlers_and_nothing_else(service: Service, recorder: Recorder) -> None:
    """Neither the head of an aggregate, nor another aggregate's cursor."""
    parked(service, recorder, versions=1)
    for sk in ("$head#A1", "Recorder#a#A1", "Gone#A1"):
        row = {**service.raw("sync", "Recorder#A1"), "sk": sk}
        service.resources.store.write(Put(table=service.tables.sync, row=row))
    before = everything(service)
    for name in ("$head", "Recorder#a", "Recorder", "", "$head#A1"):
        assert "error" in operate(service, "drop", **KEY, handler=name)
    assert everything(service) == before
    operate(service, "drop", **KEY, handler="Gone")
    assert before["sync"].keys() - everything(service)["sync"].keys() == {(PK, "Gone#A1")}


@pytest.mark.parametrize(("operation", "done", "skipped"), [("redrive", [2, 3], None), ("skip", [3], 2)])
def test_redrive_and_skip(
    service: Service, recorder: Recorder, operation: str, done: list[int], skipped: int | None
) -> None:
    parked(service, recorder)
    before = everything(service)
    dry = operate(service, operation, **KEY, handler="Recorder", dryRun=True)
    assert dry == {
        "handler": "Recorder",
        "done": done,
        "skipped": skipped,
        "parkedVersion": 2,
        "error": "RuntimeError: down",
        "dryRun": True,
    }
    assert everything(service) == before
    assert recorder.seen == []
    wet = operate(service, operation, **KEY, handler="Recorder")
    assert (wet["done"], wet["skipped"], wet["parkedVersion"], wet["dryRun"]) == (done, skipped, None, False)
    assert recorder.seen == [f"A1@{version}" for version in done]
    refused = operate(service, operation, **KEY, handler="Recorder", dryRun=True)
    assert refused["error"]["type"] == "BadRequestError"
    (cursor,) = operate(service, "show", **KEY)["cursors"]
    assert [entry["version"] for entry in cursor["skipped"]] == ([skipped] if skipped else [])


def test_reconcile(service: Service, recorder: Recorder) -> None:
    service.publish(attributes={"title": PRIVATE})
    assert operate(service, "reconcile", module="todo")["found"] == []
    dry = operate(service, "reconcile", module="todo", olderThan=0, dryRun=True)
    (found,) = dry["found"]
    assert found == {
        "pk": PK,
        "sk": "A1",
        "version": 1,
        "problem": "notApplied",
        "status": None,
        "createdAt": (service.row("command", "A1@1") or {})["createdAt"],
    }
    assert recorder.seen == []
    wet = operate(service, "reconcile", module="todo", olderThan=0)
    assert {name: wet[name] for name in wet if name != "found"} == {
        "applied": 1,
        "handled": 1,
        "finished": 1,
        "handedOver": 0,
        "failed": [],
        "scanned": 1,
        "resumeToken": None,
    }


def test_resync_feeds_every_row_and_heals_the_statuses(service: Service, recorder: Recorder) -> None:
    parked(service, recorder)
    arguments = {"module": "todo", "handlers": ["Recorder"]}
    dry = operate(service, "resync", **arguments, dryRun=True)
    assert dry == {"rows": 1, "scanned": 1, "resumeToken": None}
    assert recorder.seen == []
    assert operate(service, "resync", **arguments)["rows"] == 1
    assert recorder.seen == ["A1@3"]
    shown = operate(service, "show", **KEY)
    assert [version["status"] for version in shown["versions"]] == ["finish:FINISHED"] * 3
    assert shown["cursors"][0]["parkedVersion"] is None
    unknown = operate(service, "resync", module="todo", handlers=["Nobody"])
    assert "'Nobody' is no handler of todo" in unknown["error"]["message"]


def test_a_resync_leaves_what_another_handler_is_behind_with(make_service: Callable[..., Service]) -> None:
    class Other(Recorder):
        """A second store."""

    service = make_service(handlers=[Recorder, Other])
    service.publish()
    execution(service, 1, parks=("Recorder", "Other"))
    operate(service, "resync", module="todo", handlers=["Recorder"])
    assert (service.row("command", "A1@1") or {})["status"] == "sync_data:FAILED"
    operate(service, "resync", module="todo", handlers=["Other"])
    assert (service.row("command", "A1@1") or {})["status"] == "finish:FINISHED"


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"operation": "destroy"}, "operation: must be one of behind, drop, heal, health, modules, parked"),
        ({"operation": "show", "module": "todo", "pk": PK}, "sk: must be a text, got nothing"),
        ({"operation": "show", **KEY, "sk": "A1@2"}, "sk: must not end in @ and digits"),
        ({"operation": "parked", "module": "nope"}, "module: must be one of todo, got 'nope'"),
        ({"operation": "reconcile", "module": "todo", "dryrun": True}, "dryrun: is no argument of reconcile"),
        ({"operation": "reconcile", "module": "todo", "dryRun": "yes"}, "dryRun: must be true or false"),
        ({"operation": "reconcile", "module": "todo", "olderThan": -1}, "olderThan: must be a number of"),
        ({"operation": "parked", "module": "todo", "limit": 1001}, "limit: must be 1 to 1000, got 1001"),
        ({"operation": "resync", "module": "todo", "handlers": []}, "handlers: must be a list of names"),
        ({"operation": "replayRecords"}, "FAILED_RECORDS_BUCKET_NAME is not set"),
        ({"operation": "replayNotifications"}, "DEAD_LETTER_QUEUE_URL and NOTIFICATION_QUEUE_URL must be"),
    ],
)
def test_what_cannot_be_done_is_answered(service: Service, event: dict[str, Any], message: str) -> None:
    service.publish()
    before = everything(service)
    answer = operate(service, **event)
    assert message in answer["error"]["message"]
    assert answer["error"]["type"] in {"InvalidInputError", "ConfigurationError"}
    assert everything(service) == before


def test_what_goes_wrong_otherwise_is_raised(service: Service) -> None:
    def fail(_call: Any) -> None:
        message = "no network"
        raise RuntimeError(message)

    service.wire.before = fail
    with pytest.raises(RuntimeError):
        operate(service, "parked", module="todo")


class Lines(logging.Handler):
    """What is logged, as it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.entries.append(json.loads(logger.registered_formatter.format(record)))


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    handler = Lines()
    logger.addHandler(handler)
    yield handler.entries
    logging.getLogger(logger.name).removeHandler(handler)


def test_the_log_says_which_operation_ran_and_no_key(
    service: Service, recorder: Recorder, lines: list[dict[str, Any]]
) -> None:
    parked(service, recorder)
    recorder.failures = {"A1@2": 1}
    operate(service, "redrive", **KEY, handler="Recorder")
    operate(service, "show", **{**KEY, "module": "nope"})
    operate(service, "unheard-of")
    assert [(line["operation"], line.get("module")) for line in lines if "operation" in line] == [
        ("redrive", "todo"),
        ("show", None),
        ("unknown", None),
    ]
    text = json.dumps(lines)
    assert PRIVATE not in text
    assert "unheard-of" not in text
    assert PK not in text
    assert "A1" not in text


@pytest.fixture
def app(service: Service) -> Callable[[str], CqrsApp]:
    """The app as a function of that kind has it."""

    def make(kind: str) -> CqrsApp:
        service.resources.settings = replace(service.resources.settings, function=kind)
        return CqrsApp(modules=[service.module])

    return make


def test_the_operator_function_answers(app: Callable[[str], CqrsApp]) -> None:
    answer = app(FunctionKind.OPERATOR)({"operation": "modules"}, None)
    assert [module["name"] for module in answer["modules"]] == ["todo"]


@pytest.mark.parametrize("kind", ["api", "stream", "worker", "notifier", ""])
def test_no_other_function_does(app: Callable[[str], CqrsApp], kind: str) -> None:
    with pytest.raises(UnknownTriggerError, match="operations are for the operator function"):
        app(kind)({"operation": "modules"}, None)


def test_an_event_of_another_source_with_an_operation_is_still_of_that_source(
    app: Callable[[str], CqrsApp], service: Service
) -> None:
    service.publish()
    task = {"action": "apply", "input": {**KEY, "version": 1}, "operation": "modules"}
    context = {"Execution": {}, "State": {}, "StateMachine": {}}
    answer = app(FunctionKind.WORKER)({**task, "context": context}, None)
    assert answer == {"handlers": ["Recorder"]}
    assert work(service, "handle", 1, handler="Recorder")["outcome"] == "done"


def test_health_of_a_deployment_that_has_nothing(service: Service) -> None:
    assert operate(service, "health") == {
        "deadLetters": None,
        "notificationQueue": None,
        "failedRecords": None,
        "executions": None,
    }


def test_health_counts_what_waits(make_service: Callable[..., Service], emulator: Emulator) -> None:
    sqs, s3, sfn = (emulator.client(name) for name in ("sqs", "s3", "stepfunctions"))
    queues = [sqs.create_queue(QueueName=f"h{uuid.uuid4().hex}")["QueueUrl"] for _ in range(2)]
    for _ in range(3):
        sqs.send_message(QueueUrl=queues[0], MessageBody="x")
    bucket = f"records-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="aws/lambda/x", Body=b"{}")
    failing = machines(emulator, {"Type": "Fail", "Error": "E"})
    for arn, name in zip(failing, ("one", "two"), strict=True):
        sfn.start_execution(stateMachineArn=arn, name=name)
    service = make_service(
        dead_letter_queue_url=queues[0],
        queue_url=queues[1],
        failed_records_bucket=bucket,
        state_machine_arn=failing[0],
        apply_machine_arn=failing[1],
    )

    def failed() -> dict[str, Any] | None:
        found = operate(service, "health")
        return found if found["executions"]["failed"] == 2 else None

    found = wait_until(failed)
    assert found
    assert (found["deadLetters"], found["notificationQueue"], found["failedRecords"]) == (3, 0, 1)
    assert (found["executions"]["failed"], found["executions"]["timedOut"]) == (2, 0)
    assert {(one["name"], one["status"]) for one in found["executions"]["latest"]} == {
        ("one", "FAILED"),
        ("two", "FAILED"),
    }
