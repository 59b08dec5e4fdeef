"""An app's own triggers: each goes to its handler, and what nobody handles is an error."""

from __future__ import annotations

import base64
import json
import sys
import uuid
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import runtime
from runtime import CommandModule, ConfigurationError, CqrsApp, UnknownTriggerError
from runtime.entry.trigger import name_in_arn
from tests.runtime.test_stream import INLINE, record
from tests.support.service import MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.local import Emulator
    from tests.support.service import Service

STORES = (MEMORY,)

ARN = "arn:aws:{}:eu-west-1:123456789012:{}"
CONTEXT = {"Execution": {"Id": "x"}, "State": {"Name": "s"}, "StateMachine": {}}


@pytest.fixture
def app() -> CqrsApp:
    return CqrsApp(modules=[CommandModule("todo")])


class Log(list[Any]):
    """A handler that notes what it gets, and refuses what says so."""

    def __call__(self, event: dict[str, Any]) -> str:
        if "refuse" in json.dumps(event):
            message = "refused"
            raise ValueError(message)
        self.append(event)
        return "result"


def message(identifier: str, body: str = "{}", queue: str = "orders", group: str | None = None) -> Any:
    return {
        "messageId": identifier,
        "body": body,
        "eventSource": "aws:sqs",
        "eventSourceARN": ARN.format("sqs", queue),
        "attributes": {"MessageGroupId": group} if group else {},
    }


def notice(topic: str = "orders", text: str = "hello") -> dict[str, Any]:
    sns = {"TopicArn": ARN.format("sns", topic), "Message": text}
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns}]}


def upload(bucket: str = "uploads", key: str = "a.csv") -> dict[str, Any]:
    s3 = {"bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"}, "object": {"key": key}}
    return {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}]}


def click(number: int, text: str = "click", stream: str = "clicks") -> dict[str, Any]:
    data = base64.b64encode(text.encode()).decode()
    return {
        "eventSource": "aws:kinesis",
        "eventSourceARN": ARN.format("kinesis", f"stream/{stream}"),
        "kinesis": {"sequenceNumber": str(number), "data": data, "note": text},
    }


def change(number: int, text: str = "change", table: str = "stock") -> dict[str, Any]:
    return {
        "eventSource": "aws:dynamodb",
        "eventSourceARN": ARN.format("dynamodb", f"table/{table}/stream/2026-01-01T00:00:00.000"),
        "dynamodb": {"SequenceNumber": str(number), "note": text},
    }


def bus(source: str = "shop.billing", detail_type: str = "Paid") -> dict[str, Any]:
    return {"version": "0", "source": source, "detail-type": detail_type, "detail": {"order": 1}}


def task(action: str | None = "charge", machine: str = "checkout") -> dict[str, Any]:
    context = CONTEXT | {"StateMachine": {"Id": ARN.format("states", f"stateMachine:{machine}")}}
    return {"input": {"order": 1}, "context": context} | ({"action": action} if action else {})


def failures(response: Any) -> list[str]:
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def send(app: CqrsApp, *records: dict[str, Any]) -> list[str]:
    return failures(app({"Records": list(records)}, None))


@pytest.mark.parametrize("name", ["orders", ARN.format("sqs", "orders")])
def test_messages_go_to_the_handler_of_their_queue(app: CqrsApp, name: str) -> None:
    log, other = Log(), Log()
    app.on_queue(name, log)
    app.on_queue("other", other)
    records = [message("1"), message("2", "refuse"), message("3"), message("4", queue="other")]
    assert send(app, *records) == ["2"]
    assert log == [records[0], records[2]]
    assert other == [records[3]]


def test_a_fifo_queue_keeps_the_order_of_a_group(app: CqrsApp) -> None:
    log = Log()
    app.on_queue("orders.fifo", log)
    batch = [
        message("1", group="a", queue="orders.fifo"),
        message("2", "refuse", group="a", queue="orders.fifo"),
        message("3", group="a", queue="orders.fifo"),
        message("4", group="b", queue="orders.fifo"),
    ]
    assert send(app, *batch) == ["2", "3"]
    assert [record["messageId"] for record in log] == ["1", "4"]


def test_groups_of_a_standard_queue_hold_nothing_up(app: CqrsApp) -> None:
    app.on_queue("orders", Log())
    assert send(app, message("1", "refuse", group="a"), message("2", group="a")) == ["1"]


