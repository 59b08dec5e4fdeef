"""What the service does, from the request to the SQL table."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

if TYPE_CHECKING:
    from runtime.testing import Client, MemoryApp

pytestmark = pytest.mark.usefixtures("memory")

NEW = {"code": "A1", "attributes": {"title": "Buy milk"}}


def changed(version: int, title: str = "Buy oat milk", **attributes: Any) -> dict[str, Any]:
    """Body of a request to change a todo."""
    return {"version": version, "attributes": {"title": title, **attributes}}


def in_sql() -> list[Any]:
    """The rows of the read model."""
    from todo.database import TodoRow, engine  # noqa: PLC0415 - after the path is set

    with engine().connect() as connection:
        return list(connection.execute(select(TodoRow.__table__).order_by("code")))


def test_a_new_todo_is_accepted_and_its_author_sees_it_at_once(ann: Client, bob: Client) -> None:
    answer = ann.post("/todos", NEW)
    assert answer.status == 202
    assert answer.headers["Location"] == "/todos/A1"
    assert answer.json() == {"id": "TODO#acme#A1", "code": "A1", "version": 1, "requestId": "request-1"}
    assert ann.get("/todos/A1").json()["attributes"]["title"] == "Buy milk"
    assert bob.get("/todos/A1").status == 404
    assert in_sql() == []


def test_a_todo_arrives_everywhere(memory: MemoryApp, ann: Client, bob: Client) -> None:
    ann.post("/todos", {"code": "A1", "attributes": {"title": "Buy milk", "dueDate": "2026-01-24"}})
    memory.deliver()
    assert bob.get("/todos/A1").json()["attributes"]["title"] == "Buy milk"
    (row,) = in_sql()
    assert (row.code, row.version, row.title, row.due_date) == ("A1", 1, "Buy milk", date(2026, 1, 24))
    assert (row.created_by, row.tenant_code, row.is_deleted) == ("ann", "acme", False)
    (told,) = memory.notifications
    assert (told["id"], told["content"]["status"]) == ("request-1", "finish:FINISHED")


def test_a_synchronous_todo_is_there_with_the_answer(memory: MemoryApp, ann: Client, bob: Client) -> None:
    assert ann.post("/todos", NEW, params={"mode": "sync"}).status == 201
    assert bob.get("/todos/A1").json()["version"] == 1
    assert [row.version for row in in_sql()] == [1]
    assert memory.under_way == []


@pytest.mark.parametrize("seed", range(5))
def test_deliveries_twice_and_out_of_order_change_nothing(memory: MemoryApp, ann: Client, seed: int) -> None:
    ann.post("/todos", NEW)
    for version in range(1, 6):
        assert ann.put("/todos/A1", changed(version, f"title {version}")).status == 202
    memory.deliver(times=2, shuffled=seed)
    assert memory.handlers["TodoReadModel"].versions("A1") == [1, 2, 3, 4, 5, 6]
    assert [(row.version, row.title) for row in in_sql()] == [(6, "title 5")]
    assert [row["version"] for row in memory.rows("todo", "history")] == [1, 2, 3, 4, 5]
    assert len(memory.notifications) == 6


def test_a_record_that_is_lost_is_made_up_for_by_the_next(memory: MemoryApp, ann: Client) -> None:
    ann.post("/todos", NEW)
    memory.deliver(lose=["A1@1"])
    assert in_sql() == []
    ann.put("/todos/A1", changed(1))
    memory.deliver()
    assert memory.handlers["TodoReadModel"].versions("A1") == [1, 2]


def test_a_database_that_is_down_for_a_moment_delays_and_loses_nothing(
    memory: MemoryApp, ann: Client
) -> None:
    ann.post("/todos", NEW)
    memory.handlers["TodoReadModel"].fail(times=2)
    memory.deliver()
    assert [row.title for row in in_sql()] == ["Buy milk"]
    assert memory.alarms == []


def test_a_database_that_stays_down_raises_an_alarm(memory: MemoryApp, ann: Client) -> None:
    ann.post("/todos", NEW)
    memory.handlers["TodoReadModel"].fail()
    memory.deliver()
    (alarm,) = memory.alarms
    assert alarm["sk"] == "A1@1"
    assert ann.get("/todos/A1").json()["version"] == 1  # the todo itself is applied
    assert in_sql() == []


def test_a_deleted_todo_is_gone_and_its_row_says_so(memory: MemoryApp, ann: Client) -> None:
    ann.post("/todos", NEW)
    memory.deliver()
    assert ann.delete("/todos/A1", params={"version": 1}).status == 202
    memory.deliver()
    assert ann.get("/todos/A1").status == 404
    assert ann.get("/todos").json() == {"items": []}
    assert [(row.version, row.is_deleted) for row in in_sql()] == [(2, True)]


def test_nothing_to_change_is_no_content(memory: MemoryApp, ann: Client) -> None:
    ann.post("/todos", NEW)
    answer = ann.put("/todos/A1", changed(1, "Buy milk"))
    assert (answer.status, answer.json()) == (204, None)
    assert len(memory.rows("todo", "command")) == 1


def test_a_version_that_was_overtaken_is_a_conflict(ann: Client, bob: Client) -> None:
    ann.post("/todos", NEW, params={"mode": "sync"})
    assert ann.put("/todos/A1", changed(1)).status == 202
    assert bob.put("/todos/A1", changed(1, "late")).status == 409
    assert bob.delete("/todos/A1", params={"version": 1}).status == 409


def test_todos_are_listed_page_by_page(ann: Client) -> None:
    for code in "ABCDE":
        ann.post("/todos", NEW | {"code": code}, params={"mode": "sync"})
    codes: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while params:
        page = ann.get("/todos", params=params).json()
        codes += [item["code"] for item in page["items"]]
        params = {"limit": 2, "startFromSk": page["lastSk"]} if "lastSk" in page else {}
    assert codes == list("ABCDE")


def test_another_tenant_sees_nothing(memory: MemoryApp, ann: Client) -> None:
    ann.post("/todos", NEW, params={"mode": "sync"})
    stranger = memory.client(tenant="other", user="eve")
    assert stranger.get("/todos/A1").status == 404
    assert stranger.get("/todos").json() == {"items": []}
    assert memory.client(user="eve").get("/todos").status == 403  # of no tenant


def test_ones_own_writes_are_seen_for_as_long_as_the_session_lasts(memory: MemoryApp, ann: Client) -> None:
    ann.post("/todos", NEW)
    memory.clock.advance(minutes=4)
    assert ann.get("/todos/A1").status == 200
    memory.clock.advance(minutes=2)
    assert ann.get("/todos/A1").status == 404
    memory.deliver()
    assert ann.get("/todos/A1").status == 200
