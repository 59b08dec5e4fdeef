"""What the kit for tests of a service promises."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime import (
    Attachment,
    CommandModule,
    ConfigurationError,
    CqrsApp,
    DataSyncHandler,
    DeliveryError,
    ForbiddenError,
    Recipients,
    Resources,
    Settings,
    SqsMessage,
    clock,
    current_invoke_context,
    get_user_context,
    reconcile,
    require_invoke_context,
)
from runtime.clients.resources import default_resources
from runtime.contract import Env
from runtime.errors import BatchDeliveryError, HandlersPendingError
from runtime.testing import MemoryApp
from runtime.testing.pytest_plugin import memory_app

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime import CommandModel
    from runtime.testing.pytest_plugin import MakeMemoryApp

__all__ = ["memory_app"]

PK = "ORDER#acme"
SYSTEM = "system_admin"


class Seen(DataSyncHandler):
    """Remembers what it saw."""

    def __init__(self) -> None:
        self.versions: list[tuple[str, int]] = []

    def up(self, command: CommandModel[Any]) -> None:
        self.versions.append((command.sk.partition("@")[0], command.version))

    def down(self, command: CommandModel[Any]) -> None:
        self.versions.append((command.sk.partition("@")[0], -command.version))


class Other(Seen):
    """Another one."""


router = Router()


@router.route("/echo", method=["GET", "POST", "PUT", "PATCH", "DELETE"])
def echo() -> dict[str, Any]:
    """What the function got."""
    event = router.current_event
    user = get_user_context(require_invoke_context())
    return {
        "method": event.http_method,
        "query": event.query_string_parameters or {},
        "raw": event.raw_event["rawQueryString"],
        "headers": dict(event.headers),
        "body": event.body,
        "user": user.user_id,
        "tenant": user.tenant_code,
        "roles": user.tenant_roles,
        "groups": user.tenant_group_ids,
    }


@router.get("/paths/<name>")
def path(name: str) -> dict[str, str]:
    """The name in the path."""
    return {"name": name}


def make(*, handlers: Any = (Seen,), **options: Any) -> CqrsApp:
    order = CommandModule("order", data_sync_handlers=[handler() for handler in handlers])
    return CqrsApp(modules=[order], routes=router, **options)


def publish(memory: MemoryApp, sk: str = "A1", version: int = 0, *, sync: bool = False, **values: Any) -> Any:
    commands = memory.app.modules["order"].commands
    method = commands.publish_sync if sync else commands.publish_async
    command = {
        "pk": PK,
        "sk": sk,
        "code": sk,
        "name": f"v{version}",
        "type": "ORDER",
        "version": version,
        "attributes": {"n": version},
    }
    return method(command | values, invoke_context=memory.user("ann", tenant="acme"))


def statuses(memory: MemoryApp) -> list[tuple[str, str | None]]:
    return [(row["sk"], row.get("status")) for row in memory.rows("order", "command")]


@pytest.fixture
def memory(memory_app: MakeMemoryApp) -> MemoryApp:
    return memory_app(make())


# Delivery


def test_nothing_happens_before_the_delivery(memory: MemoryApp) -> None:
    publish(memory)
    assert memory.under_way == [f"{PK} A1@1"]
    assert memory.rows("order", "data") == memory.handlers["Seen"].seen == memory.notifications == []
    memory.deliver()
    assert memory.under_way == []
    assert [row["name"] for row in memory.rows("order", "data")] == ["v0"]
    assert [execution.status for execution in memory.executions] == ["SUCCEEDED"]
    memory.deliver()
    assert len(memory.notifications) == len(memory.handlers["Seen"].seen) == 1


@pytest.mark.parametrize("mode", ["workflow", "inline"])
@pytest.mark.parametrize("shuffled", [False, 1, 2, 3])
@pytest.mark.parametrize("times", [1, 3])
def test_every_version_arrives_once_and_in_order(
    memory_app: MakeMemoryApp, mode: str, shuffled: int, times: int
) -> None:
    memory = memory_app(make(handlers=(Seen, Other)), modes={"order": mode})
    for version in range(5):
        for sk in ("A", "B"):
            publish(memory, sk, version)
    memory.deliver(times, shuffled=shuffled)
    for handler in memory.handlers.values():
        assert handler.versions("A") == handler.versions("B") == [1, 2, 3, 4, 5]
    assert {status for _, status in statuses(memory)} == {"finish:FINISHED"}
    assert len(memory.notifications) == 10
    assert len(memory.rows("order", "history")) == 8
    assert memory.dead_letters == memory.alarms == []


def test_an_inline_module_without_handlers_needs_no_execution(memory_app: MakeMemoryApp) -> None:
    memory = memory_app(make(handlers=()), modes={"order": "inline"})
    publish(memory)
    memory.deliver()
    assert memory.executions == []
    assert len(memory.notifications) == 1


def test_the_same_number_is_the_same_order(memory_app: MakeMemoryApp) -> None:
    def order(seed: int) -> list[str]:
        memory = memory_app(make())
        for sk in "ABCDEFGH":
            publish(memory, sk)
        memory.deliver(shuffled=seed)
        return [command.sk for command in memory.handlers["Seen"].seen]

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(1, 5)}) > 1


def test_a_lost_record_is_found_by_reconcile(memory: MemoryApp) -> None:
    publish(memory)
    publish(memory, version=1)
    memory.deliver(lose=["A1@1", "A1@2"])
    assert memory.executions == []
    memory.clock.advance(hours=1)
    page = reconcile(memory.app.modules["order"])
    assert (page.applied, page.handled) == (2, 2)
    assert memory.handlers["Seen"].versions("A1") == [1, 2]


def test_what_a_handler_publishes_is_delivered_too(memory_app: MakeMemoryApp) -> None:
    class Follows(Seen):
        def up(self, command: CommandModel[Any]) -> None:
            if command.sk == "A1@1":
                publish(memory, "B1")

    memory = memory_app(make(handlers=(Follows,)))
    publish(memory)
    memory.deliver()
    assert [row["sk"] for row in memory.rows("order", "data")] == ["A1", "B1"]


# Handlers


def test_a_handler_that_fails_for_a_while_is_called_again(memory: MemoryApp) -> None:
    began = memory.clock.now()
    memory.handlers["Seen"].fail(times=3)
    publish(memory)
    memory.deliver()
    assert memory.clock.now() - began == timedelta(seconds=14)
    assert memory.handlers["Seen"].versions("A1") == [1]
    assert memory.alarms == []


def test_a_handler_that_keeps_failing_is_parked(memory: MemoryApp) -> None:
    memory.handlers["Seen"].fail(ValueError("no"))
    publish(memory)
    publish(memory, version=1)
    memory.deliver()
    assert len(memory.alarms) == 1
    (cursor,) = memory.rows("order", "sync")
    assert cursor["parkedVersion"] == 1
    assert {status for _, status in statuses(memory)} == {"sync_data:FAILED"}


def test_a_synchronous_publish_sees_its_handler_fail(memory: MemoryApp) -> None:
    memory.handlers["Seen"].fail(times=1)
    with pytest.raises(HandlersPendingError):
        publish(memory, sync=True)
    memory.deliver()
    assert memory.handlers["Seen"].versions("A1") == [1]


def test_a_handler_can_be_left_out(memory_app: MakeMemoryApp) -> None:
    app = make()
    own = app.modules["order"].handlers[0].handler
    assert isinstance(own, Seen)
    memory = memory_app(app)
    publish(memory)
    memory.deliver()
    memory.handlers["Seen"].replace()
    publish(memory, version=1)
    memory.deliver()
    assert memory.handlers["Seen"].versions("A1") == [1, 2]
    assert own.versions == [("A1", 1)]


def test_handlers_are_given_back() -> None:
    app = make()
    reference = app.modules["order"].handlers[0]
    own = reference.handler
    for _ in range(2):
        with MemoryApp(app) as memory:
            assert reference.handler is memory.handlers["Seen"]
        assert reference.handler is own


def test_handlers_of_one_name_are_told_apart() -> None:
    modules = [CommandModule(name, data_sync_handlers=[Seen()]) for name in ("order", "invoice")]
    with MemoryApp(CqrsApp(modules=modules)) as memory:
        assert set(memory.handlers) == {"order.Seen", "invoice.Seen"}


# Time


def test_time_stands_still_until_it_is_told_to_go_on(memory: MemoryApp) -> None:
    assert clock.now() == memory.clock.now() == datetime(2026, 1, 1, 12, tzinfo=UTC)
    memory.clock.advance(days=1, minutes=2, milliseconds=3)
    publish(memory)
    (row,) = memory.rows("order", "command")
    assert row["createdAt"] == "2026-01-02T12:02:00.003+00:00"
    with pytest.raises(ValueError, match="backwards"):
        memory.clock.advance(seconds=-1)


def test_the_clock_of_the_machine_comes_back() -> None:
    with MemoryApp(make(), start=datetime(2000, 1, 1)):  # noqa: DTZ001 - it is taken for UTC
        assert clock.now().year == 2000
    assert clock.now().year != 2000


def test_rows_expire(memory: MemoryApp) -> None:
    publish(memory)
    assert len(memory.store.rows("local-test-session")) == 2  # the session, and the note of what is new
    memory.clock.advance(minutes=6)
    assert memory.expire() == 2
    assert memory.store.rows("local-test-session") == []


# Requests


def test_a_client_sends_what_api_gateway_would(memory: MemoryApp) -> None:
    client = memory.client(
        tenant="acme",
        user="ann",
        roles=["editor"],
        global_roles=[SYSTEM],
        groups=["g1"],
        headers={"X-One": "1"},
    )
    answer = client.post("/echo", {"ü": 1}, params={"a": [1, 2], "b": "x y"}, headers={"X-Two": "2"})
    found = answer.json()
    assert (answer.status, found["method"], json.loads(found["body"])) == (200, "POST", {"ü": 1})
    assert (found["query"], found["raw"]) == ({"a": "1,2", "b": "x y"}, "a=1&a=2&b=x+y")
    assert (found["headers"]["x-one"], found["headers"]["x-two"]) == ("1", "2")
    assert (found["user"], found["tenant"]) == ("ann", "acme")
    assert (found["roles"], found["groups"]) == (["editor", SYSTEM], ["g1"])
    assert answer.headers["CONTENT-TYPE"] == answer.headers.get("content-type") == "application/json"
    assert "Content-Type" in answer.headers
    for method in ("get", "put", "patch", "delete"):
        assert getattr(client, method)("/echo").json()["method"] == method.upper()


def test_nobody_has_no_claims(memory: MemoryApp) -> None:
    assert memory.client(user=None).get("/echo").json()["user"] is None


@pytest.mark.parametrize(
    ("sent", "name"), [("a%20b", "a b"), ("a%2Fb", None), ("50%25", "50%"), ("%E6%BC%A2", "漢")]
)
def test_a_path_is_escaped_as_in_a_url(memory: MemoryApp, sent: str, name: str | None) -> None:
    answer = memory.client().get(f"/paths/{sent}")
    assert (answer.json().get("name"), answer.status) == (name, 200 if name else 404)


def test_a_body_may_be_anything(memory: MemoryApp) -> None:
    client = memory.client()
    assert client.post("/echo", content="text").json()["body"] == "text"
    assert client.post("/echo", content=b"bytes").json()["body"] in {"bytes", "Ynl0ZXM="}


def test_a_service_may_be_called_as_a_user(memory: MemoryApp) -> None:
    order = memory.app.modules["order"]
    publish(memory, sync=True)
    ann, eve = (memory.user("x", tenant=tenant) for tenant in ("acme", "other"))
    found = order.repository.get_item((PK, "A1"), invoke_context=ann)
    assert found is not None
    with pytest.raises(ForbiddenError):
        order.repository.get_item((PK, "A1"), invoke_context=eve)
    with memory.acting_as("ann", tenant="acme") as context:
        assert current_invoke_context() is context
        assert order.repository.get_item((PK, "A1")) == found
    assert current_invoke_context() is None


# The app


def test_each_memory_begins_empty_and_leaves_the_app_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(Env.NODE_ENV, raising=False)
    default_resources.cache_clear()  # other tests are services, too
    app = make()
    order = app.modules["order"]
    for _ in range(2):
        with MemoryApp(app) as memory:
            publish(memory, sync=True)
            assert len(memory.rows("order", "data")) == 1
        with pytest.raises(ConfigurationError, match="NODE_ENV is not set"):
            _ = order.data


def test_whoever_has_a_service_may_keep_it() -> None:
    deployed = Resources(Settings(node_env="dev", app_name="shop", regions={"DYNAMODB": "eu-west-1"}))
    order = CommandModule("order", resources=deployed)
    app, data = CqrsApp(modules=[order]), order.data
    with MemoryApp(app) as memory:
        assert order.data is data
        publish(memory, sync=True)
        assert data.get_item((PK, "A1"), invoke_context=memory.user(tenant="acme"))
    assert order.data is data
    assert order.tables.data == "dev-shop-order-data"
    assert order.resources is deployed


def test_resources_of_a_service_come_back() -> None:
    own = Resources(Settings())
    with MemoryApp(make(), resources=[own]) as memory:
        own.sns.publish({"action": "x"}, "arn:aws:sns:eu-west-1:1:orders")
        assert len(memory.resources.messages) == 1
    assert own.settings == Settings()
    assert set(vars(own)) == {"settings"}


def test_settings_may_be_others(memory_app: MakeMemoryApp) -> None:
    memory = memory_app(make(), ryw_session_seconds=None, request_body_limit=10)
    publish(memory)
    assert memory.store.rows("local-test-session") == []
    assert memory.client().post("/echo", {"long": "body"}).status == 413
    with pytest.raises(ConfigurationError, match=r"no modules \['invoice'\]"):
        MemoryApp(make(), modes={"invoice": "inline"})


def test_notifications_reach_the_app_and_are_tried_again(memory_app: MakeMemoryApp) -> None:
    told: list[Mapping[str, Any]] = []

    def tell(notification: Mapping[str, Any]) -> None:
        told.append(notification)
        if len(told) < 3:
            msg = "down"
            raise RuntimeError(msg)

    memory = memory_app(make(notification_handlers=[tell]))
    publish(memory)
    memory.deliver()
    assert told == memory.notifications * 3
    channel, event = memory.resources.pushes[-1]
    assert channel.startswith("/default/acme/command-status/")
    assert event == told[0]


def test_a_notification_that_nobody_takes_is_a_dead_letter(memory_app: MakeMemoryApp) -> None:
    def refuse(_: Mapping[str, Any]) -> None:
        raise RuntimeError

    memory = memory_app(make(notification_handlers=[refuse]))
    publish(memory)
    memory.deliver()
    assert memory.dead_letters == memory.notifications


def test_large_attributes_are_in_a_bucket(memory: MemoryApp) -> None:
    text = "x" * 500_000
    publish(memory, attributes={"text": text, "blob": b"\x00"})
    ((bucket, key),) = memory.resources.objects
    assert (bucket, key.split("/")[0]) == ("local-test-attributes", "ddb")
    memory.deliver()
    assert len(memory.rows("order", "data")[0]["attributes"]) < 1000
    found = memory.app.modules["order"].data.get_item((PK, "A1"), invoke_context=memory.user(tenant="acme"))
    assert found is not None
    assert found.attributes["text"] == text


# Other services


@pytest.fixture
def resources(memory_app: MakeMemoryApp) -> Resources:
    """What a service made when it was imported, before any test."""
    own = Resources(Settings())
    memory_app(make(), resources=[own])
    return own


def test_emails_are_kept(memory_app: MakeMemoryApp) -> None:
    own = Resources(Settings())
    memory = memory_app(make(), resources=[own])
    to = Recipients(to=["ann@example.com"], cc=["c@example.com"], bcc=["b@example.com"])
    own.email.send_email(to, subject="Grüße", html="<p>Hi</p>", text="Hi")
    files = [Attachment("a.txt", b"10 EUR", "text/plain")]
    own.email.send_email(to, subject="Grüße", html="<p>Hi</p>", text="Hi", attachments=files)
    template: dict[str, Any] = {
        "subject": "No {{code}}",
        "html": "<p>{{ name }}</p>",
        "sender": "x@example.com",
    }
    own.email.send_inline_template_email(to, **template, data={"code": 5, "name": "Ann"})
    plain, attached, filled = memory.emails
    for email in (plain, attached):
        assert (email.subject, email.html, email.text) == ("Grüße", "<p>Hi</p>", "Hi")
        assert (email.sender, email.to) == ("service@example.com", ("ann@example.com",))
        assert (email.cc, email.bcc) == (("c@example.com",), ("b@example.com",))
    assert attached.attachments == (("a.txt", b"10 EUR"),)
    assert (filled.subject, filled.html, filled.sender) == ("No 5", "<p>Ann</p>", "x@example.com")
    with pytest.raises(DeliveryError):
        own.email.send_inline_template_email(to, **template, data={})


def test_topics_keep_what_was_published(memory_app: MakeMemoryApp) -> None:
    own = Resources(Settings())
    memory = memory_app(make(), resources=[own])
    own.sns.publish({"action": "order-paid", "id": "A1"}, "arn:aws:sns:eu-west-1:1:orders")
    (message,) = memory.resources.messages
    assert message.content == {"action": "order-paid", "id": "A1"}
    assert message.to == "arn:aws:sns:eu-west-1:1:orders"
    assert message.attributes == {"action": "order-paid", "service": "local-test"}
    memory.deliver()
    assert memory.notifications == []


def test_queues_give_back_what_was_sent(resources: Resources) -> None:
    sqs, url = resources.sqs, "https://sqs.test/orders"
    sqs.send_message_batch(url, [SqsMessage(body={"n": n}, attributes={"kind": "x"}) for n in range(12)])
    assert sqs.approximate_messages(url) == 12
    first = sqs.receive_messages(url)
    assert [json.loads(message["Body"])["n"] for message in first] == list(range(10))
    assert first[0]["MessageAttributes"]["kind"]["StringValue"] == "x"
    assert len(sqs.receive_messages(url)) == 2
    assert sqs.receive_messages(url) == []
    sqs.delete_message(url, first[0]["ReceiptHandle"])
    with pytest.raises(BatchDeliveryError) as raised:
        sqs.delete_message_batch(url, [first[0]["ReceiptHandle"], first[1]["ReceiptHandle"]])
    assert list(raised.value.failed) == [0]
    assert sqs.approximate_messages(url) == 10


def test_a_name_starts_one_execution(memory_app: MakeMemoryApp) -> None:
    own = Resources(Settings())
    memory = memory_app(make(), resources=[own])
    arn = "arn:aws:states:eu-west-1:1:stateMachine:import"
    first = own.step_functions.start_execution(arn, {"n": 1}, name="one")
    assert first == "arn:aws:states:eu-west-1:1:execution:import:one"
    assert own.step_functions.start_execution(arn, {"n": 1}, name="one") == first
    assert own.step_functions.start_execution(arn, {"n": 2}, name="one") is None
    assert [execution.input for execution in memory.resources.executions] == [{"n": 1}]
    assert memory.executions == []


def test_buckets_are_as_s3_has_them(memory: MemoryApp) -> None:
    s3 = memory.resources.client("s3")
    for number in range(5):
        s3.put_object(Bucket="b", Key=f"k/{number}", Body=b"x", Metadata={"n": str(number)})
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="b", Prefix="k/", MaxKeys=2)
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == [f"k/{n}" for n in range(5)]
    assert s3.head_object(Bucket="b", Key="k/3")["Metadata"] == {"n": "3"}
    assert s3.get_object(Bucket="b", Key="k/3")["Body"].read() == b"x"
    assert "Contents" not in s3.list_objects_v2(Bucket="other")


def test_a_service_without_a_counterpart_says_so(memory: MemoryApp) -> None:
    with pytest.raises(ConfigurationError, match="cognito-idp has no counterpart in memory"):
        memory.resources.client("cognito-idp")
