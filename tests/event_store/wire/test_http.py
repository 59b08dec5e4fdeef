"""What requests cost on DynamoDB, and that they do there what they do in memory."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from runtime import Settings
from runtime.entry.http.api import HttpApi
from runtime.entry.http.event_routes import event_routes
from runtime.event_store.domain import create_domain
from tests.event_store.test_event_routes import Answer, commands_of, user
from tests.event_store.wire.metered import Metered
from tests.support.http_events import http_event

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

PUT, QUERY, GET, TRANSACT = "PutItem", "Query", "GetItem", "TransactWriteItems"


class Client:
    """Sends requests about an aggregate that nobody else knows, and tells what they cost."""

    def __init__(self, meter: Metered) -> None:
        self._meter = meter
        self.path = f"/users/{uuid.uuid4().hex}"
        commands = commands_of(create_domain(meter.provider, user))
        self._api = HttpApi([event_routes(commands, prefix="/users", events=True)], settings=Settings())

    def __call__(self, method: str, rest: str = "", **request: Any) -> tuple[Answer, list[str]]:
        self._meter.clear()
        claims = {"sub": "u1", "custom:tenant": "acme"}
        answer = Answer(
            self._api.handle(http_event(method, f"{self.path}{rest}", claims=claims, **request), None)
        )
        return answer, self._meter.cost.calls


@pytest.fixture
def client(emulator: Emulator, event_tables: tuple[str, str]) -> Client:
    return Client(Metered(emulator, event_tables))


def test_a_command_is_two_calls_and_a_read_is_one(client: Client) -> None:
    created, calls = client("POST", "/create-user", body={"name": "Ann"})
    assert (created.status, created.json["version"], calls) == (200, 1, [QUERY, PUT])
    changed, calls = client("POST", "/disable-user", headers={"if-match": '"1"'})
    assert (changed.status, changed.json["version"], calls) == (200, 2, [QUERY, PUT])
    found, calls = client("GET")
    assert (found.json["state"]["is_enabled"], found.headers["ETag"], calls) == (False, '"2"', [QUERY])
    same, calls = client("GET", headers={"if-none-match": '"2"'})
    assert (same.status, calls) == (304, [QUERY])
    page, calls = client("GET", "/events", query={"limit": "1"})
    assert [one["type"] for one in page.json["items"]] == ["created"]
    assert calls == [QUERY, QUERY]  # more follows, so that it is not known yet whether it was erased
    page, calls = client("GET", "/events")
    assert ([one["type"] for one in page.json["items"]], calls) == (["created", "disabled"], [QUERY])


def test_a_command_with_a_key_is_a_transaction_and_a_repeat_writes_nothing(client: Client) -> None:
    once = {"body": {"name": "Ann"}, "headers": {"idempotency-key": "k-1"}}
    first, calls = client("POST", "/create-user", **once)
    assert (first.json["version"], calls) == (1, [QUERY, TRANSACT])
    again, calls = client("POST", "/create-user", **once)
    assert (again.json["version"], calls) == (1, [QUERY, GET])
    other, _ = client("POST", "/create-user", **{**once, "body": {"name": "Bob"}})
    assert (other.status, other.kind) == (422, "command-id-reused")


def test_what_is_refused_writes_nothing(client: Client) -> None:
    client("POST", "/create-user", body={"name": "Ann"})
    for request, status, expected in (
        ({"body": {"name": "Ann"}}, 422, [QUERY]),
        ({"body": {"name": ""}}, 400, []),
        ({"body": {"name": "Ann"}, "headers": {"if-none-match": "*"}}, 412, [QUERY, QUERY]),
        ({"body": {"name": "Ann"}, "headers": {"if-match": '"9"'}}, 412, [QUERY]),
        ({"body": {"name": "Ann"}, "headers": {"x-tenant-code": "beta"}}, 403, []),
    ):
        answer, calls = client("POST", "/create-user", **request)
        assert (answer.status, calls) == (status, expected), request
    assert client("GET")[0].json["version"] == 1
