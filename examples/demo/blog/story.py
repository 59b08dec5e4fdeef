"""The story of a user and a post: registered, written, archived, and refused once."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import UUID

from examples.demo.blog.traces import Traces
from examples.demo.chapters import Request, Story, tell_chapter
from examples.demo.watch import Sighting

if TYPE_CHECKING:
    from examples.demo.client import Answer, Client
    from examples.demo.place import Place
    from examples.demo.screen import Screen

__all__ = ["tell"]

_COLUMNS = ("commit", "SQL", "cursor")
_OK = 200


def tell(screen: Screen, client: Client, place: Place) -> Story:
    """Send commands, each once the events of the one before have gone all the way.

    Raises:
        DemoError: The API answered something else, or a trace did not show up.
    """
    post = {"user_id": "ann", "title": "Hi", "content": "My first post"}
    register = Request("Register", "POST", "/users/ann/register-user", {"name": "Ann"}, _OK)
    write = Request("Write", "POST", "/posts/p1/write-post", post, _OK)
    archive = Request("Archive", "POST", "/posts/p1/archive-post", {"user_id": "ann"}, _OK)
    with closing(Traces(place)) as traces:
        look = _Look(client, traces)
        chapters = [
            tell_chapter(screen, client, register, lambda _: look.at_user("ann"), _appended),
            tell_chapter(screen, client, write, lambda _: look.at_post("p1", "Hi", 1), _appended),
            tell_chapter(screen, client, archive, lambda _: look.at_post("p1", None, 2), _appended),
        ]
        again = Request("Again", "POST", "/posts/p1/write-post", post, 422)
        tell_chapter(screen, client, again, lambda _: look.at_nothing("p1", 3), _refused)
    said = (
        f"[bold]{len(chapters)} commands[/bold] decided; their events appended, and shown in order.",
        "1 more by a reaction, and 1 refused: nothing was appended.",
    )
    return Story(chapters, _COLUMNS, said)


def _appended(answer: Answer) -> str:
    return f"200 OK: version {answer.body['version']}"


def _refused(answer: Answer) -> str:
    return f"422: {answer.body['detail']}"


class _Look:
    """Looks for what a command leaves behind."""

    def __init__(self, client: Client, traces: Traces) -> None:
        self._client = client
        self._traces = traces

    def at_user(self, user: str) -> list[Sighting]:
        pk, hello = f"users#{user}#{self._client.tenant}", f"hello-{user}"
        return [
            Sighting("commit", lambda: self._commit(pk, 1)),
            Sighting("SQL", lambda: self._author(user)),
            Sighting("cursor", lambda: self._cursor(pk, 1)),
            Sighting("reaction", lambda: self._reaction(hello)),
        ]

    def at_post(self, post: str, title: str | None, version: int) -> list[Sighting]:
        pk = f"posts#{post}#{self._client.tenant}"
        return [
            Sighting("commit", lambda: self._commit(pk, version)),
            Sighting("list", lambda: self._listed(post, title, version)),
            Sighting("SQL", lambda: self._post(post, is_there=title is not None)),
            Sighting("cursor", lambda: self._cursor(pk, version)),
        ]

    def at_nothing(self, post: str, version: int) -> list[Sighting]:
        pk = f"posts#{post}#{self._client.tenant}"
        return [Sighting("commit", lambda: None if self._traces.commit(pk, version) else "there is none")]

    def _commit(self, pk: str, version: int) -> str | None:
        row = self._traces.commit(pk, version)
        return f"{pk}  {row['sk']}  {_text(row)}, by user {_id(row['by'])[:8]}" if row else None

    def _cursor(self, pk: str, version: int) -> str | None:
        row = self._traces.cursor(pk, "posts-model")
        return f"posts-model has seen {pk} up to {version}" if row and row["version"] >= version else None

    def _reaction(self, post: str) -> str | None:
        row = self._traces.commit(f"posts#{post}#{self._client.tenant}", 1)
        if row is None:
            return None
        return f"{row['pk']}  {_text(row)}, because of {_id(row['cause'])}"

    def _author(self, user: str) -> str | None:
        row = self._traces.sql_row("author", self._client.tenant, user)
        return f"author {row['id']}: {row['name']}" if row else None

    def _post(self, post: str, *, is_there: bool) -> str | None:
        row = self._traces.sql_row("post", self._client.tenant, post)
        if (row is not None) != is_there:
            return None
        return f"post {row['id']}: {row['title']!r} by {row['user_id']}" if row else "the row is gone"

    def _listed(self, post: str, title: str | None, version: int) -> str | None:
        """Read your writes: the list waits until the read model shows what was done."""
        answer = self._client.send("GET", "/posts", **{"min-version": f"{post}@{version}"})
        if answer.status != _OK:
            return None
        titles = {item["id"]: item["title"] for item in answer.body["items"]}
        if titles.get(post) != title:
            return None
        shown = "shows it" if title else "shows it no more"
        return f"GET /posts, with Min-Version: {post}@{version}, {shown}"


def _id(value: Any) -> str:  # noqa: ANN401 - a text, or boto3's Binary
    """An id in a commit's row: a UUID stands there as its 16 bytes."""
    return value if isinstance(value, str) else str(UUID(bytes=bytes(value)))


def _text(row: dict[str, Any]) -> str:
    return str(row.get("events", "deflated"))
