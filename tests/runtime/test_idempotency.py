"""A request under an `Idempotency-Key`: repeated it is done once, and none of its writes is lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import Field, SecretStr

from runtime import (
    CommandModule,
    CqrsApp,
    CqrsModel,
    FieldProblem,
    InvalidInputError,
    InvalidVersionError,
    InvokeContext,
    ItemCommand,
    ItemNotFoundError,
    PublishIdReusedError,
    RuleViolationError,
    State,
    UserContext,
    module_routes,
    require_invoke_context,
)
from runtime.testing import MemoryApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NUMBERS = count(1)


@dataclass
class Stamp:
    """Standard dataclasses do not remember which fields were given."""

    text: str = ""
    ident: UUID = field(default_factory=uuid4)


class Note(CqrsModel):
    title: str = "t"
    ident: UUID = Field(default_factory=uuid4)
    made: datetime = Field(default_factory=lambda: datetime.now(UTC))
    stamp: Stamp = Field(default_factory=Stamp)
    parts: list[Stamp] = Field(default_factory=list)
    by_day: dict[date, Decimal] = Field(default_factory=dict)
    by_number: dict[int, str] = Field(default_factory=dict)


class Payment(CqrsModel):
    amount: int = 0
    pin: SecretStr = SecretStr("")
    hidden: str = Field(default="", exclude=True)
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    version: int | None = None


def pay(note: State[Note], payment: Payment, _user: UserContext) -> State[Note]:
    number = next(NUMBERS)
    changed = note.attributes.model_copy(update={"title": f"{payment.amount} {payment.at} {number}"})
    return note.replace(attributes=changed)


note = CommandModule("note", attributes=Note)
notes = note.service(type="NOTE")
own = Router()


def retitled(title: str) -> Callable[[State[Note]], State[Note]]:
    def change(state: State[Note]) -> State[Note]:
        return state.replace(attributes=state.attributes.model_copy(update={"title": title}))

    return change


@own.post("/own/two/<sk>")
def two(sk: str) -> dict[str, Any]:
    """Two changes of one item, both by function."""
    done = [
        notes.change(sk, retitled("first")),
        notes.change(sk, lambda state: state.replace(is_deleted=True)),
    ]
    return {"versions": [command.version for command in done if command]}


@own.post("/own/mixed/<sk>")
def mixed(sk: str) -> dict[str, Any]:
    """Writes of every kind to one item."""
    done = [
        notes.create(Note(title="made"), sk=sk),
        notes.change(sk, {"name": "second"}),
        notes.change(sk, {"name": "second"}),  # nothing new
        notes.replace(sk, {"title": "third"}, version=2),
        notes.delete(sk),
        notes.restore(sk),
        notes.put(sk, {"title": "last"}, version=5),
    ]
    return {"versions": [command and command.version for command in done]}


@own.post("/own/many")
def many(body: dict[str, Any]) -> dict[str, Any]:
    """Items without keys of their own, and a change of each."""
    made = [notes.create(Note(title=title)) for title in body["titles"]]
    keys = [command.sk.partition("@")[0] for command in made if command]
    for sk in keys:
        notes.change(sk, {"name": f"of {sk}"})
    return {"keys": keys}


@own.post("/own/one/<sk>")
def one(sk: str, body: dict[str, Any], loud: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
    """One change, that is made anew each time."""
    title = f"{body['title']} {next(NUMBERS)}{'!' if loud else ''}"
    done = notes.change(sk, {"attributes": {"title": title}})
    return {"version": done and done.version}


@own.post("/own/tried/<sk>")
def tried(sk: str) -> dict[str, Any]:
    """What is refused at first is done in another way."""

    def unless_new(state: State[Note]) -> State[Note] | FieldProblem:
        if state.attributes.title == "new":
            return FieldProblem("attributes.title", "is new")
        return retitled("tried")(state)

    try:
        done = notes.change(sk, unless_new)
    except RuleViolationError:
        done = notes.change(sk, retitled("not new"))
    return {"version": done and done.version}


@own.post("/own/found/<sk>")
def found(sk: str) -> dict[str, Any]:
    """What is done depends on what the request has done before."""
    if notes.exists(sk):
        done = notes.change(sk, retitled("found"))
    else:
        done = notes.create(Note(title="made"), sk=sk)
    return {"version": done and done.version}


@own.post("/own/put/<sk>")
def put(sk: str) -> dict[str, Any]:
    """One write in either case."""
    done = notes.put(sk, Note(title="put"), version=-1)
    return {"version": done and done.version}


@own.post("/own/explicit/<sk>")
def explicit(sk: str) -> dict[str, Any]:
    """The request's own id, given by hand, and then no id."""
    key = require_invoke_context().publish_id
    at = notes.key(sk, write=True)
    done = [
        notes.change(sk, retitled("first"), publish_id=key),
        notes.change(sk, retitled("second")),
        note.commands.publish_change(at, retitled("third"), publish_id=f"{key}:3"),
        notes.change(sk, retitled("fourth")),
    ]
    return {"versions": [command.version for command in done if command]}


