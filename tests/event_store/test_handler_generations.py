"""A read model is built anew beside the live one, scanned full, switched to, and the old one goes."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.conditions import Attr

from runtime.errors import BadRequestError, CorruptRowError, InvalidInputError
from runtime.event_store.address import Key
from runtime.event_store.commits.commit_row import place_key
from runtime.event_store.feed.cursors import CursorKey
from runtime.event_store.feed.drain import EventVersions
from runtime.event_store.feed.rebuild import Rebuilt
from runtime.event_store.handlers.registration import Segment
from runtime.event_store.handlers.run import Run
from runtime.pipeline.repairing import Repair
from runtime.store.port import Put, Set
from runtime.store.values import Place
from runtime.testing.clock import Clock
from tests.event_store.followed import Blog, PostArchived, PostCreated, Seen, post, user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.handlers.handler import EventHandler


@pytest.fixture
def blog() -> Blog:
    return Blog()


@pytest.fixture(autouse=True)
def time() -> Iterator[Clock]:
    clock = Clock()
    clock.start()
    yield clock
    clock.stop()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The waits in front of a page that failed before."""
    waits: list[int] = []
    monkeypatch.setattr(
        "runtime.event_store.feed.rebuild.back_off", lambda attempt, **_: waits.append(attempt)
    )
    return waits


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.event_store.feed.rebuild._LIMIT", 3)


class Tables(defaultdict[int, list[str]]):
    """A read model with a table for each generation; it fails at what is ``broken``."""

    def __init__(self, handler: EventHandler) -> None:
        super().__init__(list)
        self.broken: set[tuple[int, str]] = set()
        handler.handle(post, PostCreated, self.note)
        handler.handle(post, PostArchived, self.note)

    def note(self, aggregate_id: str, _: object, meta: EventMeta) -> None:
        what = f"{aggregate_id}@{meta.version}"
        if (meta.generation, what) in self.broken:
            raise ValueError(what)
        self[meta.generation].append(what)


def rebuild(handler: EventHandler, **given: Any) -> list[Rebuilt]:
    pages = [handler.rebuild(**given)]
    while pages[-1].resume_token:
        pages.append(handler.rebuild(**given, resume_from=pages[-1].resume_token))
    return pages


def test_built_beside_the_live_one_rebuilt_switched_to_and_retired(blog: Blog, time: Clock) -> None:
    blog.posts("p", "q", "p")
    tables = Tables(handler := blog.domain.create_handler("h", [post]))
    handler.run_once()
    assert handler.generation == 1

    assert handler.build() == 2
    blog.posts("q")
    # Both are fed: the new one with all that it has not seen of the aggregate. What is new counts once.
    assert handler.run_once() == Run(fetched=1, handled=3)
    assert tables == {1: ["p@1", "q@1", "p@2", "q@2"], 2: ["q@1", "q@2"]}
    assert handler.generation == 1

    time.advance(minutes=1)
    assert rebuild(handler) == [
        Rebuilt(generation=2, aggregates=2, events=2, failed=0, parked=0, resume_token=None)
    ]
    assert sorted(tables[2]) == ["p@1", "p@2", "q@1", "q@2"]
    assert tables[1] == ["p@1", "q@1", "p@2", "q@2"]

    assert handler.switch() == 2
    assert handler.generation == 2
    blog.posts("r")
    handler.run_once()
    assert (tables[1][-1], tables[2][-1]) == ("r@1", "r@1")

    handler.retire()
    blog.posts("r")
    handler.run_once()
    assert (tables[1][-1], tables[2][-1]) == ("r@1", "r@2")


def test_another_process_knows_of_a_new_generation_within_half_a_minute(blog: Blog, time: Clock) -> None:
    tables = Tables(handler := blog.domain.create_handler("h", [post]))
    there = Tables(other := blog.again().domain.create_handler("h", [post]))
    other.run_once()
    handler.build()
    time.advance(seconds=30)
    blog.posts("p")
    other.run_once()
    assert there == {1: ["p@1"], 2: ["p@1"]}
    assert tables == {}


def test_a_scan_is_refused_while_a_function_may_not_know_of_the_generation(blog: Blog, time: Clock) -> None:
    Tables(handler := blog.domain.create_handler("h", [post]))
    handler.build()
    time.advance(seconds=59)
    with pytest.raises(BadRequestError, match="h: generation 2 was begun 59 seconds ago"):
        handler.rebuild()
    time.advance(seconds=1)
    assert handler.rebuild().resume_token is None


