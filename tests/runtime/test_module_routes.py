from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime import ConfigurationError, CqrsModel, DataSyncHandler
from runtime.entry.http.api import HttpApi
from runtime.entry.http.module_routes import module_routes
from tests.support.http_events import REQUEST_ID, http_event
from tests.support.service import MEMORY, both_stores

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.entry.http.module_bodies import SearchQuery
    from tests.support.service import Service

#: What routes do with requests; tests/e2e sends some through a gateway.
STORES = (MEMORY,)

SEEN: list[str] = []


class Spec(CqrsModel):
    colour: str
    size: int = 1


class Attributes(CqrsModel):
    title: str
    note: str | None = None
    spec: Spec | None = None


class Note(DataSyncHandler):
    def up(self, command: Any) -> None:
        SEEN.append(command.sk)


class Answer:
    def __init__(self, response: dict[str, Any]) -> None:
        self.status = response["statusCode"]
        self.headers = response["headers"]
        self.json = json.loads(response["body"]) if response["body"] else None

    @property
    def field(self) -> str:
        assert self.headers["Content-Type"] == "application/problem+json"
        (error,) = self.json["errors"]
        return str(error["field"])

    @property
    def kind(self) -> str:
        assert self.headers["Content-Type"] == "application/problem+json"
        return str(self.json["type"]).removeprefix("urn:problem-type:cqrs:")


@pytest.fixture
def orders(make_service: Callable[..., Service]) -> Service:
    return make_service(attributes=Attributes)


def caller(service: Service, **options: Any) -> Callable[..., Answer]:
    api = HttpApi([module_routes(service.module, prefix="/orders", type="TODO", **options)])

    def call(
        method: str,
        path: str,
        *,
        tenant: str | None = "acme",
        user: str = "u1",
        roles: Any = None,
        **request: Any,
    ) -> Answer:
        claims = {"sub": user} | ({"custom:tenant": tenant} if tenant else {})
        if roles:
            claims["custom:roles"] = json.dumps(roles)
        return Answer(api.handle(http_event(method, path, claims=claims, **request), None))

    return call


@pytest.fixture
def call(orders: Service) -> Callable[..., Answer]:
    return caller(orders)


def new(sk: str = "A1", version: int | None = 0, title: str = "a", **values: Any) -> dict[str, Any]:
    return {"sk": sk, "version": version, "name": f"Order {sk}", "attributes": {"title": title}, **values}


def state(title: str = "b", **values: Any) -> dict[str, Any]:
    return {"name": "Order", "attributes": {"title": title}, **values}


def test_a_command_is_accepted(call: Any, orders: Service) -> None:
    answer = call("POST", "/orders", body=new(code="C1"))
    assert answer.status == 202
    assert answer.json == {
        "id": "TODO#acme#A1",
        "sk": "A1",
        "code": "C1",
        "version": 1,
        "requestId": REQUEST_ID,
    }
    assert (answer.headers["ETag"], answer.headers["Location"]) == ('"1"', "/orders/A1")
    row = orders.row("command", "A1@1")
    assert row is not None
    assert (row["pk"], row["type"], row["tenantCode"]) == ("TODO#acme", "TODO", "acme")
    assert (row["createdBy"], row["createdIp"], row["requestId"]) == ("u1", "203.0.113.7", REQUEST_ID)
    assert row["source"] == "[todo]:ModuleRoutes.publish"


def test_a_command_is_applied_at_once_where_the_caller_waits(call: Any) -> None:
    created = call("POST", "/orders", body=new(), query={"mode": "sync"})
    assert created.status == 201
    changed = call("POST", "/orders", body=new(version=1, title="b"), query={"mode": "sync"})
    assert (changed.status, changed.headers["ETag"]) == (200, '"2"')
    same = call("POST", "/orders", body=new(version=2, title="b"), query={"mode": "sync"})
    assert (same.status, same.json, same.headers["ETag"]) == (204, None, '"2"')
    assert call("GET", "/orders/A1", user="u2").json["attributes"] == {
        "title": "b",
        "note": None,
        "spec": None,
    }


