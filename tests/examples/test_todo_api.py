from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from main import app
from runtime.store.codec import from_wire
from tests.examples import CODE
from tests.support.http_events import REQUEST_ID, http_event
from todo.database import TodoRow, engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.local import Emulator


class Answer:
    def __init__(self, response: dict[str, Any]) -> None:
        self.status = response["statusCode"]
        self.headers = response["headers"]
        self.json = json.loads(response["body"]) if response["body"] else None

    @property
    def field(self) -> str:
        """The one field that is wrong."""
        assert self.headers["Content-Type"] == "application/problem+json"
        (error,) = self.json["errors"]
        return str(error["field"])


pytestmark = pytest.mark.usefixtures("deployed")


@pytest.fixture
def call(tenant: str) -> Callable[..., Answer]:
    def send(method: str, path: str, *, user: str = "u1", claims: Any = None, **request: Any) -> Answer:
        mine = {"sub": user, "custom:tenant": tenant}
        return Answer(
            app(http_event(method, path, claims=mine if claims is None else claims, **request), None)
        )

    return send


@pytest.fixture
def rows(emulator: Emulator, deployed: str, tenant: str) -> Callable[[str], list[dict[str, Any]]]:
    """The tenant's rows of a table, in the order of their keys."""

    def read(table: str) -> list[dict[str, Any]]:
        found = emulator.client("dynamodb").query(
            TableName=f"{deployed}-todo-{table}",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"TODO#{tenant}"}},
            ConsistentRead=True,
        )
        return [from_wire(item) for item in found["Items"]]

    return read


def new(title: str = "Buy milk", **attributes: Any) -> dict[str, Any]:
    return {"code": "A1", "attributes": {"title": title, **attributes}}


def changed(version: int, title: str = "Buy oat milk", **attributes: Any) -> dict[str, Any]:
    return {"version": version, "attributes": {"title": title, **attributes}}


def test_a_new_todo_is_accepted(call: Any, rows: Any, tenant: str) -> None:
    answer = call("POST", "/todos", body=new(dueDate="2026-12-24", priority="high"))
    assert answer.status == 202
    assert answer.headers["Location"] == "/todos/A1"
    assert answer.json == {
        "id": f"TODO#{tenant}#A1",
        "code": "A1",
        "version": 1,
        "requestId": REQUEST_ID,
    }
    (row,) = rows("command")
    assert row["sk"] == "A1@1"
    assert row["name"] == "Buy milk"
    assert row["createdBy"] == "u1"
    assert row["source"] == "[todo]:TodoService.create"
    assert row["attributes"] == {
        "title": "Buy milk",
        "done": False,
        "dueDate": "2026-12-24",
        "priority": "high",
    }
    assert rows("data") == []


def test_a_todo_without_a_code_gets_a_ulid(call: Any) -> None:
    codes = [call("POST", "/todos", body={"attributes": {"title": "a"}}).json["code"] for _ in range(3)]
    assert all(len(code) == 26 for code in codes)
    assert len(set(codes)) == 3


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("body", [new(), {"attributes": {"title": "Buy milk"}}], ids=["code", "no code"])
def test_a_request_that_is_sent_again_publishes_once(call: Any, rows: Any, body: Any, mode: str) -> None:
    request = {"body": body, "query": {"mode": mode}, "headers": {"Idempotency-Key": "k1"}}
    first, again = call("POST", "/todos", **request), call("POST", "/todos", **request)
    assert (again.status, again.json) == (first.status, first.json)
    assert len([row for row in rows("command") if "@" in row["sk"]]) == 1
    change = {"body": changed(1), "query": {"mode": mode}, "headers": {"Idempotency-Key": "k2"}}
    path = first.headers["Location"]
    assert call("PUT", path, **change).json == call("PUT", path, **change).json
    assert len([row for row in rows("command") if "@" in row["sk"]]) == 2


def test_a_key_is_the_users_own(call: Any) -> None:
    headers = {"Idempotency-Key": "k1"}
    codes = {
        call("POST", "/todos", user=user, body={"attributes": {"title": "a"}}, headers=headers).json["code"]
        for user in ("u1", "u2")
    }
    assert len(codes) == 2