@pytest.mark.usefixtures("small_pages")
def test_a_scan_can_be_resumed_by_anybody_and_says_how_far_it_is(blog: Blog, time: Clock) -> None:
    for number in range(10):
        blog.posts(f"p{number}")
    Tables(handler := blog.domain.create_handler("h", [post]))
    handler.build()
    time.advance(minutes=1)
    first = handler.rebuild()
    assert (first.aggregates, first.events) == (3, 3)
    registration = handler.registration
    assert registration is not None
    assert registration.segments == {0: Segment(first.resume_token, 3, 3)}

    other = Tables(there := blog.again().domain.create_handler("h", [post]))
    with pytest.raises(BadRequestError, match=r"generation 2 has not been scanned full: segments \[0\] of 1"):
        there.switch()
    token = registration.segments[0].resume_token
    while token:
        token = there.rebuild(resume_from=token).resume_token
    assert len(other[2]) == 7
    registration = there.registration
    assert registration is not None
    assert registration.segments == {0: Segment(None, 10, 10)}
    assert there.switch() == 2
    time.advance(seconds=30)
    assert handler.generation == 2


def test_segments_side_by_side_are_the_whole(blog: Blog, time: Clock) -> None:
    for number in range(40):
        blog.posts(f"p{number}", f"p{number}")
    tables = Tables(handler := blog.domain.create_handler("h", [post]))
    handler.build()
    time.advance(minutes=1)
    for segment in (2, 0, 3, 1):
        with pytest.raises(BadRequestError, match="has not been scanned full"):
            handler.switch()
        rebuild(handler, segment=segment, total_segments=4)
    assert sorted(tables[2]) == sorted(f"p{number}@{version}" for number in range(40) for version in (1, 2))
    assert handler.switch() == 2


def test_without_a_new_generation_the_live_one_is_shown_what_it_has_not_seen(blog: Blog) -> None:
    blog.posts("p", "q")
    tables = Tables(handler := blog.domain.create_handler("h", [post]))
    handler.set_position("1")  # as if the first event's record had been lost
    handler.run_once()
    assert tables[1] == ["q@1"]
    assert rebuild(handler)[-1].events == 1
    assert tables[1] == ["q@1", "p@1"]


@pytest.mark.usefixtures("small_pages")
def test_commits_of_one_aggregate_on_two_pages_are_shown_in_order(blog: Blog, time: Clock) -> None:
    blog.posts(*["p"] * 8, "q")
    tables = Tables(handler := blog.domain.create_handler("h", [post]))
    handler.build()
    time.advance(minutes=1)
    rebuild(handler)
    assert [what for what in tables[2] if what.startswith("p")] == [f"p@{version}" for version in range(1, 9)]


def test_what_nobody_minds_costs_no_cursor_and_counts_as_looked_at(blog: Blog) -> None:
    blog.users("a", "b")
    blog.posts("p")
    Tables(handler := blog.domain.create_handler("h", [user, post]))
    assert rebuild(handler)[-1] == Rebuilt(1, aggregates=3, events=1, failed=0, parked=0, resume_token=None)


# --- failures ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_pages")
def test_a_page_on_which_something_fails_comes_again_until_it_is_shown(
    blog: Blog, time: Clock, no_waiting: list[int]
) -> None:
    for number in range(5):
        blog.posts(f"p{number}")
    tables = Tables(handler := blog.domain.create_handler("h", [post]))
    handler.build()
    time.advance(minutes=1)
    tables.broken = {(2, "p0@1"), (2, "p1@1")}
    pages = [handler.rebuild()]
    while pages[-1].resume_token and not pages[-1].failed:
        pages.append(handler.rebuild(resume_from=pages[-1].resume_token))
    again = [handler.rebuild(resume_from=pages[-1].resume_token) for _ in range(3)]
    assert {page.resume_token for page in again} == {pages[-1].resume_token}
    assert no_waiting == [0, 1, 2]
    tables.broken = set()
    token = again[-1].resume_token
    while token:
        token = handler.rebuild(resume_from=token).resume_token
    assert sorted(tables[2]) == [f"p{number}@1" for number in range(5)]
    registration = handler.registration
    assert registration is not None
    assert registration.segments[0].aggregates == 5  # each page counts once
    handler.switch()


