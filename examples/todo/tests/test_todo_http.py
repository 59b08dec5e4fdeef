"""What each request is answered, and what it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from runtime.testing import Answer, Client, MemoryApp

pytestmark = pytest.mark.usefixtures("memory")

SYNC = {"mode": "sync"}


def new(title: str = "Buy milk", **attributes: Any) -> dict[str, Any]:
    """Body of a request to make a todo."""
    return {"code": "A1", "attributes": {"title": title, **attributes}}


def changed(version: int, title: str = "Buy oat milk", **attributes: Any) -> dict[str, Any]:
    """Body of a request to change a todo."""
    return {"version": version, "attributes": {"title": title, **attributes}}


def field_of(answer: Answer) -> str:
    """The one field that is wrong."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    return str(error["field"])


def problem_of(answer: Answer) -> str:
    """What kind of problem it is."""
    return str(answer.json()["type"]).removeprefix("urn:problem-type:cqrs:")


def test_a_new_todo_is_a_command(memory: MemoryApp, ann: Client) -> None:
    ann.post("/todos", new(dueDate="2026-12-24", priority="high"))
    (row,) = memory.rows("todo", "command")
    assert (row["sk"], row["name"], row["createdBy"]) == ("A1@1", "Buy milk", "ann")
    assert row["source"] == "[todo]:TodoService.create"
    assert row["attributes"] == {
        "title": "Buy milk",
        "done": False,
        "dueDate": "2026-12-24",
        "priority": "high",
    }
    assert memory.rows("todo", "data") == []


def test_a_todo_without_a_code_gets_a_ulid(ann: Client) -> None:
    codes = {ann.post("/todos", {"attributes": {"title": "a"}}).json()["code"] for _ in range(3)}
    assert [len(code) for code in codes] == [26, 26, 26]


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("body", [new(), {"attributes": {"title": "Buy milk"}}], ids=["code", "no code"])
def test_a_request_that_is_sent_again_publishes_once(
    memory: MemoryApp, ann: Client, body: Any, mode: str
) -> None:
    def twice(method: str, path: str, body: Any, key: str) -> tuple[Answer, Answer]:
        first, again = (
            ann.request(method, path, body, params={"mode": mode}, headers={"Idempotency-Key": key})
            for _ in range(2)
        )
        return first, again

    first, again = twice("POST", "/todos", body, "k1")
    assert (again.status, again.json()["version"]) == (first.status, first.json()["version"])
    assert len(memory.rows("todo", "command")) == 1
    first, again = twice("PUT", first.headers["Location"], changed(1), "k2")
    assert again.json()["version"] == first.json()["version"] == 2
    assert len(memory.rows("todo", "command")) == 2


def test_a_key_is_the_users_own(ann: Client, bob: Client) -> None:
    request: Any = {"json": {"attributes": {"title": "a"}}, "headers": {"Idempotency-Key": "k1"}}
    codes = {client.post("/todos", **request).json()["code"] for client in (ann, bob)}
    assert len(codes) == 2


def test_a_synchronous_command_is_applied_before_the_answer(memory: MemoryApp, ann: Client) -> None:
    created = ann.post("/todos", new(), params=SYNC)
    updated = ann.put("/todos/A1", changed(1), params=SYNC)
    assert (created.status, updated.status, updated.json()["version"]) == (201, 200, 2)
    (data,) = memory.rows("todo", "data")
    assert (data["sk"], data["version"], data["name"]) == ("A1", 2, "Buy oat milk")
    assert [row["sk"] for row in memory.rows("todo", "history")] == ["A1@1"]
    assert {row["syncMode"] for row in memory.rows("todo", "command")} == {"SYNC"}


def test_a_deletion_keeps_the_rows(memory: MemoryApp, ann: Client) -> None:
    ann.post("/todos", new(), params=SYNC)
    answer = ann.delete("/todos/A1", params={"version": 1, **SYNC})
    assert (answer.status, answer.json()["version"]) == (200, 2)
    (row,) = memory.rows("todo", "data")
    assert (row["isDeleted"], row["attributes"]["title"]) == (True, "Buy milk")
    assert ann.delete("/todos/A1", params={"version": 2}).status == 404


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
def test_a_wrong_field_of_a_new_todo_is_named(memory: MemoryApp, ann: Client, body: Any, field: str) -> None:
    answer = ann.post("/todos", body)
    assert (answer.status, field_of(answer)) == (400, field)
    assert memory.rows("todo", "command") == []


@pytest.mark.parametrize("version", ["1", 1.5, None, 0, -1, True])
def test_a_version_is_a_whole_number(memory: MemoryApp, ann: Client, version: Any) -> None:
    ann.post("/todos", new())
    answer = ann.put("/todos/A1", {"version": version, "attributes": {"title": "a"}})
    assert (answer.status, field_of(answer)) == (400, "version")
    assert len(memory.rows("todo", "command")) == 1


@pytest.mark.parametrize(
    ("method", "path", "params", "field"),
    [
        ("DELETE", "/todos/A1", {}, "version"),
        ("DELETE", "/todos/A1", {"version": "one"}, "version"),
        ("DELETE", "/todos/A1", {"version": "0"}, "version"),
        ("GET", "/todos", {"limit": "0"}, "limit"),
        ("GET", "/todos", {"limit": "101"}, "limit"),
        ("GET", "/todos", {"limit": "all"}, "limit"),
    ],
)
def test_a_wrong_parameter_is_named(
    ann: Client, method: str, path: str, params: dict[str, str], field: str
) -> None:
    answer = ann.request(method, path, params=params)
    assert (answer.status, field_of(answer)) == (400, field)


def test_a_mode_is_one_of_two(ann: Client) -> None:
    answer = ann.post("/todos", new(), params={"mode": "soon"})
    assert (answer.status, field_of(answer)) == (400, "mode")


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_version_that_was_overtaken_is_a_conflict(memory: MemoryApp, ann: Client, mode: str) -> None:
    params = {"mode": mode}
    ann.post("/todos", new(), params=params)
    ann.put("/todos/A1", changed(1), params=params)
    before = memory.rows("todo", "command")
    late = [
        ann.post("/todos", new(), params=params),
        ann.put("/todos/A1", changed(1, "late"), params=params),
        ann.delete("/todos/A1", params={"version": 1, **params}),
    ]
    assert [(answer.status, problem_of(answer)) for answer in late] == [(409, "version-conflict")] * 3
    assert memory.rows("todo", "command") == before


@pytest.mark.parametrize(
    ("method", "options"),
    [("GET", {}), ("PUT", {"json": changed(1)}), ("DELETE", {"params": {"version": 1}})],
)
def test_an_unknown_todo_is_not_found(memory: MemoryApp, ann: Client, method: str, options: Any) -> None:
    answer = ann.request(method, "/todos/none", **options)
    assert (answer.status, problem_of(answer)) == (404, "not-found")
    assert memory.rows("todo", "command") == []


def test_a_version_that_does_not_exist_is_a_bad_request(ann: Client) -> None:
    ann.post("/todos", new())
    answer = ann.put("/todos/A1", changed(7))
    assert (answer.status, problem_of(answer)) == (400, "invalid-version")


@pytest.mark.parametrize("headers", [{}, {"x-tenant-code": "acme"}], ids=["no tenant", "of the header"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_tenant_has_to_be_in_the_token(memory: MemoryApp, method: str, headers: Any) -> None:
    client = memory.client(user="eve", headers=headers)
    answer = client.request(method, "/todos", new() if method == "POST" else None)
    assert (answer.status, problem_of(answer)) == (403, "forbidden")