def test_a_user_sees_his_own_todo_before_it_is_applied(call: Any) -> None:
    call("POST", "/todos", body=new())
    own = call("GET", "/todos/A1")
    assert own.status == 200
    assert own.json["version"] == 1
    assert own.json["attributes"] == {
        "title": "Buy milk",
        "done": False,
        "dueDate": None,
        "priority": "normal",
    }
    assert call("GET", "/todos/A1", user="u2").status == 404


def test_a_synchronous_command_is_applied_before_the_answer(call: Any, rows: Any) -> None:
    created = call("POST", "/todos", body=new(), query={"mode": "sync"})
    assert created.status == 201
    updated = call("PUT", "/todos/A1", body=changed(1), query={"mode": "sync"})
    assert (updated.status, updated.json["version"]) == (200, 2)
    (data,) = rows("data")
    assert (data["sk"], data["version"], data["name"]) == ("A1", 2, "Buy oat milk")
    assert [row["sk"] for row in rows("history")] == ["A1@1"]
    assert {row["syncMode"] for row in rows("command")} == {"SYNC"}


def test_a_synchronous_command_is_in_sql_before_the_answer(call: Any, tenant: str) -> None:
    call("POST", "/todos", body=new(dueDate="2026-12-24"), query={"mode": "sync"})
    call("DELETE", "/todos/A1", query={"version": "1", "mode": "sync"})
    with engine().connect() as connection:
        table = TodoRow.__table__
        (row,) = connection.execute(select(table).where(table.c.tenant_code == tenant))
    assert (row.version, row.title, str(row.due_date), row.is_deleted) == (2, "Buy milk", "2026-12-24", True)


def test_nothing_to_change_is_no_content(call: Any, rows: Any) -> None:
    call("POST", "/todos", body=new())
    answer = call("PUT", "/todos/A1", body=changed(1, "Buy milk"))
    assert (answer.status, answer.json) == (204, None)
    assert len(rows("command")) == 1


def test_a_deleted_todo_is_gone_but_its_rows_stay(call: Any, rows: Any) -> None:
    call("POST", "/todos", body=new(), query={"mode": "sync"})
    answer = call("DELETE", "/todos/A1", query={"version": "1", "mode": "sync"})
    assert (answer.status, answer.json["version"]) == (200, 2)
    (row,) = rows("data")
    assert row["isDeleted"] is True
    assert row["attributes"]["title"] == "Buy milk"
    assert call("GET", "/todos/A1").status == 404
    assert call("GET", "/todos").json == {"items": []}
    assert call("DELETE", "/todos/A1", query={"version": "2"}).status == 404


def test_a_deletion_may_be_asynchronous(call: Any) -> None:
    call("POST", "/todos", body=new())
    answer = call("DELETE", "/todos/A1", query={"version": "1"})
    assert (answer.status, answer.json["version"]) == (202, 2)
    assert call("GET", "/todos/A1").status == 404


def test_todos_are_listed_page_by_page(call: Any) -> None:
    for code in "ABCDE":
        call("POST", "/todos", body=new() | {"code": code}, query={"mode": "sync"})
    codes, query = [], {"limit": "2"}
    while True:
        page = call("GET", "/todos", query=query).json
        assert len(page["items"]) <= 2
        codes += [item["code"] for item in page["items"]]
        if "lastSk" not in page:
            break
        query = {"limit": "2", "startFromSk": page["lastSk"]}
    assert codes == list("ABCDE")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"attributes": {}}, "attributes.title"),
        ({"attributes": {"title": ""}}, "attributes.title"),
        ({"attributes": {"title": "   "}}, "attributes.title"),
        ({"attributes": {"title": "x" * 201}}, "attributes.title"),
        ({"attributes": {"title": "a\u0000b"}}, "attributes.title"),
        ({"attributes": {"title": 5}}, "attributes.title"),
        ({"attributes": {"title": "a", "done": "yes"}}, "attributes.done"),
        ({"attributes": {"title": "a", "dueDate": "tomorrow"}}, "attributes.dueDate"),
        ({"attributes": {"title": "a", "priority": "urgent"}}, "attributes.priority"),
        ({"code": "a b", "attributes": {"title": "a"}}, "code"),
        ({"code": "A1@2", "attributes": {"title": "a"}}, "code"),
        ({"title": "a", "attributes": {"title": "a"}}, "title"),
        ({}, "attributes"),
    ],
)
def test_a_wrong_field_of_a_new_todo_is_named(call: Any, rows: Any, body: Any, field: str) -> None:
    answer = call("POST", "/todos", body=body)
    assert answer.status == 400
    assert answer.field == field
    assert rows("command") == []