def test_what_is_parked_holds_up_the_switch_and_not_the_scan(blog: Blog, time: Clock) -> None:
    blog.posts("p", "q", "r")
    tables = Tables(handler := blog.domain.create_handler("h", [post], attempts=2))
    handler.build()
    time.advance(minutes=1)
    tables.broken = {(2, "p@1")}
    page = handler.rebuild()
    assert (page.failed, page.parked) == (1, 0)
    for _ in range(2):  # the first failure counts only where another aggregate was called behind it
        time.advance(minutes=1)
        page = handler.rebuild(resume_from=page.resume_token)
        if page.parked:
            break
    assert (page.failed, page.parked, page.resume_token) == (0, 1, None)
    with pytest.raises(BadRequestError, match="generation 2 is parked at posts#p#acme; redrive or skip"):
        handler.switch()
    assert handler.generation == 1
    assert sorted(set(tables[2])) == ["q@1", "r@1"]


# --- what makes no sense ----------------------------------------------------------------------


def damage(blog: Blog, aggregate_id: str, version: int = 1, **columns: Any) -> str:
    """Let a commit of a post make no sense; the partition key of the post."""
    storage = blog.provider.storage
    pk = Key("posts", aggregate_id, "acme").pk
    place = Place(storage.tables.events, pk, place_key(version))
    storage.store.write(Set(place=place, columns=columns or {"events": "{"}, condition=Attr("pk").exists()))
    return pk


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ({"events": "{"}, 1),
        ({"at": "yesterday"}, 1),
        ({"last": "x"}, 1),
        ({"last": 7}, 1),
        ({"types": 7}, 1),
        ({"events": "s3://elsewhere/gone"}, 1),
    ],
    ids=str,
)
def test_a_commit_that_makes_no_sense_holds_up_its_own_aggregate_alone(
    blog: Blog, time: Clock, columns: dict[str, Any], shown: int
) -> None:
    for number in range(8):
        blog.posts(f"p{number}", f"p{number}", f"p{number}")
    pk = damage(blog, "p4", 2, **columns)
    if "types" in columns:
        damage(blog, "p4", 2, events="{")
    tables = Tables(handler := blog.domain.create_handler("h", [post], attempts=2))
    handler.build()
    pages: list[Rebuilt] = []
    token: str | None = None
    while not pages or token:
        time.advance(minutes=1)
        pages.append(handler.rebuild(resume_from=token))
        token = pages[-1].resume_token
        assert len(pages) < 30
    found = [f"p{n}@{version}" for n in range(8) if n != 4 for version in (1, 2, 3)]
    assert sorted(tables[2]) == sorted([*found, *(f"p4@{version}" for version in range(1, shown + 1))])
    assert {page.unreadable for page in pages} == {(), (pk,)}
    assert sum(page.parked for page in pages if not page.failed) >= 1
    registration = handler.registration
    assert registration is not None
    assert registration.is_scanned
    assert registration.unreadable == (1, (pk,))
    with pytest.raises(
        BadRequestError, match=r"h: generation 2 is parked at posts#p4#acme; .*incomplete=True"
    ):
        handler.switch()
    assert handler.generation == 1
    assert handler.switch(incomplete=True) == 2


def test_that_many_make_no_sense_is_no_outage(blog: Blog, time: Clock) -> None:
    blog.posts("p", "q", "r", "s")
    damaged = sorted(damage(blog, one) for one in "pqrs")
    Tables(handler := blog.domain.create_handler("h", [post], attempts=2))
    handler.build()
    time.advance(minutes=1)
    page = handler.rebuild()
    assert (page.failed, page.parked, page.unreadable) == (4, 0, tuple(damaged))
    time.advance(minutes=1)
    page = handler.rebuild(resume_from=page.resume_token)
    assert (page.failed, page.parked, page.resume_token) == (0, 4, None)
    registration = handler.registration
    assert registration is not None
    assert registration.unreadable == (4, tuple(damaged))


def test_that_nobody_can_read_what_nobody_minds_is_nothing_to_a_handler(blog: Blog, time: Clock) -> None:
    blog.posts("p", "q")
    blog.posts("q")
    damage(blog, "q", 2)
    handler = blog.domain.create_handler("h", [post])
    handler.handle(post, PostCreated, lambda *_: None)
    handler.build()
    time.advance(minutes=1)
    page = handler.rebuild()
    assert (page.aggregates, page.events, page.failed, page.unreadable) == (2, 2, 0, ())
    assert handler.switch() == 2