def test_notifications_still_reach_their_handlers(service: Service) -> None:
    told: list[Any] = []
    app = CqrsApp(modules=[service.module], notification_handlers=[told.append])
    app.on_queue("orders", Log())
    notification = {"action": "command-status", "id": "r"}
    batch = [
        message("1", json.dumps(notification), queue="Shop-NotificationsQueue-1X"),
        message("2", queue="orders"),
        message("3", '{"action": "else"}', queue="nobodys"),
    ]
    assert send(app, *batch) == ["3"]
    assert told == [notification]


def test_real_messages_reach_the_handler(app: CqrsApp, emulator: Emulator) -> None:
    client, name = emulator.client("sqs"), f"q{uuid.uuid4().hex}"
    url = client.create_queue(QueueName=name)["QueueUrl"]
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    client.send_message(QueueUrl=url, MessageBody="hello")
    (received,) = client.receive_message(QueueUrl=url)["Messages"]
    log = Log()
    app.on_queue(name, log)
    raw = {"messageId": received["MessageId"], "body": received["Body"], "eventSource": "aws:sqs"}
    assert send(app, raw | {"eventSourceARN": attributes["QueueArn"]}) == []
    assert [record["body"] for record in log] == ["hello"]


@pytest.mark.usefixtures("in_lambda")
def test_topics(app: CqrsApp) -> None:
    log = Log()
    app.on_sns("orders", log)
    assert app(notice(), None) is None
    assert log == notice()["Records"]
    with pytest.raises(ValueError, match="the text is left out"):
        app(notice(text="refuse"), None)


@pytest.mark.usefixtures("in_lambda")
def test_buckets(app: CqrsApp) -> None:
    log = Log()
    app.on_s3("uploads", log)
    assert app(upload(), None) is None
    assert [record["s3"]["object"]["key"] for record in log] == ["a.csv"]
    with pytest.raises(ValueError, match="the text is left out"):
        app(upload(key="refuse"), None)


@pytest.mark.parametrize(("register", "make"), [("on_kinesis", click), ("on_stream", change)])
def test_streams_stop_at_the_first_failure(service: Service, register: str, make: Any) -> None:
    app, log = CqrsApp(modules=[service.module]), Log()
    getattr(app, register)("clicks" if make is click else "stock", log)
    assert send(app, make(1), make(2)) == []
    assert send(app, make(3), make(4, "refuse"), make(5)) == ["4"]
    assert len(log) == 3


def test_a_command_table_stays_the_apps_own(make_service: Callable[..., Service]) -> None:
    service = make_service(modules=INLINE)
    app = CqrsApp(modules=[service.module])
    app.on_stream("stock", Log())
    service.publish()
    assert send(app, record(service, "A1@1")) == []
    assert service.row("data", "A1") is not None
    app.on_stream(service.tables.command, Log())
    with pytest.raises(ConfigurationError, match="is a command table"):
        send(app, record(service, "A1@1"))


def test_bus_events_go_by_source_and_type(app: CqrsApp) -> None:
    paid, rest = Log(), Log()
    app.on_event(source="shop.billing", detail_type="Paid", handler=paid)
    app.on_event(source="shop.billing", handler=rest)
    assert app(bus(), None) == "result"
    app(bus(detail_type="Refunded"), None)
    assert [[event["detail-type"] for event in log] for log in (paid, rest)] == [["Paid"], ["Refunded"]]


def test_tasks_go_by_action_and_then_by_state_machine(app: CqrsApp) -> None:
    charge, checkout = Log(), Log()
    app.on_task("charge", charge)
    app.on_task("checkout", checkout)
    assert app(task(), None) == "result"
    app(task(None), None)
    app(task("ship"), None)
    assert (len(charge), len(checkout)) == (1, 2)


def test_the_pipelines_own_tasks_go_to_the_worker(service: Service) -> None:
    app = CqrsApp(modules=[service.module])
    app.on_task("checkout", Log())
    service.publish()
    own = {"module": "todo", "pk": "TODO#acme", "sk": "A1", "version": 1}
    assert app({"action": "apply", "input": own, "context": CONTEXT}, None) == {"handlers": []}


def test_a_decorator_registers_too(app: CqrsApp) -> None:
    seen: list[Any] = []

    @app.on_queue("orders")
    def take(record: dict[str, Any]) -> None:
        seen.append(record["body"])

    @app.on_event(source="shop.billing")
    def pay(event: dict[str, Any]) -> None:
        seen.append(event["detail"])

    take(message("0", "called"))
    assert send(app, message("1", "sent")) == []
    app(bus(), None)
    assert seen == ["called", "sent", {"order": 1}]
    assert pay.__name__ == "pay"