@pytest.mark.parametrize("version", ["1", 1.5, None, 0, -1, True])
def test_a_version_is_a_whole_number(call: Any, rows: Any, version: Any) -> None:
    call("POST", "/todos", body=new())
    answer = call("PUT", "/todos/A1", body={"version": version, "attributes": {"title": "a"}})
    assert (answer.status, answer.field) == (400, "version")
    assert len(rows("command")) == 1


@pytest.mark.parametrize("query", [{}, {"version": "one"}, {"version": "0"}])
def test_a_deletion_needs_the_version(call: Any, query: dict[str, str]) -> None:
    answer = call("DELETE", "/todos/A1", query=query)
    assert (answer.status, answer.field) == (400, "version")


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "101"}, {"limit": "all"}])
def test_a_page_has_bounds(call: Any, query: dict[str, str]) -> None:
    answer = call("GET", "/todos", query=query)
    assert (answer.status, answer.field) == (400, "limit")


def test_a_mode_is_one_of_two(call: Any) -> None:
    answer = call("POST", "/todos", body=new(), query={"mode": "soon"})
    assert (answer.status, answer.field) == (400, "mode")


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_version_that_was_overtaken_is_a_conflict(call: Any, rows: Any, mode: str) -> None:
    call("POST", "/todos", body=new(), query={"mode": mode})
    call("PUT", "/todos/A1", body=changed(1), query={"mode": mode})
    before = rows("command")
    assert call("POST", "/todos", body=new(), query={"mode": mode}).status == 409
    assert call("PUT", "/todos/A1", body=changed(1, "late"), query={"mode": mode}).status == 409
    answer = call("DELETE", "/todos/A1", query={"version": "1", "mode": mode})
    assert answer.status == 409
    assert answer.json["type"] == "urn:problem-type:cqrs:version-conflict"
    assert rows("command") == before


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("GET", {}),
        ("PUT", {"body": changed(1)}),
        ("DELETE", {"query": {"version": "1"}}),
    ],
)
def test_an_unknown_todo_is_not_found(call: Any, rows: Any, method: str, request_: Any) -> None:
    answer = call(method, "/todos/none", **request_)
    assert answer.status == 404
    assert answer.json["type"] == "urn:problem-type:cqrs:not-found"
    assert rows("command") == []


def test_a_version_that_does_not_exist_is_a_bad_request(call: Any) -> None:
    call("POST", "/todos", body=new())
    answer = call("PUT", "/todos/A1", body=changed(7))
    assert answer.status == 400
    assert answer.json["type"] == "urn:problem-type:cqrs:invalid-version"


def test_another_tenant_sees_nothing(call: Any) -> None:
    call("POST", "/todos", body=new(), query={"mode": "sync"})
    stranger = {"sub": "u9", "custom:tenant": f"other-{uuid.uuid4().hex}"}
    assert call("GET", "/todos/A1", claims=stranger).status == 404
    assert call("GET", "/todos", claims=stranger).json == {"items": []}


@pytest.mark.parametrize(
    "request_", [{}, {"headers": {"x-tenant-code": "acme"}}], ids=["no tenant", "a tenant of the header"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_tenant_has_to_be_in_the_token(call: Any, method: str, request_: Any) -> None:
    body = {"body": new()} if method == "POST" else {}
    answer = call(method, "/todos", claims={"sub": "u1"}, **body, **request_)
    assert answer.status == 403
    assert answer.json["type"] == "urn:problem-type:cqrs:forbidden"


def test_a_function_that_serves_http_only_leaves_sql_out() -> None:
    code = """
import sys
from main import app
from tests.support.http_events import http_event
assert app(http_event("GET", "/todos", claims={"custom:tenant": "a"}), None)["statusCode"] == 200
print("sqlalchemy" in sys.modules, "psycopg" in sys.modules)
"""
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), str(CODE)])
    environment = {**os.environ, "PYTHONPATH": path, "CQRS_FUNCTION": "api"}
    done = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["False", "False"], done.stderr
