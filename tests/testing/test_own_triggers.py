"""Queues, topics, buckets and buses of a service's own in the kit for tests; and what nobody has finished."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runtime import CommandModule, ConfigurationError, CqrsApp, DataSyncHandler, Resources, Settings
from runtime.testing import MemoryApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime import CommandModel

PK = "ORDER#acme"
ARN = "arn:aws:sns:us-east-1:111111111111:prices"


class Seen(DataSyncHandler):
    """Remembers which versions it saw."""

    def __init__(self) -> None:
        self.versions: list[int] = []

    def up(self, command: CommandModel[Any]) -> None:
        self.versions.append(command.version)


class Service:
    """An app that takes in what comes from elsewhere, and sends some of it on."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.fails = 0
        self.resources = Resources(Settings())
        self.order = CommandModule("order", data_sync_handlers=[Seen])
        self.app = CqrsApp(modules=[self.order])
        self.app.on_queue("incoming", self.take)
        self.app.on_queue("forwarded", lambda record: self.note(record["body"]))
        self.app.on_sns(ARN, lambda record: self.note(json.loads(record["Sns"]["Message"])))
        self.app.on_sns("news", lambda record: self.note(record["Sns"]["MessageAttributes"]))
        self.app.on_s3("files", lambda record: self.note((record["eventName"], record["s3"]["object"])))
        self.app.on_event(source="shop", handler=lambda event: self.note(event["detail"]))

    def note(self, what: Any) -> None:
        self.got.append(what)
        if self.fails:
            self.fails -= 1
            message = "not now"
            raise ValueError(message)

    def take(self, record: dict[str, Any]) -> None:
        """An order that comes by a queue, and is sent on to another one."""
        self.note(json.loads(record["body"]))
        command = {"pk": PK, "sk": "A1", "code": "A1", "type": "ORDER", "name": "by queue", "version": 0}
        self.order.commands.publish_async(command, invoke_context=self.memory.user(tenant="acme"))
        self.resources.client("sqs").send_message(QueueUrl="https://sqs/1/forwarded", MessageBody="go on")

    memory: MemoryApp


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    with MemoryApp(made.app, resources=[made.resources]) as memory:
        made.memory = memory
        yield made


def test_a_message_goes_to_its_route_and_what_follows_from_it_happens(service: Service) -> None:
    service.memory.send("incoming", {"code": "A1"})
    assert service.got == []  # nothing happens behind a test's back
    service.memory.deliver()
    assert service.got == [{"code": "A1"}, "go on"]
    assert service.memory.rows("order", "data")[0]["name"] == "by queue"
    assert service.memory.handlers["Seen"].versions("A1") == [1]
    assert all(not queue for queue in service.memory.resources.queues.values())


@pytest.mark.parametrize(
    "queue",
    ["forwarded", "https://sqs.eu-west-1.amazonaws.com/1/forwarded", "arn:aws:sqs:eu-west-1:1:forwarded"],
)
def test_a_queue_goes_by_name_url_and_arn(service: Service, queue: str) -> None:
    service.memory.send(queue, "hello")
    service.memory.deliver()
    assert service.got == ["hello"]


def test_what_the_app_itself_publishes_goes_to_its_routes(service: Service) -> None:
    service.resources.sns.publish({"action": "changed", "price": 5}, ARN)
    service.resources.client("sns").publish(TopicArn="arn:aws:sns:x:1:nobodys", Message="lost")
    service.resources.client("s3").put_object(Bucket="files", Key="in/a b.csv", Body=b"1;2")
    service.resources.client("s3").delete_object(Bucket="files", Key="in/a b.csv")
    service.resources.client("s3").put_object(Bucket="others", Key="a", Body=b"")
    service.memory.deliver()
    service.memory.deliver()
    assert service.got == [
        {"action": "changed", "price": 5},
        ("ObjectCreated:Put", {"key": "in/a+b.csv", "size": 3}),
        ("ObjectRemoved:Delete", {"key": "in/a+b.csv", "size": 0}),
    ]


def test_a_test_publishes_stores_and_puts_events(service: Service) -> None:
    service.memory.publish("news", "text", attributes={"kind": "daily"})
    service.memory.publish(ARN, {"price": 6})
    service.memory.put_object("files", "a.csv", "ä")
    service.memory.put_event("shop", "sold", {"code": "A1"})
    service.memory.deliver()
    assert sorted(map(str, service.got)) == sorted(
        map(
            str,
            [
                {"kind": {"Type": "String", "Value": "daily"}},
                {"price": 6},
                ("ObjectCreated:Put", {"key": "a.csv", "size": 2}),
                {"code": "A1"},
            ],
        )
    )
    assert service.memory.resources.objects["files", "a.csv"].content == "ä".encode()


@pytest.mark.parametrize(("fails", "tries"), [(1, 2), (3, 4), (9, 4)])
def test_a_queue_tries_four_times(service: Service, fails: int, tries: int) -> None:
    service.fails = fails
    service.memory.send("forwarded", "hello")
    service.memory.deliver()
    assert service.got == ["hello"] * tries
    assert service.memory.dead_letters == (["hello"] if fails > 3 else [])
    service.fails = 0
    service.memory.deliver()
    assert len(service.got) == tries


@pytest.mark.parametrize(("fails", "tries"), [(2, 3), (9, 3)])
def test_others_try_three_times(service: Service, fails: int, tries: int) -> None:
    service.fails = fails
    service.memory.put_event("shop", "sold", {"code": "A1"})
    service.memory.deliver()
    assert service.got == [{"code": "A1"}] * tries
    assert [event["detail"] for event in service.memory.dead_letters] == [{"code": "A1"}] * (fails > 2)


def test_what_has_no_route_is_refused_by_name(service: Service) -> None:
    memory = service.memory
    for do, what in (
        (lambda: memory.send("incomming", {}), "queue 'incomming'; it has some for .'forwarded', 'incoming'"),
        (
            lambda: memory.publish("arn:aws:sns:us-east-1:2:prices", {}),
            "topic 'arn:aws:sns:us-east-1:2:prices'",
        ),
        (lambda: memory.put_object("file", "a"), "bucket 'file'"),
        (lambda: memory.put_event("shopp", "sold", {}), "the event 'sold' of 'shopp'"),
    ):
        with pytest.raises(ConfigurationError, match=f"no route for the {what}|no route for {what}"):
            do()
    memory.deliver()
    assert service.got == []


@pytest.mark.parametrize("mode", ["workflow", "inline"])
def test_what_was_lost_is_healed_when_its_time_has_come(mode: str) -> None:
    order = CommandModule("order", data_sync_handlers=[Seen])
    with MemoryApp(CqrsApp(modules=[order]), modes={"order": mode}) as memory:
        command = {"pk": PK, "sk": "A1", "code": "A1", "type": "ORDER", "name": "n", "version": 0}
        order.commands.publish_async(command, invoke_context=memory.user(tenant="acme"))
        memory.deliver(lose=["A1@1"])
        assert memory.rows("order", "data") == []
        assert memory.heal() == 0  # the pipeline may still be on its way to it
        memory.clock.advance(minutes=11)
        memory.handlers["Seen"].fail(times=1)
        assert memory.heal() == 1
        assert memory.handlers["Seen"].versions("A1") == []  # an execution tries it again
        memory.deliver()
        assert memory.handlers["Seen"].versions("A1") == [1]
        assert [row["status"] for row in memory.rows("order", "command")] == ["finish:FINISHED"]
        assert len(memory.notifications) == 1
        assert memory.heal() == 0
