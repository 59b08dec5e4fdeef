"""Notifications pushed through AppSync Events, to a subscriber at the other end."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from runtime import ConfigurationError, DeliveryError, Settings
from runtime.clients.realtime import channel_segment
from runtime.entry.queue import NotificationQueue, notification_handlers
from tests.support.service import TestResources
from tests.support.websocket import Subscriber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator

NOTIFICATION = {
    "action": "command-status",
    "id": "req-1",
    "table": "local-shop-order-command",
    "pk": "ORDER#acme",
    "sk": "A1@1",
    "tenantCode": "acme",
    "content": {"status": "finish:FINISHED", "source": None},
}
RECORD = {"messageId": "m1", "body": json.dumps(NOTIFICATION)}


@pytest.fixture
def api(emulator: Emulator) -> Iterator[dict[str, Any]]:
    """An Event API like the one that the construct makes, without the handler's code."""
    client = emulator.client("appsync")
    iam, users = [{"authType": "AWS_IAM"}], [{"authType": "AMAZON_COGNITO_USER_POOLS"}]
    made: dict[str, Any] = client.create_api(
        name=f"a{uuid.uuid4().hex}",
        eventConfig={
            "authProviders": [
                *iam,
                {**users[0], "cognitoConfig": {"userPoolId": "p", "awsRegion": "us-east-1"}},
            ],
            "connectionAuthModes": users,
            "defaultPublishAuthModes": iam,
            "defaultSubscribeAuthModes": users,
        },
    )["api"]
    client.create_channel_namespace(
        apiId=made["apiId"], name="default", publishAuthModes=iam, subscribeAuthModes=users
    )
    yield made
    client.delete_api(apiId=made["apiId"])


def resources_for(emulator: Emulator, host: str, **variables: str) -> TestResources:
    environment = {
        "APPSYNC_EVENTS_ENDPOINT": f"http://{host}/event",
        # Names under .localhost are not known everywhere.
        "APPSYNC_ENDPOINT": emulator.endpoint_url,
    }
    return TestResources(emulator, Settings.from_environment(environment | variables))


@pytest.fixture
def resources(emulator: Emulator, api: dict[str, Any]) -> TestResources:
    return resources_for(emulator, api["dns"]["HTTP"])


@pytest.fixture
def subscriber(emulator: Emulator, api: dict[str, Any]) -> Iterator[Subscriber]:
    with Subscriber(api["dns"]["REALTIME"], emulator.port, {"Authorization": "token"}) as client:
        yield client


def test_a_subscriber_sees_what_happened(resources: TestResources, subscriber: Subscriber) -> None:
    answer = subscriber.subscribe("/default/acme/command-status/req-1")
    assert answer["type"] == "subscribe_success"
    resources.realtime({**NOTIFICATION, "id": "req-0"})
    resources.realtime(NOTIFICATION)
    data = subscriber.take()
    assert (data["type"], json.loads(data["event"])) == ("data", NOTIFICATION)


def test_a_subscriber_sees_nothing_of_another_tenant(
    resources: TestResources, subscriber: Subscriber
) -> None:
    subscriber.subscribe("/default/acme/command-status/*")
    resources.realtime({**NOTIFICATION, "tenantCode": "globex"})
    resources.realtime({**NOTIFICATION, "id": "req-2"})
    assert json.loads(subscriber.take()["event"])["id"] == "req-2"


def test_events_of_ones_own(resources: TestResources, subscriber: Subscriber) -> None:
    channel = resources.realtime.channel("acme", "import", "file 7")
    subscriber.subscribe(channel)
    resources.realtime.publish(channel, [{"line": 1}, {"line": 2}])
    assert [json.loads(subscriber.take()["event"])["line"] for _ in range(2)] == [1, 2]


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("acme", "acme"),
        ("command-status", "command-status"),
        ("ORDER#acme#A_1@2", "ORDER-acme-A-1-2"),
        ("#a#", "a"),
        ("", "none"),
        (None, "none"),
        ("###", "none"),
        ("ü", "none"),
        ("a" * 60, "a" * 50),
        ("a" * 49 + "#b", "a" * 49),
        ("a/b", "a-b"),
        ("*", "none"),
    ],
)
def test_a_segment_is_what_appsync_takes(value: str | None, segment: str) -> None:
    assert channel_segment(value) == segment


@pytest.mark.parametrize(
    "tenant", ["a_b", "a.b", "none", "", None, "*", "a" * 51, "-a", "a/b", "ä"], ids=repr
)
def test_a_tenant_that_might_be_taken_for_another_one_is_not_pushed(
    resources: TestResources, subscriber: Subscriber, tenant: str | None
) -> None:
    for other in ("a-b", "none", "a", "a" * 50):
        subscriber.subscribe(f"/default/{other}/command-status/*", other)
    resources.realtime({**NOTIFICATION, "tenantCode": tenant})
    resources.realtime({**NOTIFICATION, "tenantCode": "A-B", "id": "next"})
    assert json.loads(subscriber.take()["event"])["id"] == "next"


def test_a_namespace_that_is_not_there_is_an_error(emulator: Emulator, api: dict[str, Any]) -> None:
    resources = resources_for(emulator, api["dns"]["HTTP"], APPSYNC_EVENTS_NAMESPACE="other")
    with pytest.raises(DeliveryError, match=r"AppSync Events publish failed \[401\] .*Unauthorized"):
        resources.realtime(NOTIFICATION)


def test_a_message_that_cannot_be_pushed_comes_again(emulator: Emulator, api: dict[str, Any]) -> None:
    emulator.client("appsync").delete_channel_namespace(apiId=api["apiId"], name="default")
    resources = resources_for(emulator, api["dns"]["HTTP"])
    queue = NotificationQueue(notification_handlers(resources, None))
    with pytest.raises(DeliveryError):
        queue.handle(RECORD)


