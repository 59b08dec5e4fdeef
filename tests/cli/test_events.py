"""`cqrs events`: what people and scripts see of stored events."""

from __future__ import annotations

import pytest

from constructs_lib.cli.resume import Position
from runtime.entry.operator.scope import Scope
from runtime.event_store.commits.commit import StoredEvent
from runtime.store.port import Delete
from runtime.store.values import Place
from tests.cli.direct import Direct
from tests.operations.blog import TEXT, Blog

PK = "posts#p1#acme"


@pytest.fixture
def blog() -> Blog:
    return Blog()


@pytest.fixture
def cqrs(blog: Blog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Direct:
    return Direct(lambda: Scope({}, blog.resources, {"blog": blog.module}), monkeypatch, capsys)


def test_the_events_of_an_aggregate_are_listed(blog: Blog, cqrs: Direct) -> None:
    blog.write(changes=2)
    ended = cqrs("events", "list", PK)
    assert ended.code == 0
    assert ended.lines[0] == f"blog {PK}"
    shown = [line.split() for line in ended.lines if line[:1].isdecimal()]
    assert [(line[0], line[1], line[-1]) for line in shown] == [
        ("1", "created", "0"),
        ("2", "changed", "0"),
        ("3", "changed", "0"),
    ]
    assert TEXT not in ended.out


def test_a_long_list_says_how_to_go_on(blog: Blog, cqrs: Direct) -> None:
    blog.write(changes=29)
    ended = cqrs("events", "list", PK)
    assert sum(line[:1].isdecimal() for line in ended.lines) == 20
    assert ended.lines[-1] == "… and more; --after 20 goes on, and --list N shows more at once"
    rest = cqrs("events", "list", PK, "--after", "20", "--json").json
    assert [one["version"] for one in rest["events"]] == list(range(21, 31))
    assert rest["after"] is None
    few = cqrs("events", "list", PK, "--list", "3", "--json").json
    assert ([one["version"] for one in few["events"]], few["after"]) == ([1, 2, 3], 3)
    assert cqrs("events", "list", PK, "--list", "0").code == 0


def test_aggregates_are_listed(blog: Blog, cqrs: Direct) -> None:
    for number in range(3):
        blog.write(f"p{number}", changes=number)
    blog.write("p1", tenant="beta")
    (module,) = cqrs("events", "list", "--json").json["modules"]
    assert {one["pk"]: one["version"] for one in module["aggregates"]} == {
        "posts#p0#acme": 1,
        "posts#p1#acme": 2,
        "posts#p2#acme": 3,
        "posts#p1#beta": 1,
    }
    assert (module["aggregatesTotal"], module["scanned"]) == (4, 7)
    (module,) = cqrs("events", "list", "--tenant", "beta", "--stream", "posts", "--json").json["modules"]
    assert [one["pk"] for one in module["aggregates"]] == ["posts#p1#beta"]
    ended = cqrs("events", "list", "--segments", "2", "--list", "1")
    assert "… and 3 more; --list 4 shows them all" in ended.lines


def test_what_makes_no_sense_is_listed_with_what_is_wrong(blog: Blog, cqrs: Direct) -> None:
    blog.write("p1")
    assert "problem" not in cqrs("events", "list").out
    blog.damage("p1")
    listed = cqrs("events", "list")
    assert "the commit posts#p1#acme 0000000001 makes no sense" in " ".join(listed.lines)
    assert cqrs("events", "verify").code == 1


def test_one_event_is_shown_whole(blog: Blog, cqrs: Direct) -> None:
    blog.write(changes=1)
    ended = cqrs("events", "show", PK, "2")
    assert ended.code == 0
    assert f'"text": "{TEXT}"' in ended.lines
    assert "keeps the state yes" in ended.lines
    assert cqrs("events", "show", PK, "2", "--json").json["body"] == {"text": TEXT}
    blog.append(StoredEvent("changed", {"text": 5}), first=3)
    assert "Today's code does not read it: " in cqrs("events", "show", PK, "3").out
    missing = cqrs("events", "show", PK, "9")
    assert (missing.code, "no such version of it" in missing.err) == (4, True)


def test_what_was_erased_is_shown_as_that(blog: Blog, cqrs: Direct) -> None:
    blog.write(changes=1)
    blog.erase()
    lines = cqrs("events", "list", PK).lines
    assert any(line.startswith("1 created (erased)") for line in lines)
    assert any(line.startswith("3 closed") for line in lines)
    assert "erased" in cqrs("events", "show", PK, "1").lines
    assert cqrs("events", "show", PK, "3").code == 0


def test_a_check_finds_what_is_wrong(blog: Blog, cqrs: Direct) -> None:
    for number in range(3):
        blog.write(f"p{number}", changes=1)
    ended = cqrs("events", "verify")
    assert (ended.code, "blog 3 6 6 0 0" in ended.lines) == (0, True)
    blog.store.write(Delete(place=Place(blog.table, PK, f"{1:010}")))
    ended = cqrs("events", "verify", "--page-size", "1")
    assert ended.code == 1
    assert "Wrong in blog" in ended.lines
    assert any(line.startswith(f"{PK} 1 CorruptStreamError") for line in ended.lines)
    (module,) = cqrs("events", "verify", "--json").json["modules"]
    assert (module["problemsTotal"], module["aggregates"]) == (1, 3)
    assert cqrs("events", "verify", PK).code == 1
    assert cqrs("events", "verify", "posts#p0#acme").code == 0


def test_an_interrupted_check_goes_on_where_it_was(blog: Blog, cqrs: Direct) -> None:
    for number in range(4):
        blog.write(f"p{number}", changes=1)
    first = cqrs("events", "verify", "--page-size", "2", "--segments", "1", "--json")
    tokens = [event["resumeToken"] for event in cqrs.asked if event.get("resumeToken")]
    assert first.json["resume"] == []
    # What an interruption would have printed after the second page.
    token = str(Position("verifyEvents", "blog", page=tokens[1]))
    (module,) = cqrs("events", "verify", "--resume", token, "--json").json["modules"]
    assert module["aggregates"] == 2


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("events", 2, "ACTION"),
        ("events destroy", 2, "'destroy'"),
        (f"events show {PK}", 2, "VERSION"),
        (f"events show {PK} 0", 2, "must be a whole number from 1 to"),
        ("events list --after 3", 2, "--after: is for the events of one aggregate"),
        (f"events list {PK} --tenant acme", 2, "--tenant: leave it out, or leave out PK"),
        (f"events verify {PK} --segments 2", 2, "--segments: leave it out, or leave out PK"),
        ("events list posts", 4, "pk: must be stream#id#tenant, got 'posts'"),
        ("events list --stream users", 4, "stream: must be one of posts, got 'users'"),
        ("events list --module todo", 4, "the service has no module 'todo'; it has blog"),
        ("reconcile --module blog", 4, "'blog' keeps events; this is for those that keep commands"),
        ("reconcile", 4, "the service has no module that keeps commands; it has blog"),
        ("resync", 4, "the service has no module that keeps commands"),
    ],
)
def test_what_is_wrong_is_named(cqrs: Direct, line: str, code: int, told: str) -> None:
    ended = cqrs(*line.split())
    assert (ended.code, told in ended.err) == (code, True), ended.err