def test_the_caller_reads_his_own_write_at_once(call: Any) -> None:
    call("POST", "/orders", body=new())
    mine = call("GET", "/orders/A1")
    assert (mine.status, mine.json["version"], mine.headers["ETag"]) == (200, 1, '"1"')
    assert call("GET", "/orders/A1", user="u2").status == 404


def test_a_new_item_gets_a_sort_key_that_sorts_by_time(call: Any) -> None:
    keys = []
    for _ in range(3):
        body = {"version": 0, **state()}
        keys.append(call("POST", "/orders", body=body).json["sk"])
    assert len(set(keys)) == 3
    assert all(len(key) == 26 for key in keys)
    assert [key[:9] for key in keys] == sorted(key[:9] for key in keys)


def test_a_repeated_request_is_done_once(call: Any, orders: Service) -> None:
    body = {"version": 0, **state()}
    answers = [call("POST", "/orders", body=body, headers={"Idempotency-Key": "k1"}) for _ in range(3)]
    assert {(answer.status, answer.json["sk"], answer.json["version"]) for answer in answers} == {
        (202, answers[0].json["sk"], 1)
    }
    other = call("POST", "/orders", body=body, headers={"Idempotency-Key": "k1"}, user="u2")
    assert other.json["sk"] != answers[0].json["sk"]
    assert (
        call("POST", "/orders", body=body, headers={"Idempotency-Key": "k" * 129}).field == "idempotency-key"
    )
    call("POST", "/orders", body=new(), query={"mode": "sync"})
    header = {"Idempotency-Key": "k2", "If-Match": '"1"'}
    gone = [call("DELETE", "/orders/A1", headers=header, query={"mode": "sync"}) for _ in range(2)]
    assert [(answer.status, answer.json["version"]) for answer in gone] == [(200, 2), (200, 2)]
    assert call("DELETE", "/orders/A1", headers={**header, "Idempotency-Key": "k3"}).status == 404
    assert orders.row("command", "A1@3") is None


@pytest.mark.parametrize(
    "sk",
    [
        "A#1",
        "a/b",
        "USER#a@example.com",
        "注文/あ",
        "😀",
        "a b+c",
        "a/history-of/b",
        'quote"back\\slash',
    ],
)
@pytest.mark.parametrize("gateway", [True, False], ids=["decoded by the gateway", "as it was sent"])
def test_a_sort_key_may_be_any_text(call: Any, sk: str, gateway: Any) -> None:
    location = call("POST", "/orders", body=new(sk), query={"mode": "sync"}).headers["Location"]
    # An HTTP API decodes every escape; a function URL none. More of it: tests/security/test_paths.py.
    path = unquote(location) if gateway else location
    answer = call("GET", path, user="u2")
    assert (answer.status, answer.json["sk"]) == (200, sk)
    changed = call("PUT", path, body=state(), headers={"If-Match": '"1"'}, query={"mode": "sync"})
    assert (changed.status, changed.json["sk"]) == (200, sk)
    assert call("GET", f"{path}/history/1").json["sk"] == f"{sk}@1"
    assert [item["version"] for item in call("GET", f"{path}/history").json["items"]] == [1]


@pytest.mark.parametrize(
    "sk",
    [
        "bulk",
        "search",
        "resync",
        "history",
        "a/history",
        "a/history/1",
        "history/1",
        "A@1",
        "100%",
        "a%2Fb",
        "why?",
        "line\nfeed",
        "a/../b",
        "",
    ],
)
def test_a_sort_key_that_no_path_could_reach_is_refused(call: Any, orders: Service, sk: str) -> None:
    answer = call("POST", "/orders", body=new(sk))
    if sk:
        assert (answer.status, answer.field) == (400, "sk")
        assert orders.rows(orders.tables.command) == []
    else:
        assert len(answer.json["sk"]) == 26