def test_what_was_shown_before_it_was_damaged_is_missing_nowhere(blog: Blog) -> None:
    blog.posts("p", "q")
    tables = Tables(handler := blog.domain.create_handler("h", [post]))
    handler.run_once()
    damage(blog, "p")
    page = handler.rebuild()
    assert (page.failed, page.parked, page.unreadable, page.resume_token) == (0, 0, (), None)
    assert tables[1] == ["p@1", "q@1"]


def test_what_is_restored_and_redriven_is_no_obstacle(blog: Blog, time: Clock) -> None:
    blog.posts("p", "q")
    storage = blog.provider.storage
    (row,) = storage.commit_rows("posts#p#acme")
    damage(blog, "p")
    tables = Tables(handler := blog.domain.create_handler("h", [post], attempts=1))
    handler.build()
    time.advance(minutes=1)
    token = handler.rebuild().resume_token
    time.advance(minutes=1)
    assert handler.rebuild(resume_from=token).parked == 1
    damage(blog, "p", events=row["events"])
    whose = CursorKey("h", 2, Key("posts", "p", "acme"))
    cursor = blog.provider.cursors().rows([whose])[whose]
    repaired = Repair("h", EventVersions(blog.provider, handler, whose, cursor)).run()
    assert repaired.done == (1,)
    assert handler.switch() == 2
    assert sorted(tables[2]) == ["p@1", "q@1"]


def test_a_row_that_can_be_no_aggregates_is_named_and_holds_up_nothing(blog: Blog, time: Clock) -> None:
    blog.posts("p")
    storage = blog.provider.storage
    row = {"pk": "posts#stray", "sk": place_key(1), "last": 1}
    storage.store.write(Put(table=storage.tables.events, row=row))
    tables = Tables(handler := blog.domain.create_handler("h", [post]))
    handler.build()
    time.advance(minutes=1)
    page = handler.rebuild()
    assert (page.aggregates, page.failed, page.unreadable) == (1, 0, ("posts#stray",))
    assert tables[2] == ["p@1"]
    assert handler.switch() == 2


def test_as_many_as_fit_are_named(blog: Blog, time: Clock) -> None:
    names = [f"p{number:02}" for number in range(60)]
    blog.posts(*names)
    for name in names:
        damage(blog, name)
    Tables(handler := blog.domain.create_handler("h", [post], attempts=1))
    handler.build()
    for segment in range(3):
        token: str | None = None
        for _ in range(2):
            time.advance(minutes=1)
            token = handler.rebuild(segment=segment, total_segments=3, resume_from=token).resume_token
        assert token is None
    registration = handler.registration
    assert registration is not None
    count, named = registration.unreadable
    assert (count, len(named)) == (60, 20)


def test_one_that_makes_no_sense_holds_up_its_own_aggregate_of_a_pull_alone(blog: Blog) -> None:
    blog.posts("p", "q")
    damage(blog, "p")
    tables = Tables(handler := blog.domain.create_handler("h", [post]))
    with pytest.raises(CorruptRowError):
        handler.run_once()
    assert tables[1] == ["q@1"]


def test_an_outage_of_the_read_model_parks_nothing_of_a_scan(blog: Blog, time: Clock) -> None:
    blog.posts("p", "q", "r", "s")
    tables = Tables(handler := blog.domain.create_handler("h", [post], attempts=1))
    handler.build()
    tables.broken = {(2, f"{one}@1") for one in "pqrs"}
    token: str | None = None
    for _ in range(4):
        time.advance(minutes=2)
        page = handler.rebuild(resume_from=token)
        assert (page.failed, page.parked) == (4, 0)
        token = page.resume_token
    tables.broken = set()
    assert handler.rebuild(resume_from=token).resume_token is None
    assert sorted(tables[2]) == ["p@1", "q@1", "r@1", "s@1"]


def test_a_new_generation_that_fails_does_not_hold_up_the_live_one(blog: Blog) -> None:
    tables = Tables(handler := blog.domain.create_handler("h", [post]))
    handler.build()
    tables.broken = {(2, "p@1")}
    blog.posts("p")
    with pytest.raises(ValueError, match="p@1"):
        handler.run_once()
    blog.posts("p")
    with pytest.raises(ValueError, match="p@1"):
        handler.run_once()
    assert tables[1] == ["p@1", "p@2"]