@own.post("/own/by-hand/<sk>")
def by_hand(sk: str) -> dict[str, Any]:
    """The request's own id, given to the commands of the module, and then no id."""
    key = require_invoke_context().publish_id
    done = [
        note.commands.publish_change(notes.key(sk), retitled("first"), publish_id=key),
        notes.change(sk, retitled("second")),
    ]
    return {"versions": [command.version for command in done if command]}


@own.post("/own/json/<sk>")
def json_change(sk: str, body: dict[str, Any]) -> dict[str, Any]:
    """A service that hands on what the client sent."""
    done = notes.change(sk, body["change"])
    return {"version": done and done.version}


commands = {"pay": ItemCommand(pay, body=Payment)}
app = CqrsApp(
    modules=[note],
    routes=[own, module_routes(note, prefix="/notes", type="NOTE", commands=commands)],
)
NEW = {"sk": "F", "name": "n", "version": 0, "attributes": {"title": "new"}}


@pytest.fixture
def memory() -> Iterator[MemoryApp]:
    with MemoryApp(app) as memory:
        yield memory


class Caller:
    """Sends requests, with a key or without."""

    def __init__(self, memory: MemoryApp, **options: Any) -> None:
        self.memory = memory
        self.client = memory.client(**{"tenant": "acme", "user": "ann", **options})

    def __call__(
        self, method: str, path: str, body: Any = None, key: str | None = None, **options: Any
    ) -> Any:
        headers = {**options.pop("headers", {}), **({"Idempotency-Key": key} if key else {})}
        return self.client.request(method, path, body, headers=headers, **options)

    def versions(self) -> list[str]:
        return sorted(row["sk"] for row in self.memory.rows("note", "command"))


@pytest.fixture
def send(memory: MemoryApp) -> Caller:
    return Caller(memory)


def problem(answer: Any) -> tuple[int, str, list[str]]:
    found = answer.json()
    return (
        answer.status,
        found["type"].rpartition(":")[2],
        [error["field"] for error in found.get("errors", ())],
    )


REUSED = (422, "publish-id-reused", [])
ROUTES: dict[str, tuple[str, str, Any]] = {
    "POST": ("POST", "/notes", {**NEW, "sk": "G"}),
    "POST without a key": ("POST", "/notes", {"name": "n", "version": 0, "attributes": {}}),
    "PUT": ("PUT", "/notes/F", {"name": "n", "version": 1, "attributes": {"title": "x"}}),
    "PATCH": ("PATCH", "/notes/F", {"version": 1, "attributes": {"title": "x"}}),
    "PATCH of days": ("PATCH", "/notes/F", {"version": 1, "attributes": {"byDay": {"2026-01-03": "0.5"}}}),
    "PATCH of numbers": (
        "PATCH",
        "/notes/F",
        {"version": 1, "attributes": {"byNumber": {"1": "a", "2": "b"}}},
    ),
    "PATCH of parts": ("PATCH", "/notes/F", {"version": 1, "attributes": {"parts": [{"text": "a"}]}}),
    "DELETE": ("DELETE", "/notes/F?version=1", None),
    "a command": ("POST", "/notes/F/pay", {"amount": 5}),
    "a command with a secret": ("POST", "/notes/F/pay", {"amount": 5, "pin": "1"}),
    "a command with what is excluded": ("POST", "/notes/F/pay", {"amount": 5, "hidden": "1"}),
    "bulk": ("POST", "/notes/bulk", [{**NEW, "sk": "G"}, {"name": "n", "version": 0, "attributes": {}}]),
    "one's own route": ("POST", "/own/one/F", {"title": "x"}),
    "one's own route that writes twice": ("POST", "/own/two/F", None),
    "one's own route that makes items": ("POST", "/own/many", {"titles": ["a", "a", "b"]}),
    "one's own route that does everything": ("POST", "/own/mixed/M", None),
}


