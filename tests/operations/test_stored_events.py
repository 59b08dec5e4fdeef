"""What operators see of stored events, and what a check of them finds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.errors import StoreUnavailableError
from runtime.event_store.commits.commit import StoredEvent
from runtime.store.port import Delete
from runtime.store.values import Place
from tests.operations.blog import TEXT, Blog, Post, TextChanged, post_with

PK = "posts#p1#acme"


@pytest.fixture
def blog() -> Blog:
    return Blog()


def error_of(answer: dict[str, Any]) -> str:
    return f"{answer['error']['type']}: {answer['error']['message']}"


def test_the_events_of_an_aggregate_are_told_without_what_they_say(blog: Blog) -> None:
    blog.write(changes=4)
    first = blog.operate("listEvents", pk=PK, limit=2)
    assert [(one["version"], one["type"], one["schema"]) for one in first["events"]] == [
        (1, "created", 0),
        (2, "changed", 0),
    ]
    assert (first["pk"], first["after"]) == (PK, 2)
    second = blog.operate("listEvents", pk=PK, after=2)
    assert ([one["version"] for one in second["events"]], second["after"]) == ([3, 4, 5], None)
    assert TEXT not in json.dumps([first, second])
    assert blog.operate("listEvents", pk=PK, after=5) == {"pk": PK, "events": [], "after": None}
    assert error_of(blog.operate("listEvents", pk="posts#p2#acme")).startswith("ItemNotFoundError: there is")


def test_a_page_may_end_in_the_middle_of_a_commit(blog: Blog) -> None:
    events = [StoredEvent("changed", {"text": TEXT}) for _ in range(5)]
    blog.append(StoredEvent("created", {"text": TEXT}), *events, first=1)
    versions, after = [], 0
    while after is not None:
        page = blog.operate("listEvents", pk=PK, limit=4, after=after)
        versions += [one["version"] for one in page["events"]]
        after = page["after"]
    assert versions == [1, 2, 3, 4, 5, 6]


def test_one_event_is_told_whole(blog: Blog) -> None:
    blog.write(changes=1)
    shown = blog.operate("showEvent", pk=PK, version=2)
    assert shown["body"] == {"text": TEXT}
    assert (shown["version"], shown["type"], shown["problem"], shown["keepsState"]) == (
        2,
        "changed",
        None,
        True,
    )
    assert (shown["commit"]["first"], shown["commit"]["last"]) == (2, 2)
    for version in (3, 9):
        assert error_of(blog.operate("showEvent", pk=PK, version=version)).startswith("ItemNotFoundError")


def test_what_todays_code_does_not_read_is_shown_all_the_same(blog: Blog) -> None:
    blog.write()
    blog.append(StoredEvent("renamed", {"title": "t"}), first=2)
    blog.append(StoredEvent("changed", {"text": 5}), first=3)
    assert "no event of the aggregate 'posts'" in blog.operate("showEvent", pk=PK, version=2)["problem"]
    shown = blog.operate("showEvent", pk=PK, version=3)
    assert "changed.text" in shown["problem"]
    assert shown["body"] == {"text": 5}


def test_what_was_erased_has_left_its_versions(blog: Blog) -> None:
    blog.write(changes=1)
    blog.erase()
    listed = blog.operate("listEvents", pk=PK)["events"]
    assert [(one["version"], one["type"], one["isErased"]) for one in listed] == [
        (1, "created", True),
        (2, "changed", True),
        (3, None, True),
    ]
    shown = blog.operate("showEvent", pk=PK, version=2)
    assert (shown["body"], shown["isErased"], shown["problem"]) == (None, True, None)
    assert blog.operate("showEvent", pk=PK, version=3)["type"] is None


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_each_aggregate_is_listed_once_with_its_version(blog: Blog, limit: int) -> None:
    for number in range(4):
        blog.write(f"p{number}", changes=number)
    blog.write("p1", tenant="beta")
    blog.erase("p3")
    pages = blog.pages("listAggregates", limit=limit)
    found = [one for page in pages for one in page["aggregates"]]
    assert {one["pk"]: (one["version"], one["isErased"]) for one in found} == {
        "posts#p0#acme": (1, False),
        "posts#p1#acme": (2, False),
        "posts#p1#beta": (1, False),
        "posts#p2#acme": (3, False),
        "posts#p3#acme": (5, True),
    }
    assert len(found) == 5
    assert sum(page["scanned"] for page in pages) == 12
    pages = blog.pages("listAggregates", tenant="beta")
    assert [one["pk"] for page in pages for one in page["aggregates"]] == ["posts#p1#beta"]


def test_segments_together_have_everything(blog: Blog) -> None:
    for number in range(10):
        blog.write(f"p{number}", changes=number % 3)
    found = [
        one["pk"]
        for segment in range(3)
        for page in blog.pages("listAggregates", segment=segment, totalSegments=3, limit=2)
        for one in page["aggregates"]
    ]
    assert sorted(found) == [f"posts#p{number}#acme" for number in range(10)]


def checked(blog: Blog, **arguments: Any) -> dict[str, Any]:
    """The sum of all pages of a check."""
    total: dict[str, Any] = {}
    for page in blog.pages("verifyEvents", **arguments):
        for name, value in page.items():
            if name != "resumeToken":
                total[name] = total[name] + value if name in total else value
    return total


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_what_is_whole_has_no_problems(blog: Blog, limit: int) -> None:
    for number in range(3):
        blog.write(f"p{number}", changes=number)
    blog.write("gone", changes=1)
    blog.erase("gone")
    assert checked(blog, limit=limit) == {
        "aggregates": 4,
        "events": 6,
        "states": 6,
        "erased": 1,
        "problems": [],
        "moreProblems": 0,
        "scanned": 9,
    }


def problems(blog: Blog, **arguments: Any) -> list[tuple[str, int, str]]:
    found = checked(blog, **arguments)["problems"]
    assert all(one["problem"] for one in found)
    return [(one["pk"], one["version"], one["kind"]) for one in found]


@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("limit", [1, 100])
def test_a_commit_that_is_missing_is_found(blog: Blog, missing: int, limit: int) -> None:
    blog.write("p0")
    blog.write(changes=2)
    blog.store.write(Delete(place=Place(blog.table, PK, f"{missing:010}")))
    assert problems(blog, limit=limit) == [(PK, missing, "CorruptStreamError")]
    assert problems(blog, pk=PK) == [(PK, missing, "CorruptStreamError")]
    assert problems(blog, pk="posts#p0#acme") == []


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_commit_that_makes_no_sense_is_found_and_hides_nobody_else(blog: Blog, limit: int) -> None:
    for number in range(3):
        blog.write(f"p{number}", changes=1)
    damaged, stray = blog.damage("p1", 2), blog.stray()
    problems = [one for page in blog.pages("verifyEvents", limit=limit) for one in page["problems"]]
    assert sorted((one["pk"], one["version"], one["kind"]) for one in problems) == [
        (damaged, 2, "CorruptRowError"),
        (stray, 1, "CorruptRowError"),
    ]
    found = {
        one["pk"]: one for page in blog.pages("listAggregates", limit=limit) for one in page["aggregates"]
    }
    assert [found[pk]["version"] for pk in sorted(found) if pk != damaged] == [2, 2]
    assert [pk for pk, one in found.items() if one["problem"]] == [damaged]
    assert "makes no sense" in found[damaged]["problem"]


def test_an_event_that_nobody_reads_is_found(blog: Blog) -> None:
    blog.write()
    blog.append(StoredEvent("changed", {"text": 5}), StoredEvent("renamed", {}), first=2)
    assert problems(blog) == [(PK, 2, "UnreadableEventError")]
    (problem,) = blog.operate("verifyEvents", pk=PK)["problems"]
    assert "changed.text" in problem["problem"]


def test_a_fold_that_was_changed_without_its_version_is_found(blog: Blog) -> None:
    blog.write(changes=1)
    assert problems(blog) == []

    def other(event: Any, post: Post, _meta: Any) -> Post:
        return Post(text=event.text, changes=post.changes + 2 * isinstance(event, TextChanged))

    blog.deploy(post_with(other))
    assert problems(blog) == [(PK, 2, "KeptStateDiffers")]
    assert TEXT not in json.dumps(blog.operate("verifyEvents"))


def test_a_fold_that_raises_is_found(blog: Blog) -> None:
    blog.write(changes=1)

    def raising(event: Any, _post: Post, _meta: Any) -> Post:
        message = f"not {event.text}"
        raise RuntimeError(message)

    blog.deploy(post_with(raising))
    assert problems(blog) == [(PK, 1, "RuntimeError")]
    assert TEXT not in json.dumps(blog.operate("verifyEvents"))
    blog.append(StoredEvent("changed", {"text": TEXT}), first=3)
    shown = blog.operate("show", pk=PK, raw=True)
    assert (shown["state"], shown["problem"]) == (None, "the fold raised RuntimeError: mend the fold")


@pytest.mark.parametrize("arguments", [{}, {"pk": PK}])
def test_a_store_that_is_out_of_reach_is_nothing_wrong_with_what_is_stored(
    blog: Blog, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any]
) -> None:
    blog.write()

    def busy(*_: Any, **__: Any) -> Any:
        service = "DynamoDB"
        raise StoreUnavailableError(service, "throttled")

    monkeypatch.setattr(blog.domain.provider, "read", busy)
    assert "DynamoDB is busy or out of reach" in error_of(blog.operate("verifyEvents", **arguments))
    monkeypatch.setattr(type(blog.domain[blog.post]), "get_aggregate", busy)
    assert "DynamoDB is busy or out of reach" in error_of(blog.operate("show", pk=PK, raw=True))


def test_a_tenant_is_compared_in_lower_case(blog: Blog) -> None:
    """As everywhere: the claim of a token may be written otherwise."""
    blog.write()
    assert blog.operate("listEvents", pk="posts#p1#ACME")["pk"] == PK
    (found,) = blog.operate("listAggregates", tenant="Acme")["aggregates"]
    assert found["pk"] == PK


@pytest.mark.parametrize(
    ("operation", "arguments", "told"),
    [
        ("listEvents", {"pk": "posts"}, "pk: must be stream#id#tenant, got 'posts'"),
        ("listEvents", {}, "pk: must be a text, got nothing"),
        ("listEvents", {"pk": PK, "after": -1}, "after: must be 0 to 9999999999, got -1"),
        ("showEvent", {"pk": PK}, "version: must be 1 to 9999999999, got nothing"),
        ("showEvent", {"pk": PK, "version": True}, "version: must be 1 to"),
        ("listAggregates", {"stream": "users"}, "stream: must be one of posts, got 'users'"),
        ("listAggregates", {"limit": 1001}, "limit: must be 1 to 1000, got 1001"),
        ("listAggregates", {"segment": 2, "totalSegments": 2}, "segment: must be 0 to 1"),
        ("listAggregates", {"resumeToken": "x"}, "resumeToken: must be the resumeToken of an earlier page"),
        ("listAggregates", {"resumeToken": '["a"]'}, "resumeToken: must be"),
        ("verifyEvents", {"pk": "users#u1#acme"}, "with a stream among posts, got 'users'"),
        ("verifyEvents", {"pk": "posts#p9#acme"}, "there is no such aggregate"),
        ("verifyEvents", {"dryRun": True}, "dryRun: is no argument of verifyEvents"),
        ("reconcile", {}, "for blog, which keeps events, got 'reconcile'"),
        ("destroy", {}, "operation: must be one of"),
    ],
)
def test_what_is_wrong_is_named(blog: Blog, operation: str, arguments: dict[str, Any], told: str) -> None:
    assert told in error_of(blog.operate(operation, **arguments))


def test_what_is_for_events_is_refused_elsewhere(blog: Blog) -> None:
    answer = blog.operate("verifyEvents", module="todo")
    assert error_of(answer).endswith("verifyEvents is for modules that keep events: blog")


def test_modules_of_events_are_among_the_modules(blog: Blog) -> None:
    blog.write(changes=2)
    (module,) = blog.operate("modules", module=None)["modules"]
    assert module == {"name": "blog", "mode": "events", "handlers": ["posts-model"], "rows": 3}