def test_a_handler_is_imported_when_it_is_needed(app: CqrsApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app.on_queue("orders", "shop_intake:take")
    assert send(app, message("1")) == ["1"]
    file = ModuleType("shop_intake")
    file.take = log = Log()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop_intake", file)
    assert send(app, message("1")) == []
    assert len(log) == 1


@pytest.mark.parametrize(
    "event",
    [notice("other"), upload("other"), bus("other"), task("other", "other"), task(None, "other")],
    ids=["sns", "s3", "bus", "task", "machine"],
)
def test_an_event_that_nobody_handles_is_an_error(app: CqrsApp, event: dict[str, Any]) -> None:
    for register in (app.on_sns, app.on_s3, app.on_task):
        register("mine", Log())
    app.on_event(source="mine", handler=Log())
    with pytest.raises(UnknownTriggerError, match="nobody handles"):
        app(event, None)


@pytest.mark.parametrize("make", [message, click, change])
def test_a_record_that_nobody_handles_is_reported(service: Service, make: Any) -> None:
    app = CqrsApp(modules=[service.module])
    number = "1" if make is message else 1
    assert send(app, make(number)) == ["1"]


@pytest.mark.parametrize(
    "event",
    [
        [],
        "text",
        {"Records": "text"},
        {"Records": [1]},
        {"Records": [{"eventSource": "aws:ses"}]},
        {"source": "a", "detail": {}},
        {"context": ["Execution", "State", "StateMachine"]},
    ],
)
def test_an_event_of_unknown_shape_is_an_error(app: CqrsApp, event: Any) -> None:
    with pytest.raises(UnknownTriggerError):
        app(event, None)


def test_a_task_of_unknown_shape_is_an_error(app: CqrsApp) -> None:
    for broken in ({"action": "apply"}, {"action": "apply", "input": []}, {"action": ["x"], "input": {}}):
        with pytest.raises(UnknownTriggerError, match="nobody handles the task"):
            app(broken | {"context": CONTEXT}, None)


@pytest.mark.parametrize("kind", ["on_queue", "on_sns", "on_s3", "on_kinesis", "on_stream", "on_task"])
def test_two_handlers_for_one_thing_are_refused(app: CqrsApp, kind: str) -> None:
    register = getattr(app, kind)
    register("orders", Log())
    for name in ("orders", "arn:aws:any:eu-west-1:123456789012:orders"):
        with pytest.raises(ConfigurationError, match=r"orders' has a handler already"):
            register(name, Log())
    register("others", Log())


def test_two_handlers_for_one_kind_of_event_are_refused(app: CqrsApp) -> None:
    for detail_type in (None, "Paid"):
        app.on_event(source="shop", detail_type=detail_type, handler=Log())
        with pytest.raises(ConfigurationError, match="has a handler already"):
            app.on_event(source="shop", detail_type=detail_type, handler=Log())


def test_queues_of_one_name_in_two_accounts_are_two(app: CqrsApp) -> None:
    here, there = Log(), Log()
    app.on_queue(ARN.format("sqs", "orders"), here)
    app.on_queue("arn:aws:sqs:eu-west-1:210987654321:orders", there)
    assert send(app, message("1")) == []
    assert (len(here), len(there)) == (1, 0)


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_name_that_is_none_is_refused(app: CqrsApp, name: Any) -> None:
    with pytest.raises(ConfigurationError, match="must be a text"):
        app.on_queue(name, Log())
    with pytest.raises(ConfigurationError, match="source must be a text"):
        app.on_event(source=name, handler=Log())


@pytest.mark.parametrize("handler", ["nowhere", ":name", "a:b-c", 3])
def test_what_cannot_be_a_handler_is_refused(app: CqrsApp, handler: Any) -> None:
    with pytest.raises(ConfigurationError, match="the handler of SQS 'orders'"):
        app.on_queue("orders", handler)


def test_a_path_to_something_else_is_refused_when_it_is_loaded(app: CqrsApp) -> None:
    app.on_sns("orders", f"{__name__}:ARN")
    with pytest.raises((ConfigurationError, ModuleNotFoundError)):
        app(notice(), None)


@pytest.mark.parametrize("action", ["apply", "handle", "park", "finish", "fail"])
def test_the_pipelines_own_actions_are_refused(app: CqrsApp, action: str) -> None:
    with pytest.raises(ConfigurationError, match="the command pipeline's own"):
        app.on_task(action, Log())


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        (ARN.format("sqs", "orders.fifo"), "orders.fifo"),
        (ARN.format("sns", "orders"), "orders"),
        ("arn:aws:s3:::uploads", "uploads"),
        (ARN.format("kinesis", "stream/clicks"), "clicks"),
        (ARN.format("states", "stateMachine:checkout"), "checkout"),
        (ARN.format("dynamodb", "table/stock/stream/2026-01-01T00:00:00.000"), "stock"),
    ],
)
def test_the_name_in_an_arn(arn: str, name: str) -> None:
    assert name_in_arn(arn) == name