def request(send: Caller, route: tuple[str, str, Any], **options: Any) -> Any:
    method, path, body = route
    path, _, query = path.partition("?")
    params = dict(part.split("=") for part in query.split("&") if part)
    return send(method, path, body, params={**params, **options.pop("params", {})}, **options)


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
@pytest.mark.parametrize("mode", [{}, {"mode": "sync"}], ids=["async", "sync"])
def test_a_true_repeat_is_the_same_request(send: Caller, route: tuple[str, str, Any], mode: Any) -> None:
    send("POST", "/notes", NEW)
    first = request(send, route, key="k1", params=mode)
    assert first.status in {200, 201, 202, 207}, first.text
    done = send.versions()
    send.memory.deliver()
    again = request(send, route, key="k1", params=mode)
    assert (again.status, send.versions()) == (first.status, done), again.text
    assert without_ids(again.json()) == without_ids(first.json())


def without_ids(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: without_ids(value) for name, value in found.items() if name != "requestId"}
    return [without_ids(value) for value in found] if isinstance(found, list) else found


OTHERS: dict[str, tuple[str, str, Any]] = {
    "PUT": ("PUT", "/notes/F", {"name": "n", "version": 1, "attributes": {"title": "y"}}),
    "PATCH": ("PATCH", "/notes/F", {"version": 1, "attributes": {"title": "y"}}),
    "PATCH of days": ("PATCH", "/notes/F", {"version": 1, "attributes": {"byDay": {"2026-01-04": "0.5"}}}),
    "DELETE": ("DELETE", "/notes/F?version=2", None),
    "a command": ("POST", "/notes/F/pay", {"amount": 6}),
    "a command with a secret": ("POST", "/notes/F/pay", {"amount": 5, "pin": "2"}),
    "a command with what is excluded": ("POST", "/notes/F/pay", {"amount": 5, "hidden": "2"}),
    "one's own route": ("POST", "/own/one/F", {"title": "y"}),
    "one's own route that writes twice": ("POST", "/own/two/F", {"and": "a body"}),
    "one's own route that makes items": ("POST", "/own/many", {"titles": ["c"]}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_request_under_a_used_key_is_refused(send: Caller, name: str) -> None:
    send("POST", "/notes", NEW)
    assert request(send, ROUTES[name], key="k1").status in {200, 202}
    before = send.versions()
    assert problem(request(send, OTHERS[name], key="k1")) == REUSED
    assert send.versions() == before


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("one's own route", {"params": {"loud": "true"}}),
        ("PATCH", {"headers": {"content-type": "application/merge-patch+json"}}),
        ("PATCH", {"params": {"mode": "sync"}}),
        ("PATCH", {"headers": {"If-Match": '"1"'}}),
        ("a command", {"headers": {"If-Match": '"1"'}}),
        ("a command", {"params": {"version": "1"}}),
    ],
)
def test_what_a_request_means_is_more_than_its_body(send: Caller, name: str, options: Any) -> None:
    send("POST", "/notes", NEW)
    assert request(send, ROUTES[name], key="k1").status in {200, 202}
    assert problem(request(send, ROUTES[name], key="k1", **options)) == REUSED


