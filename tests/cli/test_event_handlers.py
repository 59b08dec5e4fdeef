"""`cqrs handlers`, and what the other commands say of modules that keep events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from constructs_lib.cli.commands import handlers
from constructs_lib.cli.resume import Position
from runtime.entry.operator.scope import Scope
from tests.cli.direct import Direct
from tests.operations.blog import ERROR, TEXT, Blog

if TYPE_CHECKING:
    from tests.support.clock import AdvancedClock

PK = "posts#p1#acme"
NAME = "posts-model"


@pytest.fixture
def blog() -> Blog:
    return Blog()


@pytest.fixture
def cqrs(blog: Blog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Direct:
    return Direct(lambda: Scope({}, blog.resources, {"blog": blog.module}), monkeypatch, capsys)


def test_a_read_model_is_built_anew_step_by_step(blog: Blog, cqrs: Direct, later: AdvancedClock) -> None:
    for number in range(3):
        blog.write(f"p{number}", changes=1)
    assert "posts-model - - - - - - - -" in " ".join(cqrs("handlers", "list").lines)
    blog.feed()
    built = cqrs("handlers", "build", NAME)
    assert built.code == 0
    assert built.err.endswith(f"in a minute, when all functions feed it: cqrs handlers rebuild {NAME}\n")
    early = cqrs("handlers", "rebuild", NAME)
    assert (early.code, "scan in 60 seconds" in early.err) == (4, True)
    later.advance(61)
    rebuilt = cqrs("handlers", "rebuild", NAME, "--segments", "2", "--json")
    assert rebuilt.json["modules"] == [
        {
            "module": "blog",
            "aggregates": 3,
            "events": 6,
            "parked": 0,
            "unreadable": [],
            "unreadableTotal": 0,
        }
    ]
    (entry,) = cqrs("handlers", "list", "--json").json["handlers"]
    assert (entry["live"], entry["building"]) == (1, 2)
    assert [entry["scan"][name] for name in ("done", "total", "aggregates", "events")] == [2, 2, 3, 6]
    assert "2 of 2 segments" in cqrs("handlers", "list").out
    switched = cqrs("handlers", "switch", NAME)
    assert "when no query looks at generation 1 any more: cqrs handlers retire posts-model" in switched.err
    assert cqrs("handlers", "retire", NAME, "--json").json["retiring"] is None
    again = cqrs("handlers", "retire", NAME)
    assert (again.code, "no generation was live before 2" in again.err) == (4, True)


def test_what_makes_no_sense_is_shown_and_switched_over_on_demand(
    blog: Blog, cqrs: Direct, later: AdvancedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.event_store.feed.rebuild.back_off", lambda *_, **__: later.advance(10))
    for number in range(3):
        blog.write(f"p{number}")
    blog.feed()
    blog.damage("p1")
    blog.operate("buildHandler", handler=NAME)
    later.advance(61)
    rebuilt = cqrs("handlers", "rebuild", NAME, "--json")
    (module,) = rebuilt.json["modules"]
    assert (rebuilt.code, module["aggregates"], module["events"], module["parked"]) == (1, 3, 2, 1)
    assert (module["unreadable"], module["unreadableTotal"]) == ([PK], 1)
    listing = cqrs("handlers", "list")
    assert f"What posts-model was not shown, as it makes no sense: {PK}" in listing.lines
    assert PK in cqrs("handlers", "rebuild", NAME).out
    refused = cqrs("handlers", "switch", NAME)
    assert (refused.code, f"is parked at {PK}" in refused.err) == (4, True)
    assert cqrs("handlers", "switch", NAME, "--incomplete", "--json").json["live"] == 2


def test_a_rebuild_goes_on_where_it_was_interrupted(blog: Blog, cqrs: Direct) -> None:
    for number in range(3):
        blog.write(f"p{number}")
    blog.failing = {("p1", 1)}
    first = blog.operate("rebuildHandler", handler=NAME)
    blog.failing = set()
    token = str(Position("rebuildHandler", "blog", page=first["resumeToken"]))
    ended = cqrs("handlers", "rebuild", NAME, "--resume", token, "--json")
    assert (ended.code, ended.json["modules"][0]["events"]) == (0, 1)
    wrong = cqrs("handlers", "rebuild", NAME, "--resume", "resync:blog:0/1")
    assert (wrong.code, "goes on a resync, not a rebuildHandler" in wrong.err) == (2, True)


def test_a_read_model_that_is_out_of_reach_ends_the_rebuild(
    blog: Blog, cqrs: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_MOST_IN_VAIN", 2)
    for number in range(3):
        blog.write(f"p{number}")
    blog.failing = {(f"p{number}", 1) for number in range(3)}
    ended = cqrs("handlers", "rebuild", NAME)
    assert ended.code == 4
    assert "posts-model fails at each of 3 aggregates" in ended.err
    assert f"to go on: cqrs handlers rebuild {NAME}" in ended.err
    assert "--resume rebuildHandler:blog:0/1" in ended.err


def test_status_tells_of_both_kinds_of_modules(blog: Blog, cqrs: Direct) -> None:
    blog.write("p0")
    blog.write("p1", changes=1)
    blog.feed()
    blog.write("p2")
    fine = cqrs("status", "--json")
    (module,) = fine.json["modules"]
    assert (module["mode"], module["handlers"], module["laggingTotal"], module["behindTotal"]) == (
        "events",
        [NAME],
        0,
        1,
    )
    assert fine.code == 0
    blog.park("p1", 2, done=1)
    blog.park("p2", 1, whose="old-model@3")
    ended = cqrs("status", "--json")
    assert ended.code == 1
    (module,) = ended.json["modules"]
    assert [(one["pk"], one["handler"], one["parkedVersion"]) for one in module["parked"]] == [
        (PK, "posts-model@1", 2)
    ]
    assert [(one["pk"], one["handler"]) for one in module["gone"]] == [("posts#p2#acme", "old-model@3")]
    assert [(one["what"], one["count"]) for one in ended.json["attention"]] == [("parked", 1), ("gone", 1)]
    lines = cqrs("status").lines
    assert any(line.startswith(f"blog {PK} - posts-model@1 2 ") for line in lines)
    assert any(line.startswith("blog events ~4 1 0 1 1 posts-model") for line in lines)


def test_an_aggregate_of_events_is_shown_by_its_key(blog: Blog, cqrs: Direct) -> None:
    blog.write(changes=2)
    blog.feed()
    blog.park("p1", 3, done=2)
    shown = cqrs("show", PK)
    assert (shown.code, shown.lines[:2]) == (0, [f"blog {PK}", "at version 3"])
    assert any(line.startswith("2 changed yes ") for line in shown.lines)
    assert any(line.startswith("posts-model@1 2 3 ") and ERROR in line for line in shown.lines)
    assert TEXT not in shown.out
    assert f'"text": "{TEXT}",' in cqrs("show", PK, "--raw").lines
    assert cqrs("show", PK, "--raw", "--json").json["state"]["changes"] == 2
    wrong = cqrs("show", PK, "A1")
    assert (wrong.code, "sk: is no argument of show" in wrong.err) == (4, True)
    blog.erase()
    assert "erased" in cqrs("show", PK).lines


def test_a_parked_handler_is_redriven(blog: Blog, cqrs: Direct) -> None:
    blog.write(changes=2)
    blog.park("p1", 2, done=1)
    planned = cqrs("redrive", PK, "--dry-run")
    assert any(line.startswith(f"blog {PK} - posts-model@1 2-3 - 2 ") for line in planned.lines)
    assert blog.seen == []
    ended = cqrs("redrive", PK, "--handler", NAME, "--json")
    assert (ended.code, ended.json["healed"], ended.json["results"][0]["done"]) == (0, 1, [2, 3])
    assert cqrs("redrive", PK).code == 4


def test_all_that_is_parked_is_redriven(blog: Blog, cqrs: Direct) -> None:
    for number in range(3):
        blog.write(f"p{number}", changes=1)
        blog.park(f"p{number}", 2, done=1)
    blog.park("p2", 1, whose="old-model@1")
    blog.failing = {("p1", 2)}
    ended = cqrs("redrive", "--all", "--json")
    assert (ended.code, ended.json["healed"], ended.json["parkedAgain"]) == (1, 2, 1)
    blog.failing = set()
    assert cqrs("redrive", "--all", "--handler", "posts-model@1").code == 0
    assert cqrs("redrive", "--all", "--handler", NAME).lines == ["Nothing is parked."]
    assert cqrs("redrive", "--all", "--handler", "old-model").code == 4


def test_an_event_is_skipped_and_a_cursor_dropped(blog: Blog, cqrs: Direct) -> None:
    blog.write(changes=1)
    blog.park("p1", 1)
    assert cqrs("skip", PK).code == 2  # nobody has confirmed it
    ended = cqrs("skip", PK, "--yes", "--json")
    assert (ended.json["results"][0]["skipped"], ended.json["results"][0]["done"]) == (1, [2])
    blog.park("p1", 2, whose="old-model@1")
    dropped = cqrs("drop", PK, "--handler", "old-model@1", "--json")
    assert (dropped.code, dropped.json["parkedVersion"]) == (0, 2)
    assert json.loads(cqrs("status", "--json").out)["attention"] == []


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("handlers", 2, "ACTION"),
        ("handlers build", 2, "HANDLER"),
        ("handlers retire posts-model --generation 0", 2, "--generation: must be a whole number from 1"),
        ("handlers build users-model", 4, "no module that was chosen has the event handler 'users-model'"),
        ("handlers list --module todo", 4, "the service has no module 'todo'; it has blog"),
        ("handlers switch posts-model", 4, "no generation is being built"),
        ("redrive", 2, "PK and SK: name the aggregate, or give --all"),
        (f"redrive {PK} --handler users-model", 4, "must be one of the handlers of blog, posts-model"),
        ("show", 2, "PK"),
    ],
)
def test_what_is_wrong_is_named(blog: Blog, cqrs: Direct, line: str, code: int, told: str) -> None:
    blog.feed()
    ended = cqrs(*line.split())
    assert (ended.code, told in ended.err) == (code, True), ended.err
