"""The blog over HTTP, from a command to the list of posts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

if TYPE_CHECKING:
    from runtime.testing import Client, MemoryApp

POST = {"user_id": "u1", "title": "Hi", "content": "Hello"}


def titles(client: Client, **headers: str) -> list[str]:
    """Titles in the list of posts."""
    return [item["title"] for item in client.get("/posts", headers=headers).json()["items"]]


def in_sql() -> list[Any]:
    """The posts in the read model."""
    from blog.database import PostRow, engine  # noqa: PLC0415

    with engine().connect() as connection:
        return list(connection.execute(select(PostRow.__table__).order_by("id")))


def test_a_post_is_written_listed_and_archived(memory: MemoryApp, ann: Client) -> None:
    assert ann.post("/users/u1/register-user", {"name": "Ann"}).status in {200, 201}
    assert ann.post("/posts/p1/write-post", POST).headers["etag"] == '"1"'
    assert ann.get("/posts/p1").json()["state"] == {"user_id": "u1", "title": "Hi", "archived": False}
    memory.deliver()
    assert titles(ann) == ["Hello", "Hi"]
    assert ann.get("/posts", params={"limit": 1}).json()["last"] == "hello-u1"
    ann.post("/posts/p1/archive-post", {"user_id": "u1"})
    memory.deliver()
    assert titles(ann) == ["Hello"]


def test_a_new_user_gets_one_first_post_however_often_the_event_comes(memory: MemoryApp, ann: Client) -> None:
    ann.post("/users/u1/register-user", {"name": "Ann"})
    memory.deliver(times=3, shuffled=True)
    assert [row.title for row in in_sql()] == ["Hello"]
    (written,) = ann.get("/posts/hello-u1/events").json()["items"]
    assert written["type"] == "written"


def test_an_archived_post_does_not_come_back_with_a_late_record(memory: MemoryApp, ann: Client) -> None:
    ann.post("/users/u1/register-user", {"name": "Ann"})
    ann.post("/posts/p1/write-post", POST)
    ann.post("/posts/p1/archive-post", {"user_id": "u1"})
    memory.deliver(times=3, shuffled=7)
    assert titles(ann) == ["Hello"]


def test_a_list_that_is_to_show_a_post_waits_for_it_or_says_so(memory: MemoryApp, ann: Client) -> None:
    ann.post("/users/u1/register-user", {"name": "Ann"})
    ann.post("/posts/p1/write-post", POST)
    behind = ann.get("/posts", headers={"min-version": "p1@1"})
    assert (behind.status, "retry-after" in behind.headers) == (503, True)
    memory.deliver()
    assert "Hi" in titles(ann, **{"min-version": "p1@1"})


def test_whoever_is_disabled_meanwhile_does_not_write(ann: Client) -> None:
    ann.post("/users/u1/register-user", {"name": "Ann"})
    ann.post("/users/u1/disable-user", {"reason": "abuse"})
    refused = ann.post("/posts/p1/write-post", POST)
    assert (refused.status, refused.json()["type"].rsplit(":", 1)[1]) == (422, "not-allowed")


def test_tenants_see_nothing_of_each_other(memory: MemoryApp, ann: Client, eve: Client) -> None:
    ann.post("/users/u1/register-user", {"name": "Ann"})
    ann.post("/posts/p1/write-post", POST)
    memory.deliver()
    assert titles(eve) == []
    assert eve.get("/posts/p1").status == 404
    assert eve.post("/posts/p1/archive-post", {"user_id": "u1"}).json()["type"].endswith("no-such-post")