@pytest.mark.parametrize("field", ["pk", "tenantCode", "id", "type", "isDeleted"])
def test_the_key_is_not_the_callers_to_choose(call: Any, orders: Service, field: str) -> None:
    answer = call("POST", "/orders", body=new(**{field: "TODO#globex"}))
    assert (answer.status, answer.field) == (400, field)
    assert orders.rows(orders.tables.command) == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"attributes": {}}, "attributes.title"),
        ({"attributes": {"title": "a", "spec": {"colour": 5}}}, "attributes.spec.colour"),
        ({"version": "1"}, "version"),
        ({"version": -2}, "version"),
        ({"version": True}, "version"),
        ({"name": None}, "name"),
        ({"sk": 5}, "sk"),
        ({"sk": "x" * 1100}, "sk"),
        ({"seq": "1"}, "seq"),
    ],
)
def test_a_wrong_field_is_named(call: Any, orders: Service, values: Any, field: str) -> None:
    answer = call("POST", "/orders", body={**new(), **values})
    assert (answer.status, answer.field) == (400, field)
    assert orders.rows(orders.tables.command) == []


def test_what_is_nested_too_deep_is_named(make_service: Any) -> None:
    call = caller(make_service())
    deep: Any = "x"
    for _ in range(400):
        deep = {"a": deep}
    answer = call("POST", "/orders", body=new() | {"attributes": {"title": deep}})
    assert answer.status == 400
    assert answer.field.startswith("attributes.title")


def test_a_body_that_is_too_large_is_refused_unread(call: Any, orders: Service) -> None:
    answer = call("POST", "/orders", body=new(title="x" * 102_400))
    assert (answer.status, answer.kind, answer.field) == (413, "body-too-large", "body")
    assert call("POST", "/orders", body=new("A2", title="x" * 102_000)).status == 202
    assert call("POST", "/orders", raw_body="é" * 60_000).status == 413
    assert call("POST", "/orders", raw_body="A" * 140_000, base64_encoded=True).status == 413
    assert len(orders.rows(orders.tables.command)) == 1


# Conditions


def test_a_write_has_to_say_which_version_it_is_for(call: Any, orders: Service) -> None:
    call("POST", "/orders", body=new(), query={"mode": "sync"})
    for method, path, body in [
        ("POST", "/orders", {"body": new(version=None)}),
        ("PUT", "/orders/A1", {"body": state()}),
        ("PATCH", "/orders/A1", {"body": {"name": "x"}}),
        ("DELETE", "/orders/A1", {}),
    ]:
        answer = call(method, path, **body)
        assert (answer.status, answer.kind) == (428, "precondition-required")
    assert orders.row("command", "A1@2") is None


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_if_match_is_the_version(call: Any, mode: str) -> None:
    query = {"mode": mode}
    etag = call("POST", "/orders", body=new(), query=query).headers["ETag"]
    put = call("PUT", "/orders/A1", body=state(), headers={"If-Match": etag}, query=query)
    assert put.headers["ETag"] == '"2"'
    patch = call("PATCH", "/orders/A1", body={"name": "x"}, headers={"If-Match": '"2"'}, query=query)
    assert patch.headers["ETag"] == '"3"'
    gone = call("DELETE", "/orders/A1", headers={"If-Match": '"3"'}, query=query)
    assert gone.headers["ETag"] == '"4"'
    assert call("GET", "/orders/A1").status == 404
    back = call("PUT", "/orders/A1", body=state(), headers={"If-Match": '"4"'}, query=query)
    assert back.headers["ETag"] == '"5"'
    assert call("GET", "/orders/A1").status == 200


@pytest.mark.parametrize("tag", ['"1"', '"7"', 'W/"2"', '"x"'])
@pytest.mark.parametrize(
    ("method", "request_"),
    [("PUT", {"body": state("z")}), ("PATCH", {"body": {"name": "z"}}), ("DELETE", {})],
)
def test_another_version_fails_the_condition(
    call: Any, orders: Service, method: str, request_: Any, tag: str
) -> None:
    call("POST", "/orders", body=new(), query={"mode": "sync"})
    call("POST", "/orders", body=new(version=1, title="b"), query={"mode": "sync"})
    answer = call(method, "/orders/A1", headers={"If-Match": tag}, **request_)
    assert (answer.status, answer.kind) == (412, "precondition-failed")
    assert orders.row("command", "A1@3") is None