def test_the_name_of_the_error_before_is_still_there() -> None:
    assert runtime.UnknownEventError is UnknownTriggerError


# --- Plain invocations ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        {"backupId": "123"},  # a schedule's input
        {},
        {"Records": []},
        {"Records": [{"eventSource": "aws:ses"}]},
        {"triggerSource": "PreSignUp_SignUp", "userPoolId": "p", "request": {}},
        {"awslogs": {"data": "H4sI"}},
        {"version": "2.0"},
        {"requestContext": None},
        {"operation": 5},
        [1, 2],
        "text",
        7,
        None,
        True,
    ],
    ids=str,
)
def test_a_plain_invocation_is_routed(payload: Any) -> None:
    app = CqrsApp(modules=[])
    with pytest.raises(UnknownTriggerError, match=r"Register a handler.*app\.on_invoke"):
        app(payload, None)
    app.on_invoke(lambda found: {"got": found})
    assert app(payload, None) == {"got": payload}


def test_a_plain_invocation_is_routed_by_decorator_and_import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    app = CqrsApp(modules=[])

    @app.on_invoke()
    def nightly(payload: Any) -> Any:
        return payload["backupId"]

    assert app({"backupId": "123"}, None) == "123"
    with pytest.raises(ConfigurationError, match="has a handler already"):
        app.on_invoke(nightly)
    file = ModuleType("shop_nightly")
    file.run = nightly  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop_nightly", file)
    other = CqrsApp(modules=[])
    other.on_invoke("shop_nightly:run")
    assert other({"backupId": "7"}, None) == "7"


def test_a_schedule_that_sends_no_input_is_an_event() -> None:
    app = CqrsApp(modules=[])
    app.on_event(source="aws.scheduler", handler=lambda event: event["detail-type"])
    event = {
        "version": "0",
        "id": "1",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "time": "2026-11-21T00:00:00Z",
        "resources": ["arn:aws:scheduler:eu-west-1:123456789012:schedule/default/nightly"],
        "detail": "{}",
    }
    assert app(event, None) == "Scheduled Event"


LATTICE = {
    "version": "2.0",
    "path": "/newpath",
    "method": "GET",
    "headers": {"host": ["x"]},
    "requestContext": {
        "serviceNetworkArn": "arn:aws:vpc-lattice:us-east-2:123456789012:servicenetwork/sn-0",
        "timeEpoch": "1661428815",
    },
}


@pytest.mark.parametrize(
    ("event", "sender"),
    [
        (LATTICE, "VPC Lattice"),
        ({"raw_path": "/a", "method": "GET", "headers": {}, "is_base64_encoded": False}, "VPC Lattice"),
        ({"requestContext": {"elb": {}}, "httpMethod": "GET", "path": "/"}, "an Application Load Balancer"),
        ({"requestContext": {"connectionId": "c", "eventType": "CONNECT"}}, "a WebSocket API"),
        ({"resource": "/a", "httpMethod": "GET", "requestContext": {"stage": "prod"}}, "a REST API"),
        ({"version": "1.0", "httpMethod": "GET", "requestContext": {}}, "a REST API"),
    ],
    ids=["lattice", "lattice 1", "alb", "websocket", "rest", "payload 1.0"],
)
def test_requests_of_others_are_refused_by_name(event: dict[str, Any], sender: str) -> None:
    app = CqrsApp(modules=[])
    app.on_invoke(Log())  # they are none of these
    with pytest.raises(
        UnknownTriggerError, match=rf"requests of {sender}.* are not served; send them through"
    ):
        app(event, None)
