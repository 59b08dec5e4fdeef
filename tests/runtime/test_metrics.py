"""What is counted, once for each event, and that nothing of a tenant is in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import CqrsApp, metrics
from runtime.contract import Metric
from runtime.entry.operator.operator import Operator
from runtime.entry.operator.scope import Scope
from tests.runtime.test_handlers import Recorder
from tests.runtime.test_stream import INLINE, record
from tests.support.service import PK, Service, on_dynamodb

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
    context: dict[str, Any] = {"Execution": {}, "State": {}, "StateMachine": {}}
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


def test_an_applied_command_tells_how_long_it_waited(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    published = service.publish()
    assert published is not None
    image = service.image(1)
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    service.apply(1, images={1: image | {"createdAt": hour_ago}})
    metrics.flush()
    (counted,) = emitted(capsys)
    (lag,) = counted["CommandLag"]
    assert 3_600_000 <= lag < 3_660_000
    assert {"Name": "CommandLag", "Unit": "Milliseconds"} in counted["_aws"]["CloudWatchMetrics"][0][
        "Metrics"
    ]


def test_a_command_from_the_future_has_not_waited(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    service.publish()
    in_an_hour = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    service.apply(1, images={1: service.image(1) | {"createdAt": in_an_hour}})
    metrics.flush()
    (counted,) = emitted(capsys)
    assert counted["CommandLag"] == [0.0]


@pytest.mark.parametrize("created", [{}, {"createdAt": "yesterday"}], ids=["missing", "no time"])
def test_a_command_that_does_not_tell_when_it_was_published_is_applied_all_the_same(
    service: Service, capsys: pytest.CaptureFixture[str], created: dict[str, Any]
) -> None:
    service.publish()
    image = {name: value for name, value in service.image(1).items() if name != "createdAt"}
    service.apply(1, images={1: image | created})
    metrics.flush()
    (counted,) = emitted(capsys)
    assert counted["CommandsApplied"] == [1.0]
    assert "CommandLag" not in counted


@pytest.mark.parametrize("number", [99, 100, 250])
def test_no_line_has_more_values_than_cloudwatch_takes(
    capsys: pytest.CaptureFixture[str], number: int
) -> None:
    metrics.count(metrics.COMMANDS_APPLIED, "todo", number)
    metrics.observe(metrics.COMMAND_LAG, "todo", range(number))
    metrics.flush()
    lines = emitted(capsys)
    assert [value for line in lines for value in line["CommandLag"]] == list(range(number))
    assert max(len(line["CommandLag"]) for line in lines) <= 100
    assert sum(sum(line.get("CommandsApplied", [])) for line in lines) == number


def test_stages_and_services_of_one_account_have_metrics_of_their_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for stage in ("stg", "prod"):
        monkeypatch.setenv("NODE_ENV", stage)
        monkeypatch.setenv("APP_NAME", "shop")
        metrics.count(metrics.COMMANDS_FAILED, "todo")
        metrics.flush()
    assert [line["service"] for line in emitted(capsys)] == ["stg-shop", "prod-shop"]


#: What modules of events count; no dimension of theirs is but the module's name, either.
OF_EVENTS = {
    Metric.EVENTS_APPENDED,
    Metric.APPEND_CONFLICTS,
    Metric.EVENTS_HANDLED,
    Metric.EVENT_LAG,
    Metric.EVENT_HANDLERS_PARKED,
}
TENANTS = ("umbrella", "initech", "hooli")


@on_dynamodb
def test_no_tenant_key_or_user_becomes_a_dimension(
    make_service: Callable[..., Service], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every metric of the runtime, for three tenants: as many series as for one."""
    # A topic that is not there: what is told to it is lost.
    missing = "arn:aws:sns:us-east-1:000000000000:missing"
    service = make_service(handlers=[Recorder], topic_arn=missing, alarm_topic_arn=missing)
    app = CqrsApp(modules=[service.module])
    series: dict[str, set[tuple[str, ...]]] = {}
    for tenant in TENANTS:
        pk, sk = f"TODO#{tenant}", f"secret-{tenant}"
        for number in range(3):
            service.module.commands.publish_async(
                service.command(f"{sk}{number}", pk=pk), invoke_context=service.user(f"user-{tenant}", tenant)
            )
        for action, of, extra in (
            ("apply", 0, {}),
            ("park", 0, {"handler": "Recorder", "error": f"Error{tenant}", "cause": sk}),
            ("finish", 0, {"results": [{"handler": "Recorder", "outcome": "parked"}]}),
            ("fail", 1, {"error": f"Error{tenant}"}),
        ):
            reference = {"module": "todo", "pk": pk, "sk": f"{sk}{of}", "version": 1, **extra}
            context = {"Execution": {"Id": f"arn:{tenant}"}, "State": {}, "StateMachine": {}}
            app({"action": action, "input": reference, "context": context}, None)
        broken = record(service, f"{sk}0@1")
        del broken["dynamodb"]["NewImage"]["pk"]
        app({"Records": [broken]}, None)
        scope = Scope({"todo": service.module}, service.module.resources)
        (healed,) = Operator(scope).run({"operation": "heal", "olderThan": 0})["modules"]
        assert healed["healed"] == 2  # the one that failed, and the one that nobody has begun
        metrics.flush()
        lines = emitted(capsys)
        series[tenant] = {
            (line["_aws"]["CloudWatchMetrics"][0]["Namespace"], metric["Name"], name, str(line[name]))
            for line in lines
            for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
            for names in line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
            for name in names
        }
        assert tenant not in str(series[tenant])
        assert "secret" not in str(series[tenant])
    assert series[TENANTS[0]] == series[TENANTS[1]] == series[TENANTS[2]]
    names = {value for name, value in vars(Metric).items() if name.isupper()}
    assert {metric for _, metric, _, _ in series[TENANTS[0]]} == names - OF_EVENTS
    assert {(name, value) for _, _, name, value in series[TENANTS[0]] if name == "module"} == {
        ("module", "todo"),
        ("module", "all"),
    }