def test_without_a_condition_a_conflict_stays_one(call: Any) -> None:
    call("POST", "/orders", body=new(), query={"mode": "sync"})
    call("POST", "/orders", body=new(version=1, title="b"), query={"mode": "sync"})
    assert call("POST", "/orders", body=new()).status == 409
    assert call("PATCH", "/orders/A1", body={"version": 1, "name": "x"}).status == 409
    assert call("DELETE", "/orders/A1", query={"version": "1"}).status == 409
    assert call("PUT", "/orders/A1", body=state(version=9)).kind == "invalid-version"


def test_if_none_match_creates(call: Any) -> None:
    header = {"If-None-Match": "*"}
    assert call("PUT", "/orders/A1", body=state(), headers=header, query={"mode": "sync"}).status == 201
    assert call("PUT", "/orders/A1", body=state(), headers=header).status == 412
    assert call("POST", "/orders", body=new(version=None), headers=header).status == 412
    assert call("POST", "/orders", body=new("A2", version=None), headers=header).status == 202
    assert call("PATCH", "/orders/A1", body={"name": "x"}, headers=header).status == 412


def test_if_match_any_takes_what_there_is(call: Any) -> None:
    header = {"If-Match": "*"}
    assert call("PUT", "/orders/A1", body=state(), headers=header).status == 412
    assert call("PATCH", "/orders/A1", body={"name": "x"}, headers=header).status == 404
    call("POST", "/orders", body=new(), query={"mode": "sync"})
    assert call("PATCH", "/orders/A1", body={"name": "x"}, headers=header).headers["ETag"] == '"2"'


