"""The routes of an aggregate's commands and events, as a client sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from pydantic import BaseModel, Field

from runtime import ConfigurationError, Settings, clock
from runtime.entry.http.api import HttpApi
from runtime.entry.http.event_commands import path_name
from runtime.entry.http.event_routes import event_routes
from runtime.entry.http.problems import problem_of
from runtime.errors import CommandError, GapError, StoreUnavailableError
from runtime.event_store.address import Key
from runtime.event_store.aggregates.aggregate import Aggregate, create_aggregate
from runtime.event_store.commands.commands import Commands, create_commands
from runtime.event_store.commits.commit import Commit
from runtime.event_store.domain import Domain, create_domain
from runtime.event_store.events.event import Event, event_type
from runtime.event_store.providers.memory_provider import MemoryProvider
from runtime.identity.context import require_invoke_context
from tests.support.http_events import REQUEST_ID, http_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.events.recorded import EventMeta


class UserCreated(Event, type="created"):
    name: str


@event_type("disabled", aliases=("off",))
@dataclass(frozen=True)
class UserDisabled:
    reason: str = "asked"


class NotesWritten(Event, type="notes"):
    notes: list[str]


UserEvent = UserCreated | UserDisabled | NotesWritten


@dataclass(frozen=True)
class User:
    full_name: str = ""
    is_enabled: bool = False
    last_note: str | None = None


def fold(event: UserEvent, _user: User, _meta: EventMeta) -> dict[str, Any]:
    match event:
        case UserCreated(name=name):
            return {"full_name": name, "is_enabled": True}
        case UserDisabled():
            return {"is_enabled": False}
        case NotesWritten(notes=notes):
            return {"last_note": notes[-1]}


class CreateUser(BaseModel):
    name: str = Field(min_length=1)


@dataclass
class DisableUser:
    reason: str = "asked"


class WriteNotes(BaseModel):
    """Write notes. They are never deleted."""

    notes: list[str] = Field(min_length=1)
    times: int = Field(default=1, ge=1)


class Crash(BaseModel):
    pass


class Sign(BaseModel):
    text: str = Field(default_factory=lambda: uuid4().hex)


@dataclass
class Seal:
    place: str = ""
    text: str = field(default_factory=lambda: uuid4().hex)


class Greet(BaseModel):
    other: str


user: Aggregate[UserEvent, User] = create_aggregate(
    stream="users", events=[UserCreated, UserDisabled, NotesWritten], create=User, fold=fold
)


def commands_of(domain: Domain) -> Commands[UserEvent, User]:
    commands = create_commands(domain[user])

    @commands.on(CreateUser)
    def create_user(command: CreateUser, current: Loaded[User]) -> UserEvent:
        """Create a user.

        Nobody can be created twice.
        """
        if current.exists:
            message = "this user exists"
            raise CommandError(message, code="user-exists")
        return UserCreated(name=command.name)

    @commands.on(DisableUser)
    def disable_user(command: DisableUser, current: Loaded[User]) -> UserEvent | None:
        return UserDisabled(command.reason) if current.state.is_enabled else None

    @commands.on(WriteNotes)
    def write(command: WriteNotes, _current: Loaded[User]) -> Sequence[UserEvent]:
        return [NotesWritten(notes=command.notes)] * command.times

    @commands.on(Sign)
    def sign(command: Sign, _current: Loaded[User]) -> UserEvent:
        return NotesWritten(notes=[command.text])

    @commands.on(Seal)
    def seal(command: Seal, _current: Loaded[User]) -> UserEvent:
        return NotesWritten(notes=[command.text])

    @commands.on(Greet)
    def greet(command: Greet, _current: Loaded[User]) -> UserEvent:
        name = domain[user].get_aggregate(command.other).state.full_name
        return NotesWritten(notes=[f"Hello {name}"])

    @commands.on(Crash)
    def crash(_command: Crash, _current: Loaded[User]) -> None:
        message = "of the secret of Ann"
        raise ValueError(message)

    return commands


class Answer:
    def __init__(self, response: dict[str, Any]) -> None:
        self.status = response["statusCode"]
        self.headers = response["headers"]
        self.text = response["body"]
        self.json: Any = json.loads(self.text) if self.text else None

    @property
    def kind(self) -> str:
        assert self.headers["Content-Type"] == "application/problem+json"
        return str(self.json["type"]).removeprefix("urn:problem-type:cqrs:")

    @property
    def fields(self) -> list[str]:
        assert self.kind == "invalid-input"
        return [error["field"] for error in self.json["errors"]]


class Site:
    """An API on a store of its own."""

    def __init__(self, default_tenant: str | None = None, **options: Any) -> None:
        self.provider = MemoryProvider()
        self.domain = create_domain(self.provider, user, default_tenant=default_tenant)
        self.commands = commands_of(self.domain)
        routes = event_routes(self.commands, prefix="/users", **{"events": True, **options})
        self.api = HttpApi([routes], settings=Settings())

    def __call__(
        self, method: str, path: str, *, tenant: str | None = "acme", user: str = "u1", **request: Any
    ) -> Answer:
        claims = {"sub": user, "custom:tenant": tenant} if tenant else {"sub": user}
        roles = request.pop("roles", None)
        if roles:
            claims["custom:roles"] = json.dumps(roles)
        return Answer(self.api.handle(http_event(method, path, claims=claims, **request), None))

    def stored(self, tenant: str = "acme", aggregate_id: str = "ann") -> list[str]:
        """Names of what is stored."""
        commits = self.provider.read(Key("users", aggregate_id, tenant))
        return [name for commit in commits for name in commit.types]


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def there(site: Site) -> Site:
    assert site("POST", "/users/ann/create-user", body={"name": "Ann"}).status == 200
    return site


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("CreateUser", "create-user"),
        ("Pay", "pay"),
        ("CreateURLAlias", "create-url-alias"),
        ("Use2FA", "use2-fa"),
        ("mark_as_read", "mark-as-read"),
        ("HTTPCall", "http-call"),
    ],
)
def test_a_command_is_called_by_its_class(name: str, path: str) -> None:
    assert path_name(type(name, (), {})) == path


def test_a_command_is_done_and_answered_with_the_new_version(site: Site) -> None:
    answer = site("POST", "/users/ann/create-user", body={"name": "Ann"})
    assert (answer.status, answer.json) == (200, {"id": "ann", "version": 1})
    assert (answer.headers["ETag"], answer.headers["Location"]) == ('"1"', "/users/ann")
    (commit,) = site.provider.read(Key("users", "ann", "acme"))
    assert commit.user_id == "u1"
    assert commit.metadata == {"correlation": REQUEST_ID, "source": "[users]:Commands.CreateUser"}


def test_the_state_has_the_version_as_its_etag(there: Site) -> None:
    answer = there("GET", "/users/ann")
    state = {"full_name": "Ann", "is_enabled": True, "last_note": None}
    assert (answer.status, answer.headers["ETag"]) == (200, '"1"')
    assert answer.json == {"id": "ann", "version": 1, "state": state}
    same = there("GET", "/users/ann", headers={"if-none-match": '"7", "1"'})
    assert (same.status, same.text, same.headers["ETag"]) == (304, "", '"1"')
    assert there("GET", "/users/ann", headers={"if-none-match": '"2"'}).status == 200
    assert there("HEAD", "/users/ann").headers["ETag"] == '"1"'


def test_what_is_not_there_is_not_found(site: Site) -> None:
    for path in ("/users/bob", "/users/bob/events"):
        answer = site("GET", path)
        assert (answer.status, answer.kind) == (404, "not-found")
    assert site("GET", "/users/bob/events", query={"startFromVersion": "5"}).status == 404
    assert site("POST", "/users/bob/no-such-command", body={}).status == 404
    assert site("DELETE", "/users/bob").status == 405


@pytest.mark.parametrize(
    ("command", "body", "fields"),
    [
        ("create-user", {"name": ""}, ["name"]),
        ("create-user", {}, ["name"]),
        ("create-user", None, ["body"]),
        ("create-user", [{"name": "Ann"}], ["body"]),
        ("disable-user", {"reason": 7}, ["reason"]),
        ("write-notes", {"notes": ["a", 5], "times": 0}, ["notes.1", "times"]),
    ],
)
def test_what_is_wrong_with_a_body_is_told_by_field(
    site: Site, command: str, body: Any, fields: list[str]
) -> None:
    answer = site("POST", f"/users/ann/{command}", body=body)
    assert (answer.status, answer.fields) == (400, fields)
    assert site.stored() == []


def test_a_command_that_needs_nothing_needs_no_body(there: Site) -> None:
    assert there("POST", "/users/ann/disable-user").json == {"id": "ann", "version": 2}
    _, disabled = there.provider.read(Key("users", "ann", "acme"))
    assert disabled.events[0].body == {"reason": "asked"}
    assert there("POST", "/users/ann/disable-user", body={}).json == {"id": "ann", "version": 2}
    assert there.stored() == ["created", "disabled"]


def test_what_a_default_makes_is_made_for_each_command(there: Site) -> None:
    assert [there("POST", "/users/ann/sign").json["version"] for _ in range(2)] == [2, 3]
    _, first, second = there.provider.read(Key("users", "ann", "acme"))
    assert first.events[0].body != second.events[0].body


def test_a_default_may_ask_for_the_request() -> None:
    class Claim(BaseModel):
        text: str = Field(default_factory=lambda: str(require_invoke_context().request_id))

    domain = create_domain(MemoryProvider(), user)
    commands = create_commands(domain[user])

    @commands.on(Claim)
    def claim(command: Claim, _current: Loaded[User]) -> UserEvent:
        return NotesWritten(notes=[command.text])

    api = HttpApi([event_routes(commands, prefix="/users")], settings=Settings())
    claims = {"sub": "u1", "custom:tenant": "acme"}
    assert Answer(api.handle(http_event("POST", "/users/ann/claim", claims=claims), None)).status == 200
    assert domain[user].get_aggregate("ann", tenant="acme").state.last_note == REQUEST_ID


def test_what_the_domain_refuses_is_422_with_its_code(there: Site) -> None:
    answer = there("POST", "/users/ann/create-user", body={"name": "Ann"})
    assert (answer.status, answer.kind, answer.json["detail"]) == (422, "user-exists", "this user exists")
    assert answer.json["written"] == "nothing"


def test_a_mistake_of_the_code_is_none_of_the_clients(there: Site) -> None:
    @there.commands.on(Crash)
    def wrong(_command: Crash, _current: Loaded[User]) -> UserEvent:
        return User("Ann")  # type: ignore[return-value]

    answer = there("POST", "/users/ann/crash")
    assert (answer.status, answer.json["title"]) == (500, "Internal Server Error")
    assert there.stored() == ["created"]


def test_an_id_in_the_body_is_not_that_of_the_path(there: Site) -> None:
    """A handler that looks at another aggregate, whose id the client gave: the path is not what is wrong."""
    answer = there("POST", "/users/ann/greet", body={"other": ""})
    assert (answer.status, answer.fields) == (400, ["aggregate_id"])
    assert there("POST", f"/users/{'x' * 2100}/greet", body={"other": "ann"}).fields == ["id"]


def test_what_crashes_tells_nothing(there: Site) -> None:
    answer = there("POST", "/users/ann/crash")
    assert (answer.status, answer.json["title"]) == (500, "Internal Server Error")
    assert "secret" not in answer.text


def test_a_condition_is_the_version_that_was_decided_on(there: Site) -> None:
    def post(headers: dict[str, str], command: str = "write-notes", who: str = "ann") -> Answer:
        return there("POST", f"/users/{who}/{command}", body={"notes": ["n"], "name": "N"}, headers=headers)

    assert post({"if-match": '"1"'}).json["version"] == 2
    late = post({"if-match": '"1"'})
    assert (late.status, late.kind) == (412, "precondition-failed")
    assert (post({"if-match": '"9"'}).status, post({"if-match": 'W/"2"'}).status) == (412, 412)
    assert post({"if-match": "*"}).json["version"] == 3
    assert post({"if-match": "*"}, who="bob").status == 412
    assert post({"if-none-match": "*"}, "create-user").status == 412
    assert post({"if-none-match": "*"}, "create-user", who="bob").json["version"] == 1
    for headers in ({"if-match": "2"}, {"if-none-match": '"2"'}, {"if-match": '"2"', "if-none-match": "*"}):
        assert post(headers).status == 400, headers
    assert there.stored() == ["created", "notes", "notes"]


def test_somebody_else_who_was_faster_is_409(there: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    append = there.provider.append

    def overtaken(commits: Sequence[Commit], **more: Any) -> None:
        monkeypatch.undo()
        assert there("POST", "/users/ann/write-notes", body={"notes": ["faster"]}).status == 200
        append(commits, **more)

    monkeypatch.setattr(there.provider, "append", overtaken)
    answer = there("POST", "/users/ann/disable-user")
    assert (answer.status, answer.kind, answer.json["written"]) == (409, "version-conflict", "nothing")
    assert there.stored() == ["created", "notes"]
    monkeypatch.setattr(there.provider, "append", overtaken)
    assert there("POST", "/users/ann/disable-user", headers={"if-match": '"2"'}).status == 412


def test_a_condition_is_about_the_aggregate_of_the_path(there: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert there("POST", "/users/bob/create-user", body={"name": "Bob"}).status == 200
    append = there.provider.append

    def overtaken(commits: Sequence[Commit], **more: Any) -> None:
        monkeypatch.undo()
        assert there("POST", "/users/bob/write-notes", body={"notes": ["faster"]}).status == 200
        append(commits, **more)

    monkeypatch.setattr(there.provider, "append", overtaken)
    answer = there("POST", "/users/ann/greet", body={"other": "bob"}, headers={"if-match": '"1"'})
    # Ann is at that version: it is Bob who has moved, whom the command only reads.
    assert (answer.status, answer.kind, answer.json["written"]) == (409, "version-conflict", "nothing")
    assert there.stored() == ["created"]


@pytest.mark.parametrize("body", [{"place": "here"}, {}, None])
@pytest.mark.parametrize("command", ["seal", "sign"])
def test_a_repeat_is_told_by_what_was_sent_not_by_what_defaults_make(
    there: Site, command: str, body: Any
) -> None:
    key = {"idempotency-key": "k-1"}
    first, again = (there("POST", f"/users/ann/{command}", body=body, headers=key) for _ in range(2))
    assert (first.status, again.status, again.json) == (200, 200, first.json)
    other = there("POST", f"/users/ann/{command}", body={"text": "another"}, headers=key)
    assert (other.status, other.kind) == (422, "command-id-reused")
    assert there.stored() == ["created", "notes"]


def test_a_repeated_key_is_one_command_of_its_user(site: Site) -> None:
    key = {"idempotency-key": "k-1"}
    body = {"name": "Ann"}
    first = site("POST", "/users/ann/create-user", body=body, headers=key)
    site("POST", "/users/ann/write-notes", body={"notes": ["n"]})
    again = site("POST", "/users/ann/create-user", body=body, headers={**key, "if-none-match": "*"})
    assert (again.status, again.json, again.headers["ETag"]) == (200, first.json, '"1"')
    other = site("POST", "/users/ann/create-user", body={"name": "Bob"}, headers=key)
    assert (other.status, other.kind) == (422, "command-id-reused")
    assert "ann#" not in other.text
    # Another user's key, and another tenant's, is another one.
    theirs = site("POST", "/users/ann/create-user", body=body, headers=key, user="u2")
    assert (theirs.status, theirs.kind) == (422, "user-exists")
    assert site("POST", "/users/ann/create-user", body=body, headers=key, tenant="beta").status == 200
    assert site(
        "POST", "/users/ann/create-user", body=body, headers={"idempotency-key": "x" * 129}
    ).fields == ["idempotency-key"]


def test_events_are_told_page_by_page(there: Site) -> None:
    there("POST", "/users/ann/write-notes", body={"notes": ["a"], "times": 2}, user="u2")
    page = there("GET", "/users/ann/events", query={"limit": "2"}).json
    first, second = page["items"]
    assert page["lastVersion"] == 2
    assert (first["version"], first["type"], first["userId"], first["event"]) == (
        1,
        "created",
        "u1",
        {"name": "Ann"},
    )
    assert (second["version"], second["userId"]) == (2, "u2")
    rest = there("GET", "/users/ann/events", query={"startFromVersion": "2"}).json
    assert [item["version"] for item in rest["items"]] == [3]
    assert "lastVersion" not in rest
    assert there("GET", "/users/ann/events", query={"startFromVersion": "3"}).json == {"items": []}
    for query in ({"limit": "0"}, {"limit": "101"}, {"startFromVersion": "-1"}, {"limit": "NaN"}):
        assert there("GET", "/users/ann/events", query=query).status == 400


def test_a_page_of_large_events_ends_by_bytes(there: Site) -> None:
    # Each of its characters takes six bytes in the answer.
    large, users = NotesWritten(notes=["\N{SNOWMAN}" * 30_000]), there.domain[user]
    loaded = users.get_aggregate("ann", tenant="acme")
    for _ in range(25):
        loaded = users.append(loaded, large)
    page = there("GET", "/users/ann/events", query={"limit": "100"})
    assert page.status == 200
    assert 10 < len(page.json["items"]) < 25
    assert page.json["lastVersion"] == len(page.json["items"])


def test_events_are_private_unless_they_are_asked_for() -> None:
    site = Site(events=False)
    site("POST", "/users/ann/create-user", body={"name": "Ann"})
    assert site("GET", "/users/ann/events").status == 404
    assert "/users/{id}/events" not in site("GET", "/openapi.json").json["paths"]


def test_an_erased_aggregate_is_gone(there: Site) -> None:
    key = Key("users", "ann", "acme")
    closing = Commit(key=key, first=2, events=(), append_id="a-1", at=clock.now(), closes=True)
    there.provider.erase(key, closing)
    for method, path in (
        ("GET", "/users/ann"),
        ("GET", "/users/ann/events"),
        ("POST", "/users/ann/disable-user"),
    ):
        answer = there(method, path)
        assert (answer.status, answer.kind) == (410, "aggregate-erased"), path
        assert "acme" not in answer.text


def test_a_version_that_a_route_of_ones_own_expects_is_told_without_the_key() -> None:
    problem = problem_of(GapError("users#ann#acme", 9, 2))
    assert (problem.status, problem.code, problem.written) == (409, "version-conflict", "nothing")
    assert problem.detail == "it has only come to version 2; read it and decide again"


def test_a_store_that_is_out_of_reach_is_503(there: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    service = "dynamodb"

    def down(*_: object, **__: object) -> Any:
        raise StoreUnavailableError(service, "Throttled")

    monkeypatch.setattr(there.provider, "read", down)
    for method, path in (("GET", "/users/ann"), ("POST", "/users/ann/disable-user")):
        answer = there(method, path)
        assert (answer.status, answer.kind, answer.json["written"]) == (503, "unavailable", "nothing")
        assert int(answer.headers["Retry-After"]) > 0


def test_roles_are_asked_for() -> None:
    site = Site(read_roles=["reader"], write_roles=["writer"], command_roles={CreateUser: ["creator"]})

    def status(role: str, method: str, path: str) -> int:
        roles = [{"tenant": "acme", "role": role}]
        body = {"name": "Ann", "notes": ["n"]} if method == "POST" else None
        return int(site(method, path, body=body, roles=roles).status)

    assert [status(r, "POST", "/users/ann/create-user") for r in ("writer", "reader", "creator")] == [
        403,
        403,
        200,
    ]
    assert [status(r, "POST", "/users/ann/write-notes") for r in ("creator", "reader", "writer")] == [
        403,
        403,
        200,
    ]
    for path in ("/users/ann", "/users/ann/events"):
        assert [status(r, "GET", path) for r in ("creator", "writer", "reader", "system_admin")] == [
            403,
            403,
            200,
            200,
        ]


def test_commands_may_be_left_out_and_called_otherwise() -> None:
    site = Site(without=[Crash, Greet, Seal, Sign], names={CreateUser: "create"})
    paths = site("GET", "/openapi.json").json["paths"]
    assert {path for path, found in paths.items() if "post" in found} == {
        "/users/{id}/create",
        "/users/{id}/disable-user",
        "/users/{id}/write-notes",
    }
    assert site("POST", "/users/ann/create", body={"name": "Ann"}).status == 200


class Twice:
    class CreateUser(BaseModel):
        pass


class NoBody:
    pass


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"prefix": "users"}, "prefix must begin with a slash"),
        ({"prefix": "/users/"}, "write '/users'"),
        ({"names": {CreateUser: "Create User"}}, "lower-case letters, digits and -"),
        ({"names": {CreateUser: "crash"}}, "are both 'crash' in paths"),
        ({"without": [NoBody]}, "without: "),
        ({"command_roles": {NoBody: ["admin"]}}, "command_roles: "),
        ({"command_roles": {CreateUser: "admin"}}, "must be a list of names, got 'admin'"),
        ({"write_roles": "admin"}, "write_roles must be a list of names"),
    ],
)
def test_what_cannot_work_is_refused_when_the_routes_are_made(options: dict[str, Any], told: str) -> None:
    commands = commands_of(create_domain(MemoryProvider(), user))
    with pytest.raises(ConfigurationError) as raised:
        event_routes(commands, **{"prefix": "/users", **options})
    assert told in str(raised.value)


def test_commands_have_to_be_registered_before_the_routes_are_made() -> None:
    commands = create_commands(create_domain(MemoryProvider(), user)[user])
    with pytest.raises(ConfigurationError, match="no command is registered for 'users' yet"):
        event_routes(commands, prefix="/users")


def test_two_commands_of_one_name_are_told_apart() -> None:
    commands = commands_of(create_domain(MemoryProvider(), user))
    commands.on(Twice.CreateUser)(lambda _command, _current: None)
    with pytest.raises(ConfigurationError, match=r"CreateUser and Twice\.CreateUser are both 'create-user'"):
        event_routes(commands, prefix="/users")
    event_routes(commands, prefix="/users", names={Twice.CreateUser: "again"})


def test_a_command_that_is_no_body_is_refused() -> None:
    commands = commands_of(create_domain(MemoryProvider(), user))
    commands.on(NoBody)(lambda _command, _current: None)
    with pytest.raises(ConfigurationError, match="NoBody: a command that comes over HTTP must be"):
        event_routes(commands, prefix="/users")
    event_routes(commands, prefix="/users", without=[NoBody])


# The document


def schema_of(document: dict[str, Any], place: Any) -> Any:
    while "$ref" in place:
        place = document["components"]["schemas"][place["$ref"].rpartition("/")[2]]
    return place


def test_the_document_describes_commands_states_and_events(site: Site) -> None:
    document = site("GET", "/openapi.json").json
    create = document["paths"]["/users/{id}/create-user"]["post"]
    assert (create["operationId"], create["summary"], create["tags"]) == (
        "users_create-user",
        "Create a user",
        ["users"],
    )
    assert create["requestBody"]["required"] is True
    body = schema_of(document, create["requestBody"]["content"]["application/json"]["schema"])
    assert (body["required"], body["properties"]["name"]["minLength"]) == (["name"], 1)
    assert {parameter["name"] for parameter in create["parameters"]} == {
        "id",
        "If-Match",
        "If-None-Match",
        "idempotency-key",
        "x-tenant-code",
    }
    assert set(create["responses"]) == {"200", "403", "409", "410", "412", "422", "default"}
    assert "ETag" in create["responses"]["200"]["headers"]
    notes = document["paths"]["/users/{id}/write-notes"]["post"]
    assert notes["summary"] == "Write notes. They are never deleted"
    disable = document["paths"]["/users/{id}/disable-user"]["post"]
    assert disable["summary"] == "Disable user"
    assert not disable["requestBody"].get("required")

    found = document["paths"]["/users/{id}"]["get"]
    answer = schema_of(document, found["responses"]["200"]["content"]["application/json"]["schema"])
    state = schema_of(document, answer["properties"]["state"])
    assert set(state["properties"]) == {"full_name", "is_enabled", "last_note"}
    page = document["paths"]["/users/{id}/events"]["get"]
    page = schema_of(document, page["responses"]["200"]["content"]["application/json"]["schema"])
    kinds = page["properties"]["items"]["items"]["discriminator"]["mapping"]
    assert set(kinds) == {"created", "disabled", "off", "notes"}
    created = schema_of(document, schema_of(document, {"$ref": kinds["created"]})["properties"]["event"])
    assert set(created["properties"]) == {"name"}


def test_two_aggregates_are_in_one_document() -> None:
    class PostCreated(Event, type="created"):
        text: str

    class Post(BaseModel):
        text: str = ""

    post: Aggregate[PostCreated, Post] = create_aggregate(
        stream="my posts",
        events=[PostCreated],
        create=Post,
        fold=lambda event, _post, _meta: Post(text=event.text),
    )
    domain = create_domain(MemoryProvider(), user, post)
    posts = create_commands(domain[post])

    class CreateUser(BaseModel):  # the name of another one's command
        text: str

    posts.on(CreateUser)(lambda command, _current: PostCreated(text=command.text))
    routes = [
        event_routes(commands_of(domain), prefix="/users", events=True),
        event_routes(posts, prefix="/posts", events=True),
        event_routes(posts, prefix="/articles"),
    ]
    api = HttpApi(routes, settings=Settings())
    claims = {"sub": "u1", "custom:tenant": "acme"}
    document = Answer(api.handle(http_event("GET", "/openapi.json", claims=claims), None)).json
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(ids)) == len(ids)
    assert {"users_get", "my_posts_get", "my_posts_articles_get"} <= set(ids)
    bodies = {
        path: schema_of(document, found["post"]["requestBody"]["content"]["application/json"]["schema"])
        for path, found in document["paths"].items()
        if path.endswith("create-user")
    }
    assert set(bodies["/posts/{id}/create-user"]["properties"]) == {"text"}
    assert set(bodies["/users/{id}/create-user"]["properties"]) == {"name"}
