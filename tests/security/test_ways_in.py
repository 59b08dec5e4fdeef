"""Each function takes what it is for: a permission to call one is no way around another one's front door."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    CommandModule,
    ConfigurationError,
    CqrsApp,
    DataSyncHandler,
    UnknownTriggerError,
    module_routes,
)
from runtime.contract import NOTIFICATION_ACTIONS, Action, Env, FunctionKind
from runtime.store.codec import encoded
from runtime.testing import MemoryApp
from tests.support.http_events import http_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KINDS = [kind for name, kind in vars(FunctionKind).items() if name.isupper()]
CLAIMS = {"sub": "the-boss", "custom:tenant": "victim", "token_use": "id"}
MARKER = "planted-7c2e"
BODY = {"sk": "F1", "version": 0, "name": "forged", "attributes": {}}
CONTEXT = {
    "Execution": {"Id": "e"},
    "State": {},
    "StateMachine": {"Id": "arn:aws:states:r:1:stateMachine:cqrs"},
}


class Copy(DataSyncHandler):
    """A read model."""

    def up(self, command: Any) -> None:
        assert command.pk


def item(sk: str) -> dict[str, Any]:
    return {
        "pk": "NOTE#victim",
        "sk": sk,
        "code": sk,
        "type": "NOTE",
        "name": MARKER,
        "attributes": {},
        "version": 0,
    }


def task(action: str) -> dict[str, Any]:
    reference = {"module": "note", "pk": "NOTE#victim", "sk": "A1", "version": 1, "handler": "Copy"}
    return {"action": action, "input": {**reference, "results": [], "error": "E"}, "context": CONTEXT}


def records(memory: MemoryApp) -> dict[str, Any]:
    table = memory.app.modules["note"].tables.command
    (row,) = (row for row in memory.store.rows(table) if row["sk"] == "A1@1")
    arn = f"arn:aws:dynamodb:r:1:table/{table}/stream/x"
    change = {"SequenceNumber": "1", "NewImage": encoded(row)}
    return {
        "Records": [
            {"eventName": "INSERT", "eventSource": "aws:dynamodb", "eventSourceARN": arn, "dynamodb": change}
        ]
    }


def message(body: str, queue: str = "notifications") -> dict[str, Any]:
    arn = f"arn:aws:sqs:r:1:{queue}"
    return {"Records": [{"messageId": "m", "body": body, "eventSource": "aws:sqs", "eventSourceARN": arn}]}


NOTIFICATION = json.dumps(
    {"action": NOTIFICATION_ACTIONS[0], "id": "x", "content": {"status": "finish:FINISHED"}}
)
#: What comes in, and which function it is for.
WAYS: dict[str, tuple[str, Callable[[MemoryApp], dict[str, Any]]]] = {
    "read": (FunctionKind.API, lambda _: http_event("GET", "/notes/A1", claims=CLAIMS)),
    "list": (FunctionKind.API, lambda _: http_event("GET", "/notes", claims=CLAIMS)),
    "description": (FunctionKind.API, lambda _: http_event("GET", "/openapi.json", claims=CLAIMS)),
    "no such path": (FunctionKind.API, lambda _: http_event("GET", "/nothing", claims=CLAIMS)),
    "write": (
        FunctionKind.API,
        lambda _: http_event("POST", "/notes", claims=CLAIMS, body=BODY),
    ),
    "stream record": (FunctionKind.STREAM, records),
    **{
        f"task {action}": (FunctionKind.WORKER, lambda _, action=action: task(action))  # type: ignore[misc]
        for name, action in vars(Action).items()
        if name.isupper()
    },
    "notification": (FunctionKind.NOTIFIER, lambda _: message(NOTIFICATION)),
    "no notification": (FunctionKind.NOTIFIER, lambda _: message("{}")),
    "operation": (FunctionKind.OPERATOR, lambda _: {"operation": "modules"}),
}  # fmt: skip


@pytest.fixture
def make() -> Iterator[Callable[[str | None], MemoryApp]]:
    opened: list[MemoryApp] = []

    def start(kind: str | None) -> MemoryApp:
        note = CommandModule("note", data_sync_handlers=[Copy])
        app = CqrsApp(modules=[note], routes=module_routes(note, prefix="/notes", type="NOTE"))
        app.on_queue("mine", lambda _: None)
        app.on_event(source="mine", handler=lambda _: "done")
        app.on_task("charge", lambda _: "charged")
        app.on_stream("mine", lambda _: None)
        memory = MemoryApp(app, function=kind)
        memory.__enter__()
        opened.append(memory)
        note.commands.publish_async(item("A1"), invoke_context=memory.user("owner", tenant="victim"))
        return memory

    yield start
    for memory in opened:
        memory.__exit__(None, None, None)


def rows(memory: MemoryApp) -> Any:
    return {table: memory.store.rows(table) for table in memory.store.tables}


def is_refused(memory: MemoryApp, event: Any) -> bool:
    """Whether a function takes an event for none of its own; then nothing may come of it."""
    before = rows(memory)
    answer: Any = None
    try:
        answer = memory.app(event, None)
    except UnknownTriggerError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert (rows(memory), list(memory.executions)) == (before, [])
        assert MARKER not in refusal
        return True
    return bool(isinstance(answer, dict) and answer.get("batchItemFailures"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_a_function_takes_what_it_is_for_and_nothing_else(
    make: Callable[[str | None], MemoryApp], way: str, kind: str
) -> None:
    own, event = WAYS[way]
    memory = make(kind)
    assert is_refused(memory, event(memory)) is (own != kind or way == "no notification")


@pytest.mark.parametrize("way", WAYS)
def test_an_app_of_ones_own_that_is_for_nothing_in_particular_takes_all_but_operations(
    make: Callable[[str | None], MemoryApp], way: str
) -> None:
    memory = make(None)
    assert is_refused(memory, WAYS[way][1](memory)) is (way in {"operation", "no notification"})


def own_record(source: str, **fields: Any) -> dict[str, Any]:
    return {"Records": [{"eventSource": source, "EventSource": source, **fields}]}


#: An app's own triggers: how each is registered, and what Lambda delivers. ``what`` is the handler.
OWN: dict[str, tuple[Callable[..., Any], dict[str, Any] | list[Any] | str]] = {
    "queue": (lambda app, what, **by: app.on_queue("mine", what, **by), message("x", "mine")),
    "topic": (
        lambda app, what, **by: app.on_sns("mine", what, **by),
        own_record("aws:sns", Sns={"TopicArn": "arn:aws:sns:r:1:mine", "Message": "x"}),
    ),
    "bucket": (
        lambda app, what, **by: app.on_s3("mine", what, **by),
        own_record("aws:s3", s3={"bucket": {"arn": "arn:aws:s3:::mine"}, "object": {"key": "k"}}),
    ),
    "kinesis": (
        lambda app, what, **by: app.on_kinesis("mine", what, **by),
        own_record(
            "aws:kinesis", eventSourceARN="arn:aws:kinesis:r:1:stream/mine", kinesis={"sequenceNumber": "1"}
        ),
    ),
    "stream": (
        lambda app, what, **by: app.on_stream("mine", what, **by),
        own_record(
            "aws:dynamodb",
            eventSourceARN="arn:aws:dynamodb:r:1:table/mine/stream/x",
            dynamodb={"SequenceNumber": "1"},
        ),
    ),
    "bus": (
        lambda app, what, **by: app.on_event(source="mine", handler=what, **by),
        {"source": "mine", "detail-type": "x", "detail": {}},
    ),
    "task": (
        lambda app, what, **by: app.on_task("charge", what, **by),
        {"action": "charge", "input": {}, "context": CONTEXT},
    ),
    "machine": (
        lambda app, what, **by: app.on_task("cqrs", what, **by),
        {"action": "other", "input": {}, "context": CONTEXT},
    ),
    "object": (lambda app, what, **by: app.on_invoke(what, **by), {"backup": 5}),
    "list": (lambda app, what, **by: app.on_invoke(what, **by), [1]),
    "text": (lambda app, what, **by: app.on_invoke(what, **by), "text"),
}


@pytest.mark.parametrize("kind", [*KINDS, None])
@pytest.mark.parametrize("way", OWN)
@pytest.mark.parametrize("named", [None, FunctionKind.API, FunctionKind.NOTIFIER])
def test_a_trigger_of_ones_own_goes_to_the_worker_or_where_its_author_says(
    way: str, kind: str | None, named: str | None
) -> None:
    register, event = OWN[way]
    app = CqrsApp(modules=[CommandModule("note")])
    seen: list[Any] = []
    register(app, seen.append, **({} if named is None else {"functions": [named, FunctionKind.STREAM]}))
    taken = {FunctionKind.WORKER} if named is None else {named, FunctionKind.STREAM}
    with MemoryApp(app, function=kind) as memory:
        assert is_refused(memory, event) is (kind is not None and kind not in taken)
        assert len(seen) == (kind is None or kind in taken)


@pytest.mark.parametrize("kind", [FunctionKind.API, FunctionKind.OPERATOR])
def test_what_is_refused_is_not_even_imported(kind: str) -> None:
    app = CqrsApp(modules=[CommandModule("note")])
    app.on_event(source="mine", handler="no_such_module:take")
    with (
        MemoryApp(app, function=kind) as memory,
        pytest.raises(UnknownTriggerError, match=rf"mine is for the worker function.*functions=\['{kind}'\]"),
    ):
        memory.app({"source": "mine", "detail-type": "x", "detail": {}}, None)


@pytest.mark.parametrize("functions", ["api", [], ["wroker"], ["api", "wroker"], [None]])
@pytest.mark.parametrize("way", OWN)
def test_a_function_that_there_is_not_is_refused_when_it_is_named(way: str, functions: Any) -> None:
    app = CqrsApp(modules=[])
    with pytest.raises(ConfigurationError, match="functions must be names among api, stream, worker"):
        OWN[way][0](app, print, functions=functions)
    OWN[way][0](app, print)


def test_the_refusal_says_which_function_it_is_for(make: Callable[[str | None], MemoryApp]) -> None:
    app = make(FunctionKind.WORKER).app
    with pytest.raises(UnknownTriggerError, match="HTTP requests are for the api function") as refused:
        app(http_event("GET", "/notes", claims=CLAIMS), None)
    assert f"{Env.FUNCTION} is 'worker'" in str(refused.value)


def test_an_event_of_two_shapes_gets_nowhere_else(make: Callable[[str | None], MemoryApp]) -> None:
    """Whatever else is in a payload, it is of one source, and that source is gated."""
    request = http_event("GET", "/notes/A1", claims=CLAIMS)
    for kind in KINDS:
        if kind == FunctionKind.API:
            continue
        memory = make(kind)
        for more in (
            task("apply"),
            {"operation": "modules"},
            {"source": "mine", "detail-type": "x", "detail": {}},
        ):
            assert is_refused(memory, {**more, **request})
        assert is_refused(memory, request | {"Records": []})
