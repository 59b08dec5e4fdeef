"""What operators see of event handlers, and how they repair and rebuild them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime.event_store.address import Key
from runtime.event_store.event_module import EventModule
from runtime.event_store.feed.cursors import CursorKey
from tests.operations.blog import ERROR, TEXT, Blog, TextChanged, post_with

if TYPE_CHECKING:
    from tests.support.clock import AdvancedClock

PK = "posts#p1#acme"
PARKED_FIELDS = ("pk", "handler", "version", "parkedVersion")


@pytest.fixture
def blog() -> Blog:
    return Blog()


def error_of(answer: dict[str, Any]) -> str:
    return f"{answer['error']['type']}: {answer['error']['message']}"


def parked(blog: Blog, **arguments: Any) -> list[tuple[Any, ...]]:
    entries = [one for page in blog.pages("parked", **arguments) for one in page["parked"]]
    assert all(one["sk"] is None for one in entries)
    return [tuple(one[name] for name in PARKED_FIELDS) for one in entries]


@pytest.mark.parametrize("limit", [1, 100])
def test_what_is_parked_is_listed_with_its_generation(blog: Blog, limit: int) -> None:
    for number in range(3):
        blog.write(f"p{number}", changes=2)
    blog.feed()
    blog.park("p1", 3, done=2)
    blog.park("p2", 1, whose="old-model@2")
    assert sorted(parked(blog, limit=limit)) == [
        ("posts#p1#acme", "posts-model@1", 2, 3),
        ("posts#p2#acme", "old-model@2", None, 1),
    ]
    (entry,) = [one for one in blog.operate("parked")["parked"] if one["pk"] == PK]
    assert entry["error"] == f"RuntimeError: {ERROR}"
    assert entry["parkedAt"].endswith("+00:00")


def test_a_redrive_goes_on_from_where_it_was(blog: Blog) -> None:
    blog.write(changes=3)
    blog.park("p1", 2, done=1)
    arguments = {"pk": PK, "handler": "posts-model"}
    planned = blog.operate("redrive", **arguments, dryRun=True)
    assert (planned["done"], planned["parkedVersion"], planned["dryRun"]) == ([2, 3, 4], 2, True)
    assert blog.seen == []
    blog.failing = {("p1", 3)}
    again = blog.operate("redrive", **arguments)
    assert (again["done"], again["parkedVersion"], again["error"]) == ([2], 3, f"RuntimeError: {ERROR}")
    blog.failing = set()
    done = blog.operate("redrive", pk=PK, handler="posts-model@1")
    assert (done["handler"], done["done"], done["parkedVersion"]) == ("posts-model@1", [3, 4], None)
    assert blog.seen == [("posts-model", 1, "p1", version) for version in (2, 3, 4)]
    assert "is not parked: it has seen version 4" in error_of(blog.operate("redrive", **arguments))
    assert parked(blog) == []


def test_a_skip_passes_an_event_over_and_says_so(blog: Blog) -> None:
    blog.write(changes=2)
    blog.park("p1", 2, done=1)
    planned = blog.operate("skip", pk=PK, handler="posts-model", dryRun=True)
    assert (planned["skipped"], planned["error"]) == (2, f"RuntimeError: {ERROR}")
    done = blog.operate("skip", pk=PK, handler="posts-model")
    assert (done["skipped"], done["done"], done["parkedVersion"]) == (2, [3], None)
    assert blog.seen == [("posts-model", 1, "p1", 3)]
    (cursor,) = blog.operate("show", pk=PK)["cursors"]
    assert (cursor["version"], [one["version"] for one in cursor["skipped"]]) == (3, [2])


def test_a_handler_that_was_dropped_goes_on_where_it_was_if_it_comes_back(blog: Blog) -> None:
    blog.deploy(blog.post, handlers=["posts-model", "old-model"])
    blog.write(changes=2)
    blog.park("p1", 3, done=2, whose="old-model@1")
    blog.deploy(blog.post)
    assert blog.operate("drop", pk=PK, handler="old-model")["parkedVersion"] == 3
    assert parked(blog) == []
    assert "old-model is not parked: it has seen version 2" in error_of(
        blog.operate("drop", pk=PK, handler="old-model")
    )
    blog.deploy(blog.post, handlers=["posts-model", "old-model"])
    blog.feed("old-model")
    assert blog.seen == [("old-model", 1, "p1", 3)]


def test_a_handler_that_another_process_runs_goes_on_once_it_was_dropped(blog: Blog) -> None:
    """The service knows nothing of it, and so cannot redrive it."""
    blog.write(changes=1)
    blog.park("p1", 1)
    theirs = blog.handlers["posts-model"]
    assert theirs.catch_up(blog.post, "p1", tenant="acme").parked == 1
    blog.module = EventModule("blog", blog.domain)
    assert blog.operate("drop", pk=PK, handler="posts-model@1")["parkedVersion"] == 1
    assert theirs.catch_up(blog.post, "p1", tenant="acme").handled == 2
    assert [version for *_, version in blog.seen] == [1, 2]


def test_what_somebody_works_on_is_not_dropped(blog: Blog) -> None:
    blog.write()
    blog.park("p1", 1, whose="old-model@1")
    key = CursorKey("old-model", 1, Key("posts", "p1", "acme"))
    assert blog.domain.provider.cursors().rows([key])[key].claim("somebody", 60)
    refused = error_of(blog.operate("drop", pk=PK, handler="old-model"))
    assert "somebody else is at work on old-model; nothing was dropped" in refused
    assert len(parked(blog)) == 1


def test_what_a_handler_that_is_gone_has_left_is_dropped(blog: Blog) -> None:
    blog.write()
    blog.park("p1", 1, whose="old-model@2")
    arguments = {"pk": PK, "handler": "old-model@2"}
    assert "must be one of the handlers of blog, posts-model, got 'old-model'" in error_of(
        blog.operate("redrive", **arguments)
    )
    assert blog.operate("drop", **arguments, dryRun=True)["parkedVersion"] == 1
    assert len(parked(blog)) == 1
    assert blog.operate("drop", **arguments)["error"] == f"RuntimeError: {ERROR}"
    assert parked(blog) == []
    assert "old-model has seen no version of this aggregate" in error_of(blog.operate("drop", **arguments))
    refused = error_of(blog.operate("drop", pk=PK, handler="posts-model@1"))
    assert "posts-model is a handler of blog; use redrive or skip" in refused


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_who_is_behind_is_listed(blog: Blog, limit: int) -> None:
    def behind() -> list[tuple[Any, ...]]:
        names = ("pk", "handler", "version", "latestVersion", "parkedVersion", "isGone")
        entries = [one for page in blog.pages("behind", limit=limit) for one in page["behind"]]
        return sorted(tuple(one[name] for name in names) for one in entries)

    blog.write("p0")
    blog.write("p1", changes=2)
    assert behind() == []  # it was never started
    blog.feed()
    assert behind() == []
    blog.write("p2", changes=1)
    blog.park("p1", 3, done=2)
    assert behind() == [
        ("posts#p1#acme", "posts-model@1", 2, 3, 3, False),
        ("posts#p2#acme", "posts-model@1", None, 2, None, False),
    ]
    blog.operate("redrive", pk=PK, handler="posts-model")
    blog.feed()
    assert behind() == []


def test_what_is_nothing_to_a_handler_does_not_put_it_behind(blog: Blog) -> None:
    handler = blog.domain.create_handler("created-model", [blog.post])
    handler.handle(blog.post, "created", lambda *_: None)
    blog.module = type(blog.module)("blog", blog.domain, handlers=[handler])
    blog.module.use(resources=blog.resources)
    written = blog.write(changes=3)
    handler.run_once()
    assert blog.operate("behind")["behind"] == []
    blog.domain[blog.post].append(written, TextChanged(text=TEXT))
    assert blog.operate("behind")["behind"] == []
    blog.write("p2", changes=1)
    (entry,) = blog.operate("behind")["behind"]
    assert (entry["pk"], entry["latestVersion"]) == ("posts#p2#acme", 2)


def test_the_life_of_an_aggregate_is_shown(blog: Blog) -> None:
    blog.write(changes=2)
    blog.feed()
    shown = blog.operate("show", pk=PK)
    assert (shown["version"], shown["isErased"], shown["earlier"]) == (3, False, 0)
    assert [(one["first"], one["last"], one["types"]) for one in shown["commits"]] == [
        (1, 1, ["created"]),
        (2, 2, ["changed"]),
        (3, 3, ["changed"]),
    ]
    (cursor,) = shown["cursors"]
    assert (cursor["handler"], cursor["version"], cursor["parkedVersion"]) == ("posts-model@1", 3, None)
    assert TEXT not in str(shown)
    raw = blog.operate("show", pk=PK, raw=True)
    assert (raw["state"], raw["problem"]) == ({"text": TEXT, "changes": 2}, None)
    assert "there is no such aggregate" in error_of(blog.operate("show", pk="posts#p9#acme"))
    assert "sk: is no argument of show" in error_of(blog.operate("show", pk=PK, sk="A1"))


def test_the_last_appends_of_a_long_life_are_shown(blog: Blog) -> None:
    blog.write(changes=249)
    shown = blog.operate("show", pk=PK)
    assert (len(shown["commits"]), shown["commits"][0]["first"], shown["earlier"]) == (200, 51, 50)


def test_an_aggregate_that_was_erased_is_shown_as_that(blog: Blog) -> None:
    blog.write(changes=1)
    blog.erase()
    shown = blog.operate("show", pk=PK, raw=True)
    assert (shown["version"], shown["isErased"], shown["state"]) == (3, True, None)
    assert "was erased" in shown["problem"]


def test_handlers_are_listed_with_their_generations(blog: Blog) -> None:
    (entry,) = blog.operate("listHandlers")["handlers"]
    assert (entry["handler"], entry["streams"], entry["live"], entry["startedAt"]) == (
        "posts-model",
        ["posts"],
        None,
        None,
    )
    blog.feed()
    (entry,) = blog.operate("listHandlers")["handlers"]
    assert [entry[name] for name in ("live", "building", "retiring", "scan", "isReaction")] == [
        1,
        None,
        None,
        None,
        False,
    ]


def rebuilt(blog: Blog, segments: int = 1) -> dict[str, int]:
    total = {"aggregates": 0, "events": 0}
    for segment in range(segments):
        for page in blog.pages(
            "rebuildHandler", handler="posts-model", segment=segment, totalSegments=segments
        ):
            assert (page["failed"], page["parked"]) == (0, 0)
            for name in total:
                total[name] += page[name]
    return total


@pytest.mark.parametrize("segments", [1, 3])
def test_a_read_model_is_built_anew(blog: Blog, later: AdvancedClock, segments: int) -> None:
    for number in range(5):
        blog.write(f"p{number}", changes=1)
    blog.feed()
    built = blog.operate("buildHandler", handler="posts-model")
    assert (built["live"], built["building"]) == (1, 2)
    early = error_of(blog.operate("rebuildHandler", handler="posts-model"))
    assert "functions may not feed it yet; scan in 60 seconds" in early
    later.advance(61)
    blog.seen.clear()
    assert rebuilt(blog, segments) == {"aggregates": 5, "events": 10}
    assert {generation for _, generation, *_ in blog.seen} == {2}
    (entry,) = blog.operate("listHandlers")["handlers"]
    assert entry["scan"] == {
        "done": segments,
        "total": segments,
        "aggregates": 5,
        "events": 10,
        "unreadable": 0,
        "unreadableNamed": [],
    }
    switched = blog.operate("switchHandler", handler="posts-model")
    assert (switched["live"], switched["building"], switched["retiring"]) == (2, None, 1)
    retired = blog.operate("retireHandler", handler="posts-model")
    assert (retired["live"], retired["retiring"]) == (2, None)
    assert "no generation was live before 2" in error_of(blog.operate("retireHandler", handler="posts-model"))


def test_a_build_is_given_up_by_its_number(blog: Blog) -> None:
    blog.feed()
    blog.operate("buildHandler", handler="posts-model")
    again = error_of(blog.operate("buildHandler", handler="posts-model"))
    assert "generation 2 is being built already" in again
    given_up = blog.operate("retireHandler", handler="posts-model", generation=2)
    assert (given_up["live"], given_up["building"]) == (1, None)
    live = error_of(blog.operate("retireHandler", handler="posts-model", generation=1))
    assert "generation 1 is the live one" in live


def test_a_generation_that_is_parked_is_not_switched_to(blog: Blog, later: AdvancedClock) -> None:
    blog.write()
    blog.feed()
    blog.operate("buildHandler", handler="posts-model")
    left = error_of(blog.operate("switchHandler", handler="posts-model"))
    assert "has not been scanned full" in left
    later.advance(61)
    blog.park("p1", 1, whose="posts-model@2")
    assert blog.operate("rebuildHandler", handler="posts-model")["resumeToken"] is None
    refused = error_of(blog.operate("switchHandler", handler="posts-model"))
    assert f"generation 2 is parked at {PK}; redrive or skip them first" in refused
    assert blog.operate("redrive", pk=PK, handler="posts-model@2")["done"] == [1]
    assert blog.operate("switchHandler", handler="posts-model")["live"] == 2


def test_what_makes_no_sense_is_named_and_holds_up_the_switch_alone(blog: Blog, later: AdvancedClock) -> None:
    for number in range(3):
        blog.write(f"p{number}", changes=1)
    blog.feed()
    damaged, stray = blog.damage("p1", 2), blog.stray()
    blog.operate("buildHandler", handler="posts-model")
    token: str | None = None
    for _ in range(20):
        later.advance(61)
        page = blog.operate("rebuildHandler", handler="posts-model", resumeToken=token)
        token = page["resumeToken"]
        if token is None:
            break
        assert page["unreadable"] == []
    assert (page["failed"], page["parked"], page["unreadable"]) == (0, 1, [damaged, stray])
    (entry,) = blog.operate("listHandlers")["handlers"]
    assert (entry["scan"]["unreadable"], entry["scan"]["unreadableNamed"]) == (2, [damaged, stray])
    (cursor,) = blog.operate("parked")["parked"]
    assert (cursor["pk"], cursor["handler"], cursor["parkedVersion"]) == (damaged, "posts-model@2", 2)
    assert cursor["error"].startswith("CorruptRowError: the commit posts#p1#acme 0000000002 makes no sense")
    assert f"is parked at {damaged}" in error_of(blog.operate("switchHandler", handler="posts-model"))
    assert blog.operate("switchHandler", handler="posts-model", incomplete=True)["live"] == 2


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_what_makes_no_sense_is_behind_and_hides_nobody_else(blog: Blog, limit: int) -> None:
    blog.feed()
    for number in range(3):
        blog.write(f"p{number}")
    damaged, _ = blog.damage("p1"), blog.stray()
    behind = sorted(one["pk"] for page in blog.pages("behind", limit=limit) for one in page["behind"])
    assert behind == ["posts#p0#acme", damaged, "posts#p2#acme"]


def test_a_page_that_fails_comes_again(blog: Blog) -> None:
    for number in range(3):
        blog.write(f"p{number}")
    blog.failing = {("p1", 1)}
    page = blog.operate("rebuildHandler", handler="posts-model")
    assert (page["failed"], page["events"], page["aggregates"]) == (1, 2, 0)
    assert page["resumeToken"] is not None
    blog.failing = set()
    page = blog.operate("rebuildHandler", handler="posts-model", resumeToken=page["resumeToken"])
    assert (page["failed"], page["events"], page["aggregates"], page["resumeToken"]) == (0, 1, 3, None)


@pytest.mark.parametrize(
    ("operation", "arguments", "told"),
    [
        ("redrive", {"pk": PK}, "handler: must be a text, got nothing"),
        ("redrive", {"pk": PK, "handler": "posts-model@x"}, "such as posts-model@2, got 'posts-model@x'"),
        ("redrive", {"pk": PK, "handler": "posts-model@0"}, "such as posts-model@2, got 'posts-model@0'"),
        ("drop", {"pk": PK, "handler": "old-model@\u0663"}, "such as posts-model@2, got"),
        ("redrive", {"pk": PK, "handler": "posts-model", "sk": "A1"}, "sk: is no argument of redrive"),
        ("redrive", {"pk": PK, "handler": "posts-model"}, "posts-model has seen no version"),
        ("skip", {"pk": "p1", "handler": "posts-model"}, "pk: must be stream#id#tenant"),
        ("buildHandler", {"handler": "users-model"}, "must be one of the handlers of blog, posts-model"),
        ("retireHandler", {"handler": "posts-model", "generation": 0}, "generation: must be 1 to"),
        (
            "switchHandler",
            {"handler": "posts-model", "incomplete": "yes"},
            "incomplete: must be true or false",
        ),
        ("rebuildHandler", {"handler": "posts-model", "resumeToken": "x"}, "must be the resume_token"),
        ("parked", {"resumeToken": "[7, null]"}, "resumeToken: must be the resumeToken of an earlier page"),
        ("parked", {"limit": 0}, "limit: must be 1 to 1000, got 0"),
    ],
)
def test_what_is_wrong_is_named(blog: Blog, operation: str, arguments: dict[str, Any], told: str) -> None:
    blog.write()
    assert told in error_of(blog.operate(operation, **arguments))


def test_another_release_repairs_what_an_earlier_one_has_parked(blog: Blog) -> None:
    blog.write(changes=1)
    blog.park("p1", 2, done=1)
    blog.deploy(post_with())
    assert blog.operate("redrive", pk=PK, handler="posts-model")["done"] == [2]