def test_that_one_generations_read_model_is_down_parks_nothing_of_it(blog: Blog, time: Clock) -> None:
    tables = Tables(handler := blog.domain.create_handler("h", [post], attempts=1))
    handler.build()
    tables.broken = {(2, f"{one}@1") for one in "pqrs"}
    blog.posts("p", "q", "r", "s")
    for _ in range(3):
        with pytest.raises(ValueError, match="p@1"):
            handler.run_once()
        time.advance(minutes=2)
    assert sorted(tables[1]) == ["p@1", "q@1", "r@1", "s@1"]
    tables.broken = set()
    assert handler.run_once().handled == 4


def test_what_a_retired_generation_failed_at_is_not_tried_again(blog: Blog) -> None:
    tables = Tables(handler := blog.domain.create_handler("h", [post]))
    handler.build()
    tables.broken = {(2, "p@1")}
    blog.posts("p")
    with pytest.raises(ValueError, match="p@1"):
        handler.run_once()
    handler.retire(2)
    assert handler.run_once() == Run()
    registration = handler.registration
    assert registration is not None
    assert registration.position == handler.get_position() != ""


def test_what_is_given_up_is_fed_no_more_and_its_scan_ends(blog: Blog, time: Clock) -> None:
    blog.posts("p")
    handler = blog.domain.create_handler("h", [post])
    handler.handle(post, PostCreated, lambda *_: handler.retire(2))
    handler.build()
    time.advance(minutes=1)
    with pytest.raises(BadRequestError, match="generation 2 is not fed any more; it was retired meanwhile"):
        handler.rebuild()
    assert handler.build() == 3


def test_a_page_of_something_else_is_refused(blog: Blog) -> None:
    handler = blog.domain.create_handler("h", [post])
    for token in ("nonsense", "", 7):
        with pytest.raises(
            InvalidInputError, match="resume_from: must be the resume_token of an earlier page"
        ):
            handler.rebuild(resume_from=token)  # type: ignore[arg-type]
    for segment, total_segments, name in ((1, 1, "segment"), (-1, 1, "segment"), (0, 0, "total_segments")):
        with pytest.raises(InvalidInputError, match=f"^{name}: must be"):
            handler.rebuild(segment=segment, total_segments=total_segments)
    with pytest.raises(InvalidInputError):
        handler.rebuild(resume_from="page:nonsense")


@pytest.mark.usefixtures("small_pages")
def test_a_page_of_an_earlier_scan_does_not_make_a_new_one_look_full(blog: Blog, time: Clock) -> None:
    """Who goes on with an old token would leave out what is in front of it, and could switch all the same."""
    blog.posts("p", "q", "r", "s")
    Tables(handler := blog.domain.create_handler("h", [post]))
    handler.build()
    time.advance(minutes=1)
    token = handler.rebuild().resume_token
    assert token
    handler.retire(2)
    handler.build()
    time.advance(minutes=1)
    with pytest.raises(
        BadRequestError, match="h: no page of segment 0 of 1 was shown to generation 3 before; begin without"
    ):
        handler.rebuild(resume_from=token)
    handler.rebuild()
    with pytest.raises(BadRequestError, match="no page of segment 0 of 2 was shown"):
        handler.rebuild(total_segments=2, resume_from=token)
    assert handler.rebuild(resume_from=token).generation == 3


def test_of_what_was_never_started_nothing_is_known(blog: Blog) -> None:
    handler = blog.domain.create_handler("h", [post])
    assert (handler.registration, handler.generation) == (None, 1)
    with pytest.raises(BadRequestError, match="h: no generation is being built"):
        handler.switch()
    handler.run_once()
    assert handler.registration is not None


def test_one_that_tails_is_rebuilt_from_where_it_began(blog: Blog, time: Clock) -> None:
    blog.posts("p", "q")
    time.advance(seconds=1)
    seen = Seen(handler := blog.domain.create_handler("h", [post], tail_stream=True))
    handler.run_once()
    blog.posts("p")
    handler.run_once()
    handler.build()
    time.advance(minutes=1)
    rebuild(handler)
    assert seen == ["p@2", "p@2"]
    assert handler.run_once() == Run()
