"""What is counted, once for each event, and that nothing of a tenant is in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runtime import CqrsApp, metrics
from tests.runtime.test_stream import INLINE, record
from tests.support.service import PK, Service

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def nothing_counted_yet() -> None:
    metrics.flush()


def emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


def test_an_event_writes_its_counts_once(
    make_service: Callable[..., Service], capsys: pytest.CaptureFixture[str]
) -> None:
    service = make_service(modules=INLINE)
    app = CqrsApp(modules=[service.module])
    service.publish()
    service.publish(version=1)
    service.publish("B1")
    batch = [record(service, sk, n) for n, sk in enumerate(("A1@1", "A1@2", "B1@1"))]
    broken = record(service, "X@1", 9)
    del broken["dynamodb"]["NewImage"]["pk"]
    app({"Records": [*batch, broken]}, None)
    app({"Records": batch}, None)
    failed, counted = emitted(capsys)
    assert (failed["module"], failed["RecordsFailed"]) == ("all", [1.0])
    assert counted["module"] == "todo"
    assert (counted["CommandsPublished"], counted["CommandsApplied"]) == ([3.0], [3.0])
    (directive,) = counted["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Cqrs"
    assert directive["Dimensions"] == [["module", "service"]]
    assert "acme" not in json.dumps([failed, counted])


def test_counts_are_written_when_the_event_fails_too(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    service.publish()
    app = CqrsApp(modules=[service.module])
    context = {"Execution": {}, "State": {}, "StateMachine": {}}
    reference = {"module": "todo", "pk": PK, "sk": "A1", "version": 1}
    try:
        app({"action": "finish", "input": reference, "context": context}, None)  # no results: it raises
    except KeyError:
        (counted,) = emitted(capsys)
    assert counted["CommandsPublished"] == [1.0]


def test_the_counts_of_a_task_name_its_request_and_execution(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    service.publish()
    metrics.flush()
    capsys.readouterr()
    reference = {"module": "todo", "pk": PK, "sk": "A1", "version": 1, "requestId": "req-1"}
    context = {"Execution": {"Id": "arn:x"}, "State": {}, "StateMachine": {}}
    CqrsApp(modules=[service.module])({"action": "apply", "input": reference, "context": context}, None)
    (counted,) = emitted(capsys)
    assert counted["CommandsApplied"] == [1.0]
    assert (counted["request_ids"], counted["execution_ids"]) == (["req-1"], ["arn:x"])
    assert counted["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["module", "service"]]
