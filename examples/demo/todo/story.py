"""The story of one todo: created, changed, deleted."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from examples.demo.chapters import Request, Story, tell_chapter
from examples.demo.todo.traces import Traces
from examples.demo.watch import Sighting

if TYPE_CHECKING:
    from examples.demo.client import Client
    from examples.demo.place import Place
    from examples.demo.screen import Screen

__all__ = ["tell"]

_CODE = "milk"
_COLUMNS = ("own write", "data", "SQL", "notification", "execution")
_NOT_FOUND = 404


def tell(screen: Screen, client: Client, place: Place) -> Story:
    """Send create, update and delete, each once the one before has gone all the way.

    Raises:
        DemoError: The API refused a command, or its traces did not show up.
    """
    first = {"title": "Buy milk", "dueDate": "2026-12-24"}
    second = {**first, "title": "Buy oat milk", "priority": "high", "done": True}
    requests = (
        Request("Create", "POST", "/todos", {"code": _CODE, "attributes": first}),
        Request("Update", "PUT", f"/todos/{_CODE}", {"version": 1, "attributes": second}),
        Request("Delete", "DELETE", f"/todos/{_CODE}?version=2"),
    )
    with closing(Traces(place)) as traces:
        chapters = [
            tell_chapter(
                screen,
                client,
                request,
                lambda answer: _sightings(client, traces, answer.body),
                lambda answer: f"202 Accepted: version {answer.body['version']}",
            )
            for request in requests
        ]
        transitions = sum(traces.transitions.values())
        said = (
            f"[bold]{len(chapters)} commands[/bold] accepted, applied in order, and announced.",
            f"{len(traces.transitions)} executions with {transitions} state transitions.",
        )
    return Story(chapters, _COLUMNS, said)


def _sightings(client: Client, traces: Traces, published: dict[str, Any]) -> list[Sighting]:
    code, version = published["code"], published["version"]
    pk = f"TODO#{client.tenant}"
    return [
        Sighting("own write", lambda: _own_write(client, code, version)),
        Sighting("command", lambda: _command(traces.row("command", pk, f"{code}@{version}"))),
        Sighting("data", lambda: _data(traces.row("data", pk, code), version)),
        Sighting("history", lambda: _history(traces, pk, code, version)),
        Sighting("SQL", lambda: _sql(traces.sql_row(published["id"]), version)),
        Sighting("notification", lambda: _notification(traces.notification(published["requestId"]))),
        Sighting("execution", lambda: _execution(traces.execution(code, version))),
    ]


def _own_write(client: Client, code: str, version: int) -> str | None:
    answer = client.send("GET", f"/todos/{code}")
    if answer.status == _NOT_FOUND:
        return "GET answers 404 at once: deleted, for whoever did it"
    seen = answer.body.get("version")
    return f"GET answers version {seen} at once: read-your-writes" if seen == version else None


def _command(row: dict[str, Any] | None) -> str | None:
    return f"{row['pk']}  {row['sk']}  {row['source']}, by user {row['createdBy'][:8]}" if row else None


def _data(row: dict[str, Any] | None, version: int) -> str | None:
    if row is None or row["version"] != version:
        return None
    return f"{row['pk']}  {row['sk']}  version {version}: {_todo(row['attributes'], row.get('isDeleted'))}"


def _history(traces: Traces, pk: str, code: str, version: int) -> str | None:
    if version == 1:
        return "nothing yet: the first version replaces none"
    row = traces.row("history", pk, f"{code}@{version - 1}")
    return (
        f"{row['pk']}  {row['sk']}  as it was: {_todo(row['attributes'], row.get('isDeleted'))}"
        if row
        else None
    )


def _sql(row: dict[str, Any] | None, version: int) -> str | None:
    if row is None or row["version"] != version:
        return None
    return f"{row['id']}  version {version}: {_todo({**row, 'dueDate': row['due_date']}, row['is_deleted'])}"


def _notification(body: dict[str, Any] | None) -> str | None:
    return f"{body['content']['status']}  with the id of the request, {body['id'][:8]}…" if body else None


def _execution(states: list[str] | None) -> str | None:
    return " → ".join(states) if states else None


def _todo(fields: dict[str, Any], deleted: bool | None) -> str:  # noqa: FBT001 - as stored
    parts = [repr(fields["title"]), "done" if fields["done"] else "to do", f"due {fields['dueDate']}"]
    return ", ".join([*parts, fields["priority"], *(["deleted"] if deleted else [])])