def test_the_push_comes_before_the_handlers_of_the_app(
    resources: TestResources, subscriber: Subscriber
) -> None:
    subscriber.subscribe("/default/acme/command-status/*")
    seen: list[Any] = []
    handlers = notification_handlers(resources, [seen.append])
    assert handlers == (resources.realtime, seen.append)
    NotificationQueue(handlers).handle(RECORD)
    assert json.loads(subscriber.take()["event"]) == NOTIFICATION
    assert seen == [NOTIFICATION]


def test_without_an_endpoint_nothing_is_pushed(emulator: Emulator) -> None:
    resources = TestResources(emulator, Settings.from_environment({}))
    assert resources.realtime not in notification_handlers(resources, None)
    assert len(notification_handlers(resources, None)) == 1
    with pytest.raises(ConfigurationError, match="APPSYNC_EVENTS_ENDPOINT is not set"):
        resources.realtime(NOTIFICATION)


class Server(HTTPServer):
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self, status: int, answer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.answer = status, answer
        self.headers: dict[str, str] = {}
        self.body = b""


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.headers = {name.lower(): value for name, value in self.headers.items()}
        server.headers[":path"] = self.path
        server.body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(server.answer)))
        self.send_header("Location", "http://192.0.2.1/")
        self.end_headers()
        self.wfile.write(server.answer)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(status: int = 200, answer: bytes = b'{"successful":[{}],"failed":[]}') -> Server:
        server = Server(status, answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def pushing_to(emulator: Emulator, server: Server, host: str, **variables: str) -> TestResources:
    environment = {
        "APPSYNC_EVENTS_ENDPOINT": f"https://{host}",
        "APPSYNC_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
    }
    return TestResources(emulator, Settings.from_environment(environment | variables))


@pytest.mark.parametrize(
    ("host", "variables", "region"),
    [
        ("abc.appsync-api.eu-west-1.amazonaws.com", {}, "eu-west-1"),
        ("events.example.com", {}, "us-east-1"),  # AWS_REGION of the tests
        ("events.example.com", {"APPSYNC_REGION": "ap-south-1"}, "ap-south-1"),
    ],
)
def test_the_publish_is_signed_for_the_region_of_the_api(
    emulator: Emulator, serve: Callable[..., Server], host: str, variables: dict[str, str], region: str
) -> None:
    server = serve()
    pushing_to(emulator, server, host, **variables).realtime(NOTIFICATION)
    assert (server.headers["host"], server.headers[":path"]) == (host, "/event")
    assert json.loads(server.body)["channel"] == "/default/acme/command-status/req-1"
    assert f"/{region}/appsync/aws4_request" in server.headers["authorization"]
    assert server.headers["authorization"].endswith(f"Signature={signature(server, region)}")


def signature(server: Server, region: str) -> str:
    """The signature that AWS computes of what has arrived."""
    signed = server.headers["authorization"].split("SignedHeaders=")[1].split(",")[0]
    assert {"host", "x-amz-date"} <= set(signed.split(";"))
    headers = "".join(f"{name}:{server.headers[name]}\n" for name in signed.split(";"))
    digest = hashlib.sha256(server.body).hexdigest()
    request = f"POST\n{server.headers[':path']}\n\n{headers}\n{signed}\n{digest}"
    moment = server.headers["x-amz-date"]
    scope = f"{moment[:8]}/{region}/appsync/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = b"AWS4local"
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (400, b'{"errors":[]}', r"publish failed \[400\]"),
        (302, b"", r"publish failed \[302\]"),
        (500, b"oops", r"publish failed \[500\] oops"),
        (200, b'{"successful":[],"failed":[{"index":0,"code":400}]}', "refused events of /default/acme"),
        (200, b"<html>", "refused events of /default/acme"),
    ],
    ids=str,
)
def test_whatever_is_no_success_is_an_error(
    emulator: Emulator, serve: Callable[..., Server], status: int, answer: bytes, message: str
) -> None:
    resources = pushing_to(emulator, serve(status, answer), "abc.appsync-api.eu-west-1.amazonaws.com")
    with pytest.raises(DeliveryError, match=message):
        resources.realtime(NOTIFICATION)


def test_a_service_that_does_not_answer_is_an_error_in_time(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.clients.realtime._READ_SECONDS", 0.2)
    silent = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)  # takes connections, serves none
    environment = {"APPSYNC_EVENTS_ENDPOINT": f"http://127.0.0.1:{silent.server_port}"}
    resources = TestResources(emulator, Settings.from_environment(environment))
    with pytest.raises(DeliveryError, match="was not reached: ReadTimeoutError"):
        resources.realtime(NOTIFICATION)
    silent.server_close()
    with pytest.raises(DeliveryError, match="was not reached: NewConnectionError"):
        resources.realtime(NOTIFICATION)


@pytest.mark.parametrize("endpoint", ["abc.example.com", "ftp://abc.example.com", "https://"])
def test_an_endpoint_that_is_no_url_is_refused(emulator: Emulator, endpoint: str) -> None:
    resources = TestResources(emulator, Settings.from_environment({"APPSYNC_EVENTS_ENDPOINT": endpoint}))
    with pytest.raises(ConfigurationError, match="APPSYNC_EVENTS_ENDPOINT must be a URL"):
        resources.realtime(NOTIFICATION)


def test_a_region_that_nobody_gives_is_asked_for(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    environment = {"APPSYNC_EVENTS_ENDPOINT": "https://events.example.com"}
    resources = TestResources(emulator, Settings.from_environment(environment))
    with pytest.raises(ConfigurationError, match="set APPSYNC_REGION or AWS_REGION"):
        resources.realtime(NOTIFICATION)