@pytest.mark.parametrize(
    ("headers", "version", "field"),
    [
        ({"If-Match": "1"}, None, "if-match"),
        ({"If-Match": '"1", "2"'}, None, "if-match"),
        ({"If-Match": '"1"'}, 2, "version"),
        ({"If-None-Match": '"1"'}, None, "if-none-match"),
        ({"If-Match": "*", "If-None-Match": "*"}, None, "if-none-match"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(
    call: Any, headers: Any, version: Any, field: str
) -> None:
    call("POST", "/orders", body=new(), query={"mode": "sync"})
    answer = call("PUT", "/orders/A1", body=state(version=version), headers=headers)
    assert (answer.status, answer.field) == (400, field)


def test_what_the_caller_has_is_not_sent_again(call: Any) -> None:
    call("POST", "/orders", body=new(), query={"mode": "sync"})
    for tag in ('"1"', 'W/"1"', '"9", "1"', "*"):
        answer = call("GET", "/orders/A1", headers={"If-None-Match": tag})
        assert (answer.status, answer.json, answer.headers["ETag"]) == (304, None, '"1"')
    assert call("GET", "/orders/A1", headers={"If-None-Match": '"2"'}).status == 200
    assert call("GET", "/orders/A1", headers={"If-None-Match": "1"}).field == "if-none-match"


# Changes of some fields


def test_a_patch_changes_some_fields(call: Any) -> None:
    first = new(attributes={"title": "a", "note": "n", "spec": {"colour": "red", "size": 2}})
    call("POST", "/orders", body=first, query={"mode": "sync"})
    change = {"version": 1, "attributes": {"note": None, "spec": {"colour": "blue"}}}
    assert call("PATCH", "/orders/A1", body=change, query={"mode": "sync"}).status == 200
    item = call("GET", "/orders/A1").json
    assert item["attributes"] == {"title": "a", "note": None, "spec": {"colour": "blue", "size": 2}}
    assert item["name"] == "Order A1"


def test_a_merge_patch_takes_keys_away(make_service: Any) -> None:
    service = make_service()
    call = caller(service)
    call("POST", "/orders", body=new(attributes={"a": 1, "b": {"c": 2, "d": 3}}), query={"mode": "sync"})
    merge = {"content-type": "application/merge-patch+json", "If-Match": '"1"'}
    change = {"attributes": {"a": None, "b": {"c": None}}}
    call("PATCH", "/orders/A1", body=change, headers=merge, query={"mode": "sync"})
    assert call("GET", "/orders/A1").json["attributes"] == {"b": {"d": 3}}


def test_a_patch_that_makes_the_item_invalid_is_refused(call: Any, orders: Service) -> None:
    call("POST", "/orders", body=new(), query={"mode": "sync"})
    answer = call("PATCH", "/orders/A1", body={"version": 1, "attributes": {"title": 5}})
    assert (answer.status, answer.field) == (400, "attributes.title")
    assert call("PATCH", "/orders/A1", body={"version": 1, "pk": "TODO#b"}).field == "pk"
    assert orders.row("command", "A1@2") is None


def test_what_is_not_there_cannot_change(call: Any) -> None:
    assert call("PATCH", "/orders/A1", body={"version": 1, "name": "x"}).status == 404
    assert call("DELETE", "/orders/A1", headers={"If-Match": '"1"'}).status == 404
    call("POST", "/orders", body=new(), query={"mode": "sync"})
    call("DELETE", "/orders/A1", headers={"If-Match": '"1"'}, query={"mode": "sync"})
    assert call("PATCH", "/orders/A1", body={"version": 2, "name": "x"}).status == 404
    assert call("DELETE", "/orders/A1", headers={"If-Match": '"2"'}).status == 404


# Lists and history


def test_a_list_has_pages(call: Any) -> None:
    for sk in ("A1", "A2", "B1", "B2"):
        call("POST", "/orders", body=new(sk), query={"mode": "sync"})
    call("DELETE", "/orders/A2", headers={"If-Match": '"1"'}, query={"mode": "sync"})

    def keys(**query: str) -> list[str]:
        return [item["sk"] for item in call("GET", "/orders", query=query).json["items"]]

    assert keys() == ["A1", "B1", "B2"]
    assert keys(includeDeleted="true") == ["A1", "A2", "B1", "B2"]
    assert keys(skPrefix="B", order="desc") == ["B2", "B1"]
    page = call("GET", "/orders", query={"limit": "3"}).json
    assert page["lastSk"] == "B1"
    assert keys(limit="3", startFromSk=page["lastSk"]) == ["B2"]
    assert call("GET", "/orders", tenant="globex").json == {"items": []}


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/orders", "limit", "0"),
        ("/orders", "limit", "101"),
        ("/orders", "order", "up"),
        ("/orders", "skPrefix", ""),
        ("/orders", "startFromSk", "x" * 1025),
        ("/orders", "includeDeleted", "perhaps"),
        ("/orders/A1", "asOf", "yesterday"),
        ("/orders/A1", "asOf", "2026-01-01T00:00:00"),
        ("/orders/A1/history", "limit", "101"),
        ("/orders/search", "page", "0"),
        ("/orders/search", "pageSize", "101"),
        ("/orders/search", "keyword", "x" * 257),
    ],
)
def test_a_query_parameter_out_of_range_is_named(orders: Service, path: str, name: str, value: str) -> None:
    answer = caller(orders, search=lambda _query: None)("GET", path, query={name: value})
    assert (answer.status, answer.field) == (400, name)


def test_earlier_states_can_be_read(call: Any) -> None:
    for version in range(4):
        call("POST", "/orders", body=new(version=version, title=f"t{version}"), query={"mode": "sync"})
        time.sleep(0.002)  # each state has a millisecond of its own
    page = call("GET", "/orders/A1/history", query={"limit": "2"}).json
    assert ([item["version"] for item in page["items"]], page["lastVersion"]) == ([1, 2], 2)
    rest = call("GET", "/orders/A1/history", query={"startFromVersion": "2"}).json
    assert ([item["version"] for item in rest["items"]], "lastVersion" in rest) == ([3], False)
    second = call("GET", "/orders/A1/history/2")
    assert (second.json["attributes"]["title"], second.headers["ETag"]) == ("t1", '"2"')
    assert call("GET", "/orders/A1/history/4").json["attributes"]["title"] == "t3"
    assert call("GET", "/orders/A1/history/5").status == 404
    assert call("GET", "/orders/A1/history/x").field == "version"
    at = second.json["updatedAt"].replace("+00:00", "Z")
    assert call("GET", "/orders/A1", query={"asOf": at}).json["version"] == 2
    assert call("GET", "/orders/A1", query={"asOf": "2020-01-01T00:00:00Z"}).status == 404


def test_a_search_is_handed_over(orders: Service) -> None:
    queries: list[SearchQuery] = []

    def search(query: SearchQuery) -> dict[str, Any]:
        queries.append(query)
        return {"items": [{"id": "1"}], "total": 7}

    call = caller(orders, search=search)
    query = {"keyword": "milk", "page": "2", "pageSize": "5", "orderBys": "-name,code"}
    assert call("GET", "/orders/search", query=query).json == {
        "items": [{"id": "1"}],
        "total": 7,
        "page": 2,
        "pageSize": 5,
    }
    (asked,) = queries
    assert (asked.tenant_code, asked.pk, asked.keyword) == ("acme", "TODO#acme", "milk")
    assert (asked.page, asked.page_size, asked.order_bys) == (2, 5, ("-name", "code"))
    assert caller(orders)("GET", "/orders/search").status == 404  # no search: a sort key like any other


# Many at once


def test_a_bulk_request_reports_each_command(call: Any, orders: Service) -> None:
    call("POST", "/orders", body=new("B"), query={"mode": "sync"})
    body = [
        new("A"),
        new("B"),
        {"sk": "C", "version": 0},
        "nonsense",
        new("D", attributes={"title": 5}),
        new("A", version=1, title="again"),
        new("B", version=1),
        new("E", version=None),
        new("F", pk="TODO#globex"),
        {"version": 0, **state()},
    ]
    answer = call("POST", "/orders/bulk", body=body)
    assert answer.status == 207
    items = answer.json["items"]
    assert [item["index"] for item in items] == list(range(10))
    assert [item["status"] for item in items] == [202, 409, 400, 400, 400, 202, 204, 428, 400, 202]
    assert [item.get("version") for item in items] == [1, None, None, None, None, 2, 1, None, None, 1]
    assert items[0] == {"index": 0, "status": 202, "sk": "A", "version": 1, "requestId": REQUEST_ID}
    assert items[1]["problem"]["type"] == "urn:problem-type:cqrs:version-conflict"
    fields = [[error["field"] for error in item.get("problem", {}).get("errors", [])] for item in items]
    assert fields[2] == ["name", "attributes"]
    assert fields[3] == ["body"]
    assert fields[4] == ["attributes.title"]
    assert fields[8] == ["pk"]
    stored = {row["sk"] for row in orders.rows(orders.tables.command)}
    assert stored == {"A@1", "A@2", "B@1", f"{items[9]['sk']}@1"}
    assert {row["createdBy"] for row in orders.rows(orders.tables.command)} == {"u1"}


@both_stores
def test_a_bulk_request_may_be_applied_at_once_and_repeated(call: Any, orders: Service) -> None:
    body = [new(f"A{n}") for n in range(5)] + [new("A0", version=1, title="b"), {"version": 0, **state()}]
    once, again = (
        call("POST", "/orders/bulk", body=body, query={"mode": "sync"}, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    )
    assert [item["status"] for item in once.json["items"]] == [201, 201, 201, 201, 201, 200, 201]
    assert [item["version"] for item in again.json["items"]] == [1, 1, 1, 1, 1, 2, 1]
    assert len(orders.rows(orders.tables.data)) == 6


def test_a_bulk_request_is_applied_in_few_calls_each_for_itself(call: Any, orders: Service) -> None:
    call("POST", "/orders", body=new("B"), query={"mode": "sync"})
    body = [
        *[new(f"A{number:02}") for number in range(48)],
        new("B"),
        "nonsense",
        new("A00", version=1, title="again"),
        new("B", version=1),
        new("E", version=None),
    ]
    orders.steps.clear()
    answer = call("POST", "/orders/bulk", body=body, query={"mode": "sync"})
    items = answer.json["items"]
    assert [item["index"] for item in items] == list(range(53))
    assert [item["status"] for item in items] == [*[201] * 48, 409, 400, 200, 204, 428]
    assert [item.get("version") for item in items[48:]] == [None, None, 2, 1, None]
    # One transaction for what is new; B alone, which is a conflict; and what comes second of an item.
    assert orders.steps.names() == [
        f"store:{name}" for name in ("batch_get", "write", "batch_get", "batch_get", "write")
    ]
    assert items[0] == {"index": 0, "status": 201, "sk": "A00", "version": 1, "requestId": REQUEST_ID}


def test_a_bulk_request_is_worked_at_by_eight_threads_and_no_more(call: Any, orders: Service) -> None:
    all_are_there, threads = threading.Barrier(8, timeout=10), set()

    def meet(_call: Any) -> None:
        if threading.get_ident() not in threads:
            threads.add(threading.get_ident())
            all_are_there.wait()

    orders.steps.before = meet
    answer = call("POST", "/orders/bulk", body=[new(f"A{number}") for number in range(24)])
    assert {item["status"] for item in answer.json["items"]} == {202}
    assert len(threads) == 8


@pytest.mark.parametrize("body", [[], [{}] * 6, {}, "x"])
def test_a_bulk_request_has_bounds(orders: Service, body: Any) -> None:
    answer = caller(orders, bulk_limit=5)("POST", "/orders/bulk", body=body)
    assert (answer.status, answer.field) == (400, "body")


def test_a_resync_feeds_the_handlers_again_in_slices(make_service: Any) -> None:
    service = make_service(attributes=Attributes, handlers=[Note])
    call = caller(service)
    for sk in ("A1", "A2"):
        call("POST", "/orders", body=new(sk), query={"mode": "sync"})
    SEEN.clear()
    admin = {"roles": [{"tenant": "", "role": "system_admin"}]}
    answer = call("PUT", "/orders/resync", body={}, **admin)
    assert (answer.status, answer.json) == (200, {"rows": 2})
    assert sorted(SEEN) == ["A1@1", "A2@1"]
    assert call("PUT", "/orders/resync", body={"handlers": ["Other"]}, **admin).field == "handlers"
    assert call("PUT", "/orders/resync", body={"pages": 0}, **admin).field == "pages"
    assert call("PUT", "/orders/resync", body={"resumeFrom": "x"}, **admin).status == 400
    SEEN.clear()
    own = {"roles": [{"tenant": "acme", "role": "system_admin"}]}
    assert call("PUT", "/orders/resync", body={}, **own).status == 403
    assert call("PUT", "/orders/resync", body={}).status == 403
    assert SEEN == []


# Taking them apart


def test_routes_can_be_left_out(orders: Service) -> None:
    reads = caller(orders, only=("get", "list"))
    assert reads("GET", "/orders").status == 200
    assert reads("POST", "/orders", body=new()).status == 405
    most = caller(orders, without=("delete",))
    assert most("DELETE", "/orders/A1", headers={"If-Match": "*"}).status == 405
    assert most("POST", "/orders", body=new()).status == 202


def test_a_router_of_ones_own_comes_first(orders: Service) -> None:
    mine = Router()

    @mine.get("/orders/<sk>")
    def get(sk: str) -> dict[str, str]:
        return {"mine": sk}

    api = HttpApi([mine, module_routes(orders.module, prefix="/orders", type="TODO")])

    def ask(path: str) -> Any:
        return Answer(api.handle(http_event("GET", path, claims={"sub": "u", "custom:tenant": "acme"}), None))

    assert ask("/orders/A/1").json == {"mine": "A/1"}
    assert ask("/orders/A1/history").json == {"items": []}
    assert ask("/orders").json == {"items": []}


@pytest.mark.parametrize(
    "options",
    [
        {"prefix": "orders"},
        {"prefix": "/orders/"},
        {"type": ""},
        {"only": ["read"]},
        {"without": "get"},
        {"bulk_limit": 0},
        {"search": "nowhere"},
        {"search": lambda: None},
    ],
)
def test_what_cannot_work_is_refused_at_the_start(orders: Service, options: Any) -> None:
    arguments = {"prefix": "/orders", "type": "TODO"} | options
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        module_routes(orders.module, **arguments)