def test_json_that_says_the_same_is_the_same(memory: MemoryApp) -> None:
    with memory.acting_as("ann", tenant="acme"):
        notes.create({}, sk="F")
    event = {
        "rawPath": "/own/one/F",
        "headers": {"Idempotency-Key": "k", "Content-Type": "application/json"},
        "requestContext": {"http": {"method": "POST"}, "authorizer": {"lambda": {"sub": "u"}}},
    }
    bodies = ['{"title": "x", "n": [1.50, 2]}', '{ "n":[1.5,2.0],\n"title":"\\u0078" }']
    digests = [InvokeContext.from_http_event({**event, "body": body}).sent.digest for body in bodies]
    assert digests[0] == digests[1]
    encoded = {"body": "eyJ0aXRsZSI6ICJ4IiwgIm4iOiBbMS41MCwgMl19", "isBase64Encoded": True}
    assert InvokeContext.from_http_event({**event, **encoded}).sent.digest == digests[0]
    others = [
        '{"title": "x", "n": [2, 1.5]}',
        '{"title": "x", "n": [true, 2]}',
        "[",
        "",
        "\ud800",
        "[" * 100_000,
    ]
    found = {InvokeContext.from_http_event({**event, "body": body}).sent.digest for body in others}
    assert len(found | {digests[0]}) == len(others) + 1


def test_each_write_of_a_request_is_done(send: Caller) -> None:
    send("POST", "/notes", NEW)
    for _ in range(2):
        assert send("POST", "/own/two/F", key="k").json() == {"versions": [2, 3]}
        assert send("POST", "/own/mixed/M", key="k").json() == {"versions": [1, 2, None, 3, 4, 5, 6]}
    assert send("GET", "/notes/F").status == 404
    found = send("POST", "/own/many", {"titles": ["a", "a", "b"]}, key="k").json()["keys"]
    assert len({*found}) == 3
    for sk, title in zip(found, ["a", "a", "b"], strict=True):
        item = send("GET", f"/notes/{sk}").json()
        assert (item["attributes"]["title"], item["name"], item["version"]) == (title, f"of {sk}", 2)
    for _ in range(2):
        assert send("POST", "/own/explicit/M", key="e").json() == {"versions": [7, 8, 9, 10]}
        assert send("POST", "/own/by-hand/M", key="h").json() == {"versions": [11, 12]}


def test_what_was_tried_in_vain_uses_up_no_id(send: Caller) -> None:
    send("POST", "/notes", NEW)
    for _ in range(2):
        assert send("POST", "/own/tried/F", key="k").json() == {"version": 2}


def test_a_repeat_that_comes_to_another_write_is_refused_and_writes_nothing(send: Caller) -> None:
    assert send("POST", "/own/found/F", key="k").json() == {"version": 1}
    assert problem(send("POST", "/own/found/F", key="k")) == REUSED
    assert send.versions() == ["F@1"]
    for _ in range(2):
        assert send("POST", "/own/put/G", key="k").json() == {"version": 1}


def test_a_request_that_died_half_way_goes_on(memory: MemoryApp) -> None:
    with memory.acting_as("ann", tenant="acme"):
        notes.create({}, sk="F")
    for stop in (1, 2, 3):
        with memory.acting_as("ann", tenant="acme", headers={"Idempotency-Key": "k"}):
            for number in range(stop):
                done = notes.change("F", retitled(f"title {number}"))
                assert done is not None
                assert (done.version, done.attributes.title) == (number + 2, f"title {number}")


UNCHANGED: dict[str, Callable[[], Any]] = {
    "change": lambda: notes.change("F", {"attributes": {"title": "t"}}),
    "change, sync": lambda: notes.change("F", {"attributes": {"title": "t"}}, sync=True),
    "change by a function": lambda: notes.change("F", lambda _state: None),
    "restore": lambda: notes.restore("F"),
    "publish_with_retry": lambda: note.commands.publish_with_retry(
        notes.key("F"), lambda _latest: None, publish_id=require_invoke_context().publish_id
    ),
}


