"""Events on the deployed stack: from a command over HTTP to what handlers have made of them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import DynamoProvider, Event, Resources, Settings, create_aggregate, create_domain
from tests.e2e.shelves import LARGE, MODULE, Shelves
from tests.support.polling import wait_until
from tests.support.program import Program

if TYPE_CHECKING:
    from runtime import Aggregate
    from tests.e2e.deployment import Deployment

ONE = ["--module", MODULE, "--handler", "catalogue"]


@pytest.fixture
def shelves(deployment: Deployment) -> Shelves:
    return Shelves(deployment)


@pytest.fixture
def cqrs(deployment: Deployment) -> Program:
    function = deployment.outputs["OperatorFunctionName"]
    return Program({**deployment.emulator.environment, "CQRS_FUNCTION_NAME": function})


@pytest.fixture
def book() -> str:
    return f"B{uuid.uuid4().hex[:10]}"


class Acquired(Event, type="acquired"):
    title: str
    text: str
    fails: int


class Follower:
    """A process that is no function of the stack, and has a handler over books."""

    def __init__(self, deployment: Deployment) -> None:
        environment = deployment.function_environment("api") | deployment.emulator.environment
        provider = DynamoProvider(MODULE, Resources(Settings.from_environment(environment)))
        books: Aggregate[Acquired, dict[str, Any]] = create_aggregate(
            stream="books", events=[Acquired], create=dict, fold=lambda _event, state, _meta: state
        )
        self.seen: list[str] = []
        self._handler = create_domain(provider, books).create_handler("follower", [books])
        self._handler.handle(books, Acquired, lambda book, *_: self.seen.append(book))

    def run(self) -> None:
        self._handler.run_once()


def test_a_query_shows_what_the_caller_has_done(deployment: Deployment, shelves: Shelves, book: str) -> None:
    mine = {"min-version": f"{book}@1"}
    with deployment.stream_held(MODULE, "events"):
        made = shelves.do(f"books/{book}/acquire-book", title="Emma")
        assert (made.status_code, made.headers["etag"]) == (200, '"1"')
        assert made.json() == {"id": book, "version": 1}
        behind = deployment.request("GET", "/catalogue", params={"wait": 0}, headers=mine)
        assert (behind.status_code, "retry-after" in behind.headers) == (503, True)
        assert behind.json()["type"].endswith("read-model-behind")
        assert book not in deployment.request("GET", "/catalogue").json()
    shown = deployment.request("GET", "/catalogue", headers=mine)
    assert (shown.status_code, shown.json()[book]) == (200, "Emma")
    found = deployment.request("GET", f"/books/{book}")
    assert (found.headers["etag"], found.json()["state"]) == (
        '"1"',
        {"title": "Emma", "pages": 0, "reader": None},
    )
    unchanged = deployment.request("GET", f"/books/{book}", headers={"if-none-match": '"1"'})
    assert unchanged.status_code == 304
    (event,) = deployment.request("GET", f"/books/{book}/events").json()["items"]
    assert (event["type"], event["event"]["title"]) == ("acquired", "Emma")
    assert book in deployment.request("GET", "/inventory").json()


def test_what_a_command_goes_by_is_checked(shelves: Shelves, book: str) -> None:
    once = {"idempotency-key": book, "if-none-match": "*"}
    lend = f"books/{book}/lend-book"
    answers = [shelves.do(f"books/{book}/acquire-book", once, title="Emma") for _ in range(2)]
    assert [(answer.status_code, answer.headers["etag"]) for answer in answers] == [(200, '"1"')] * 2
    another = shelves.do(f"books/{book}/acquire-book", once, title="Persuasion")
    assert another.status_code == 422
    assert "idempotency" in another.text.lower()
    for headers in ({"if-match": '"7"'}, {"if-none-match": "*"}):
        stale = shelves.do(lend, headers, reader="nobody")
        assert stale.status_code == 412, stale.text
    refused = shelves.do(lend, {"if-match": '"1"'}, reader=f"{book}x")
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (422, "no-such-reader")
    assert shelves.do(f"books/{book}/return-book").json()["version"] == 1
    assert [row["events"] for row in shelves.commits(shelves.pk(book))] == [
        '[["acquired",{"title":"Emma","text":"","fails":0}]]'
    ]


def test_a_reaction_acts_once_though_its_process_dies(
    deployment: Deployment, shelves: Shelves, book: str
) -> None:
    reader = f"{book}r"
    shelves.do(f"readers/{reader}/join", name="Ann")
    shelves.acquire(book)
    assert shelves.do(f"books/{book}/lend-book", reader=reader, dies=1).status_code == 200
    shelves.wait_until_seen("catalogue", book, 1, 2)
    caused_by = f"{shelves.pk(book)}@2"
    wait_until(lambda: shelves.cursor(shelves.pk(book), "loans@1").get("version") == 2, seconds=30)
    assert deployment.tries(f"loans {caused_by}") == 2
    (_, lent), (_, counted) = (
        shelves.commits(shelves.pk(book)),
        shelves.commits(shelves.pk(reader, "readers")),
    )
    assert counted["events"] == f'[["loan-counted",{{"book":"{book}"}}]]'
    assert counted["cause"] == caused_by
    assert counted["corr"] == lent["corr"]
    state = deployment.request("GET", f"/readers/{reader}").json()["state"]
    assert state == {"name": "Ann", "loans": 1}
    assert deployment.request("POST", f"/readers/{reader}/count-loan", json={"book": book}).status_code == 404


def test_tenants_are_apart(deployment: Deployment, shelves: Shelves, book: str) -> None:
    shelves.acquire(book, title="planted-book-77aa")
    shelves.wait_until_seen("catalogue", book, 1)
    other = deployment.of_another_tenant()
    for headers in ({}, {"x-tenant-code": "acme"}, {"min-version": f"{book}%23acme@1"}):
        for path in (f"/books/{book}", f"/books/{book}%23acme", f"/books/{book}/events", "/catalogue"):
            answer = other.request("GET", path, headers=headers)
            assert answer.status_code < 500, (path, headers, answer.text)
            assert "planted" not in answer.text, (path, headers)
        assert book not in other.request("GET", "/inventory", headers=headers).text
    taken = other.request("POST", f"/books/{book}/return-book", headers={"x-tenant-code": "acme"}, json={})
    assert taken.status_code == 403
    # The same id is another aggregate, which begins at 1.
    theirs = Shelves(other)
    theirs.acquire(book, title="Theirs")
    mine = other.request("GET", "/catalogue", headers={"min-version": f"{book}@1"})
    assert mine.json() == {book: "Theirs"}
    assert len(shelves.commits(shelves.pk(book))) == 1


def test_what_fails_is_parked_and_healed(
    deployment: Deployment, shelves: Shelves, cqrs: Program, book: str
) -> None:
    pk = shelves.pk(book)
    shelves.acquire(book, fails=1000)
    shelves.do(f"books/{book}/lend-book", reader="nobody")
    parked = shelves.wait_until_parked(book)
    assert (parked["parkedVersion"], parked.get("version")) == (1, None)
    # What is parked is in nobody's way: neither in that of other books, nor of other handlers.
    shelves.acquire(f"{book}next")
    shelves.wait_until_seen("catalogue", f"{book}next", 1)
    shelves.wait_until_seen("ledger 1", book, 1)
    behind = deployment.request("GET", "/catalogue", headers={"min-version": f"{book}@1"})
    assert behind.status_code == 503
    assert behind.json()["detail"].endswith("somebody has to look at it")

    status = cqrs("status", "--json", "--module", MODULE, code=1).document
    (module,) = status["modules"]
    (entry,) = [one for one in module["parked"] if one["pk"] == pk]
    assert (entry["handler"], entry["parkedVersion"]) == ("catalogue@1", 1)
    assert entry["error"].startswith("RuntimeError: try ")
    assert deployment.seen("catalogue", book) == []
    (planned,) = cqrs("redrive", pk, *ONE, "--dry-run", "--json").document["results"]
    assert (planned["done"], planned["parkedVersion"]) == ([1], 1)
    (failed,) = cqrs("redrive", pk, *ONE, "--json", code=1).document["results"]
    assert (failed["done"], failed["parkedVersion"]) == ([], 1)
    deployment.heal(f"{pk}@1")
    (healed,) = cqrs("redrive", pk, *ONE, "--json").document["results"]
    assert (healed["done"], healed["parkedVersion"]) == ([1], None)
    assert shelves.seen("catalogue", book) == [1]


def test_what_can_never_pass_is_skipped(shelves: Shelves, cqrs: Program, book: str) -> None:
    pk, reader = shelves.pk(book), f"{book}r"
    shelves.acquire(book, fails=1000)
    shelves.wait_until_parked(book)
    shelves.do(f"readers/{reader}/join", name="Ann")
    shelves.do(f"books/{book}/lend-book", reader=reader)
    shelves.wait_until_seen("ledger 1", book, 1, 2)
    assert shelves.seen("catalogue", book) == []
    (skipped,) = cqrs("skip", pk, *ONE, "--yes", "--json").document["results"]
    assert (skipped["skipped"], skipped["done"], skipped["parkedVersion"]) == (1, [2], None)
    assert shelves.seen("catalogue", book) == [2]
    shown = cqrs("show", pk, "--module", MODULE, "--json").document
    cursors = {one["handler"]: (one["version"], len(one["skipped"])) for one in shown["cursors"]}
    assert (cursors["catalogue@1"], cursors["ledger@1"]) == ((2, 1), (2, 0))


def test_operators_see_what_is_stored(shelves: Shelves, cqrs: Program, book: str) -> None:
    pk = shelves.pk(book)
    shelves.acquire(book, title="Emma")
    shelves.do(f"books/{book}/lend-book", reader=f"{book}r")  # refused: there is no such reader
    # More than fits into a row: the events are in the bucket, and whoever reads them gets them from there.
    shelves.acquire(f"{book}large", pages=LARGE)
    (row,) = shelves.commits(shelves.pk(f"{book}large"))
    assert row["events"].startswith("s3://")
    found = shelves.deployment.request("GET", f"/books/{book}large").json()
    assert found["state"]["pages"] == LARGE
    shelves.wait_until_seen("catalogue", f"{book}large", 1)

    words = ["--module", MODULE, "--json"]
    (listed,) = cqrs("events", "list", *words, "--stream", "books").document["modules"]
    assert (pk, 1, False) in [(one["pk"], one["version"], one["isErased"]) for one in listed["aggregates"]]
    (event,) = cqrs("events", "list", pk, *words).document["events"]
    assert (event["version"], event["type"]) == (1, "acquired")
    shown = cqrs("events", "show", pk, "1", *words).document
    assert shown["body"] == {"title": "Emma", "text": "", "fails": 0}
    assert shown["problem"] is None
    (verified,) = cqrs("events", "verify", shelves.pk(f"{book}large"), *words).document["modules"]
    assert (verified["aggregates"], verified["events"], verified["problemsTotal"]) == (1, 1, 0)
    (whole,) = cqrs("events", "verify", *words).document["modules"]
    assert (whole["aggregates"] >= 2, whole["problems"]) == (True, [])


def test_a_read_model_is_built_anew(shelves: Shelves, cqrs: Program, book: str) -> None:
    shelves.acquire(book)
    shelves.wait_until_seen("ledger 1", book, 1)
    assert cqrs("handlers", "build", "ledger", "--json").document["building"] == 2
    early = cqrs("handlers", "rebuild", "ledger", "--json", code=4).document["error"]
    assert "scan in" in early["message"]
    shelves.age_build("ledger", timedelta(seconds=61))
    (rebuilt,) = cqrs("handlers", "rebuild", "ledger", "--segments", "2", "--json").document["modules"]
    assert rebuilt["parked"] == 0
    assert rebuilt["aggregates"] >= 1
    assert shelves.seen("ledger 2", book) == [1]
    assert cqrs("handlers", "switch", "ledger", "--json").document["live"] == 2
    assert cqrs("handlers", "retire", "ledger", "--json").document["retiring"] is None
    listed = {
        one["handler"]: one
        for one in cqrs("handlers", "list", "--module", MODULE, "--json").document["handlers"]
    }
    assert set(listed) == {"catalogue", "ledger", "loans", "board"}
    assert [listed["ledger"][name] for name in ("live", "building", "retiring")] == [2, None, None]
    assert shelves.seen("ledger 1", book) == [1]


def test_a_service_is_done_with_an_event_before_the_invocation_ends(
    deployment: Deployment, shelves: Shelves, book: str
) -> None:
    def post(notice_id: str, **notice: Any) -> int:
        body = {"version": 1, "notice": {"text": "Closed", **notice}}
        return deployment.request("POST", f"/notices/{notice_id}", json=body).status_code

    failing, dying = f"{book}failing", f"{book}dying"
    with deployment.stream_held(MODULE, "events"):
        assert post(book) == 200
        assert shelves.seen("board", book) == [1]  # nobody has waited for it, and the stream has not done it
        assert post(failing, fails=1) == 200
        assert post(dying, dies=1) >= 500
        assert shelves.seen("board", failing) == shelves.seen("board", dying) == []
        shelves.end_claim(shelves.pk(dying, "notices"), "board@1")
    # What the process has lost, the stream does, once the time is up for which it had the turn.
    shelves.wait_until_seen("board", failing, 1)
    shelves.wait_until_seen("board", dying, 1)
    assert shelves.seen("board", book) == [1]
    assert post(book) == 409
    assert len(shelves.commits(shelves.pk(book, "notices"))) == 1


def test_a_process_elsewhere_follows_what_is_appended(
    deployment: Deployment, shelves: Shelves, book: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of Lambda a handler pulls, by the index that the module has for that."""
    for name, value in deployment.emulator.environment.items():
        monkeypatch.setenv(name, value)
    follower = Follower(deployment)
    shelves.acquire(book)
    follower.run()
    assert follower.seen.count(book) == 1
    follower.run()
    assert follower.seen.count(book) == 1
    shelves.acquire(f"{book}next")
    another = Follower(deployment)  # which goes on where the first one is
    another.run()
    assert another.seen == [f"{book}next"]


def test_every_function_has_the_module(deployment: Deployment) -> None:
    for kind in ("api", "stream", "worker", "notifier", "projector", "operator"):
        assert deployment.check(kind) == {"problems": []}, kind
    modules = {module["name"]: module for module in deployment.operate("modules")["modules"]}
    assert modules[MODULE]["handlers"] == ["catalogue", "ledger", "loans", "board"]