@pytest.mark.parametrize("first", UNCHANGED.values(), ids=UNCHANGED)
def test_what_changed_nothing_changes_nothing_later(memory: MemoryApp, first: Callable[[], Any]) -> None:
    ann = {"user": "ann", "tenant": "acme", "headers": {"Idempotency-Key": "k"}}
    with memory.acting_as("ann", tenant="acme"):
        notes.create({"title": "t"}, sk="F")
    with memory.acting_as(**ann):
        assert first() is None
    with memory.acting_as("bob", tenant="acme"):
        notes.change("F", retitled("bob's"))
        notes.delete("F")
    for _ in range(2):
        with memory.acting_as(**ann):
            assert first() is None
    with memory.acting_as(**ann), pytest.raises(PublishIdReusedError):
        notes.delete("F")
    assert len(memory.rows("note", "command")) == 3


def test_what_changed_nothing_is_forgotten_with_the_life_it_was_about(memory: MemoryApp) -> None:
    from runtime.commands.erase import erase  # noqa: PLC0415

    header = {"Idempotency-Key": "k"}
    with memory.acting_as("ann", tenant="acme"):
        notes.create({"title": "t"}, sk="F")
    with memory.acting_as("ann", tenant="acme", headers=header):
        assert notes.change("F", retitled("t")) is None
    memory.deliver()
    with memory.acting_as("ann", tenant="acme"):
        erase(note, notes.key("F"))
        notes.create({"title": "other"}, sk="F")
    with memory.acting_as("ann", tenant="acme", headers=header):
        done = notes.change("F", retitled("t"))
        assert done is not None
        assert done.attributes.title == "t"


def test_a_record_of_an_earlier_release_lets_a_repeat_pass(memory: MemoryApp) -> None:
    """Records of the code before have a fingerprint of another kind, in a column of its own."""
    from runtime.store.port import Put  # noqa: PLC0415

    body = {**NEW, "sk": "F"}
    client = memory.client(tenant="acme", user="ann", headers={"Idempotency-Key": "k"})
    first = client.post("/notes", body).json()
    (record,) = [row for row in memory.store.rows(note.tables.command) if "@publish#" in row["sk"]]
    old = {name: value for name, value in record.items() if name != "call"} | {
        "fingerprint": "of the code before"
    }
    memory.store.write(Put(table=note.tables.command, row=old))
    assert client.post("/notes", body).json()["version"] == first["version"]


def test_who_publishes_for_as_long_as_a_process_lives_gathers_nothing(memory: MemoryApp) -> None:
    queue = memory.user("queue", tenant="acme")
    for number in range(3):
        notes.create({}, sk=f"A{number}", publish_id=f"message-{number}", invoke_context=queue)
        notes.create({}, invoke_context=queue)
    assert len(queue.publish_ids) == 0
    key = memory.user("ann", tenant="acme", headers={"Idempotency-Key": "k"})
    notes.create({}, invoke_context=key)
    assert len(key.publish_ids) == 2  # that of the item, and that of its sort key


LONG = "k" * 129


@pytest.mark.parametrize("key", [LONG, "k" * 300, "a\tb"])
@pytest.mark.parametrize("route", ["one's own route", "PATCH", "a command", "bulk"])
def test_a_key_that_can_be_none_names_the_header(send: Caller, route: str, key: str) -> None:
    send("POST", "/notes", NEW)
    answer = request(send, ROUTES[route], key=key)
    if route == "bulk":
        fields = [item["problem"]["errors"][0]["field"] for item in answer.json()["items"]]
        assert fields == ["idempotency-key", "idempotency-key"]
    else:
        assert problem(answer) == (400, "invalid-input", ["idempotency-key"])


def test_a_long_user_id_has_keys_as_well(memory: MemoryApp) -> None:
    send = Caller(memory, user="u" * 250)
    send("POST", "/notes", NEW)
    for _ in range(2):
        assert send("POST", "/own/two/F", key="k" * 128).json() == {"versions": [2, 3]}
    other = InvokeContext(claims={"sub": "u" * 249 + "v"}, headers={"idempotency-key": "k"})
    assert (
        other.publish_id
        != InvokeContext(claims={"sub": "u" * 250}, headers={"idempotency-key": "k"}).publish_id
    )


@pytest.mark.parametrize("change", ["builtins:print", "x", None, 5, [], [["a", 1]], True])
def test_what_a_client_sends_is_never_called(send: Caller, change: Any) -> None:
    send("POST", "/notes", NEW)
    answer = send("POST", "/own/json/F", {"change": change})
    assert problem(answer) == (400, "invalid-input", ["change"])
    with send.memory.acting_as("ann", tenant="acme"), pytest.raises(InvalidInputError, match="change"):
        note.commands.publish_change(notes.key("F"), change)


@pytest.mark.parametrize("name", ["version", "pk", "sk"])
def test_a_change_has_no_key_and_no_version_of_its_own(send: Caller, name: str) -> None:
    send("POST", "/notes", NEW)
    answer = send(
        "POST", "/own/json/F", {"change": {"name": "x", name: 1 if name == "version" else "NOTE#acme"}}
    )
    assert problem(answer) == (400, "invalid-input", [name])
    assert send.versions() == ["F@1"]


# A publish id that is given by hand: what the caller has said tells the call.
def test_what_is_made_in_passing_is_no_part_of_what_was_said(memory: MemoryApp) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: notes.create(Note(title="a"), sk="A", publish_id="p"),
        lambda: notes.create({"title": "b", "stamp": {"text": "x"}}, sk="B", publish_id="p"),
        lambda: notes.create({"title": "c", "parts": [{"text": "x"}]}, sk="C", publish_id="p"),
        lambda: notes.put("A", Note(title="d"), version=1, publish_id="q"),
        lambda: notes.change(
            "A", {"attributes": Note(by_day={date(2026, 1, 3): Decimal(1)})}, publish_id="r"
        ),
        lambda: notes.change("A", {"attributes": {"by_day": {date(2026, 1, 4): 1}}}, publish_id="s"),
        lambda: notes.change("A", retitled("e"), content={"body": Payment(amount=1)}, publish_id="t"),
        lambda: notes.change("A", {"name": "x"}, content={1: "a", "b": {2}}, publish_id="u"),
    ]
    with memory.acting_as("ann", tenant="acme"):
        made = [call() for call in calls]
        assert [call().version for call in calls] == [command.version for command in made]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"body": Payment(pin=SecretStr("1"))}, {"body": Payment(pin=SecretStr("2"))}),
        ({"body": Payment(hidden="1")}, {"body": Payment(hidden="2")}),
        ({"days": {date(2026, 1, 3): 1}}, {"days": {date(2026, 1, 4): 1}}),
        ({"n": 1}, {"n": True}),
        ({"n": 1}, {"n": "1"}),
        ({"n": ["a", "b"]}, {"n": ["b", "a"]}),
        ({1: "a"}, {"1": "a"}),
    ],
)
@pytest.mark.parametrize("change", [retitled("x"), {"name": "x"}], ids=["function", "fields"])
def test_content_tells_calls_apart(memory: MemoryApp, change: Any, one: Any, other: Any) -> None:
    with memory.acting_as("ann", tenant="acme"):
        notes.create({}, sk="F")
        for _ in range(2):
            done = notes.change("F", change, content=one, publish_id="p")
            assert done is not None
            assert done.version == 2
        with pytest.raises(PublishIdReusedError):
            notes.change("F", change, content=other, publish_id="p")


def test_only_what_differs_in_a_bulk_request_is_another(send: Caller) -> None:
    """A client mends one item of many, and sends them again."""
    body = [{**NEW, "sk": "A"}, {**NEW, "sk": "B", "name": None}, {**NEW, "sk": "C"}]
    assert statuses(send("POST", "/notes/bulk", body, key="k")) == [202, 400, 202]
    body[1]["name"], body[2] = "n", {**NEW, "sk": "C", "name": "other"}
    assert statuses(send("POST", "/notes/bulk", body, key="k")) == [202, 202, 422]
    assert send.versions() == ["A@1", "B@1", "C@1"]


def statuses(answer: Any) -> list[int]:
    return [item["status"] for item in answer.json()["items"]]


def test_a_command_whose_versions_contradict_each_other_is_refused(send: Caller) -> None:
    send("POST", "/notes", NEW)
    answer = send("POST", "/notes/F/pay", {"amount": 1, "version": 99}, params={"version": "1"})
    assert problem(answer) == (400, "invalid-input", ["version"])
    answer = send("POST", "/notes/F/pay", {"amount": 1, "version": 1}, params={"version": "1"})
    assert answer.status == 202


def test_what_is_not_there_is_neither_replaced_nor_restored(memory: MemoryApp) -> None:
    with memory.acting_as("ann", tenant="acme"):
        notes.create({}, sk="D")
        notes.delete("D")
        before = memory.rows("note", "command")
        for version in (-1, 1, 3):
            with pytest.raises(ItemNotFoundError):
                notes.replace("none", {}, version=version)
            with pytest.raises(ItemNotFoundError):
                notes.restore("none", version=version)
            with pytest.raises(ItemNotFoundError):
                notes.replace("D", {}, version=version)
        for sk in ("none", "D"):
            with pytest.raises(InvalidVersionError):
                notes.replace(sk, {}, version=0)
        with pytest.raises(InvalidVersionError):
            notes.restore("D", version=7)
        with pytest.raises(InvalidInputError, match="sk"):
            notes.create({}, sk="")
        assert memory.rows("note", "command") == before


def test_the_very_same_request_at_the_same_time_comes_to_the_same(memory: MemoryApp) -> None:
    """The one that finds that nothing is to change tells what the other one has done."""
    meanwhile: list[Callable[[], Any]] = [lambda: notes.change("F", retitled("x"), publish_id="p")]

    def change(_state: State[Note]) -> None:
        if meanwhile:
            meanwhile.pop()()

    with memory.acting_as("ann", tenant="acme"):
        notes.create({}, sk="F")
        for _ in range(2):
            done = notes.change("F", change, publish_id="p")
            assert done is not None
            assert (done.version, done.attributes.title) == (2, "x")


def test_an_item_with_a_key_that_no_path_should_have_is_deleted_once(send: Caller) -> None:
    with send.memory.acting_as("ann", tenant="acme"):
        notes.create({}, sk="bulk")
    for _ in range(2):
        assert send("DELETE", "/notes/bulk", params={"version": "1"}, key="k").status == 202
    refused = send("DELETE", "/notes/bulk", params={"version": "1"}, key="other")
    assert problem(refused) == (400, "invalid-input", ["sk"])


@pytest.mark.parametrize("command", ["builtins:print", None, 5, [], [["pk", 1]]])
@pytest.mark.parametrize(
    "method",
    ["publish_async", "publish_sync", "publish_partial_update_async", "publish_partial_update_sync"],
)
def test_what_is_no_command_is_refused(memory: MemoryApp, method: str, command: Any) -> None:
    with memory.acting_as("ann", tenant="acme"), pytest.raises(InvalidInputError, match="command"):
        getattr(note.commands, method)(command)


@pytest.mark.parametrize("other", [{"pk": "NOTE#other"}, {"sk": "G"}, {"sk": "G@1"}, {"sk": None}])
def test_a_decision_is_about_the_item_that_it_was_asked_about(memory: MemoryApp, other: Any) -> None:
    def rename(latest: Any) -> dict[str, Any]:
        state = latest.model_dump(exclude={"attributes"}, include={"pk", "sk", "code", "type", "version"})
        return {**state, "name": "x", "attributes": latest.attributes, **changes}

    with memory.acting_as("ann", tenant="acme"):
        notes.create({}, sk="F")
        changes = other
        with pytest.raises(InvalidInputError, match=next(iter(other))):
            note.commands.publish_with_retry(notes.key("F"), rename)
        changes = {}
        assert note.commands.publish_with_retry(notes.key("F"), rename) is not None
        changes = {"name": "y", "version": 7}  # it was made on the latest, all the same
        assert note.commands.publish_with_retry(notes.key("F"), rename) is not None


def test_an_empty_code_is_not_left_out(memory: MemoryApp) -> None:
    with memory.acting_as("ann", tenant="acme"):
        made = notes.create({}, sk="F", code="", name="")
        assert made is not None
        assert (made.code, made.name) == ("", "")
