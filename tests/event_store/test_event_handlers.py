"""What a handler is shown, and what becomes of what fails: run by run, in memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import BadRequestError, ConfigurationError, InvalidInputError, UnreadableEventError
from runtime.event_store.aggregates.aggregate import Aggregate, create_aggregate
from runtime.event_store.commits.commit import Commit
from runtime.event_store.handlers.bookmark import MemoryBookmark
from runtime.event_store.handlers.run import Run
from runtime.testing.clock import Clock
from tests.event_store.followed import (
    Blog,
    PostArchived,
    PostCreated,
    Provider,
    Seen,
    UserCreated,
    UserDisabled,
    post,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.event_store.events.recorded import EventMeta


@pytest.fixture
def blog() -> Blog:
    return Blog()


@pytest.fixture
def time() -> Iterator[Clock]:
    clock = Clock()
    clock.start()
    yield clock
    clock.stop()


def told(blog: Blog) -> list[tuple[str, str, str, str | None]]:
    assert isinstance(blog.provider, Provider)
    return blog.provider.told


# --- to the letter ----------------------------------------------------------------------------


def test_a_run_does_not_end_before_all_is_handled_however_long_one_aggregate_takes(
    blog: Blog, time: Clock
) -> None:
    """A turn takes a minute at most; a run takes as many of them as there is to see."""
    blog.users(*["a"] * 9, "b")
    seen: list[int] = []
    handler = blog.domain.create_handler("h", [user])

    def slow(_id: str, _event: object, meta: EventMeta) -> None:
        time.advance(seconds=25)
        seen.append(meta.version)

    handler.handle(user, UserCreated, slow)
    handler.handle(user, UserDisabled, slow)
    assert handler.run_once() == Run(fetched=10, handled=10)
    assert sorted(seen) == [1, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert handler.get_position() == "10"


def test_hooks_fire_for_each_page_and_once_more_for_the_empty_one(blog: Blog) -> None:
    blog.users("a", "b", "c", "d", "e", "f", "g", "h")
    blog.posts("p")
    handler = blog.domain.create_handler("h", [user, post])
    Seen(handler, only=[(post, PostCreated)])
    calls: list[Any] = []
    handler.on_start = lambda: calls.append("start")
    handler.on_end = calls.append
    assert handler.run_once() == Run(fetched=9, handled=1)
    assert calls == ["start", Run(fetched=9, handled=1), "start", Run()]


def test_what_has_no_callback_is_passed_over_and_never_asked_for_again(blog: Blog) -> None:
    blog.users("a")
    handler = blog.domain.create_handler("h", [user])
    assert handler.run_once() == Run(fetched=1)
    assert handler.get_position() != ""
    seen = Seen(handler)
    assert handler.run_once() == Run()
    blog.users("a")
    handler.run_once()
    assert seen == ["a@1", "a@2"]  # its cursor had nothing to move for


def test_in_memory_events_of_all_streams_come_in_the_order_of_their_appends(blog: Blog) -> None:
    blog.users("a", "b")
    blog.posts("p")
    blog.users("a")
    blog.posts("q", "p")
    seen = Seen(handler := blog.domain.create_handler("h", [post, user]))
    handler.run_once()
    assert seen == ["a@1", "b@1", "p@1", "a@2", "q@1", "p@2"]


def test_in_memory_a_callback_is_told_where_the_event_is_among_all(blog: Blog) -> None:
    blog.users("a", "b")
    blog.posts("p")
    handler = blog.domain.create_handler("h", [post, user])
    positions: list[str | None] = []
    fails = [True]

    def note(_: str, __: object, meta: EventMeta) -> None:
        if meta.aggregate_id == "a" and fails:
            raise ValueError(fails.pop())
        positions.append(meta.position)

    handler.handle(user, UserCreated, note)
    handler.handle(post, PostCreated, note)
    with pytest.raises(ValueError, match="True"):
        handler.run_once()
    handler.run_once()
    assert positions == ["2", "3", "1"]
    assert handler.get_position() == "3"


def test_a_handler_that_another_ones_callback_brings_up_to_date_is_not_told_that_ones_position(
    blog: Blog,
) -> None:
    blog.users("a")
    blog.posts("p")
    outer, inner = (blog.domain.create_handler(name, [post, user]) for name in ("outer", "inner"))
    positions: list[str | None] = []
    inner.handle(post, PostCreated, lambda _, __, meta: positions.append(meta.position))
    outer.handle(user, UserCreated, lambda *_: inner.catch_up(post, "p"))
    outer.run_once()
    assert positions == [None]


def test_a_handler_sees_its_own_streams_alone(blog: Blog) -> None:
    blog.users("a")
    blog.posts("p")
    seen = Seen(handler := blog.domain.create_handler("h", ["posts"]), only=[(post, PostCreated)])
    assert handler.run_once() == Run(fetched=1, handled=1)
    assert seen == ["p@1"]


def test_registering_works_with_texts_as_a_decorator_and_taken_apart(blog: Blog) -> None:
    blog.posts("p", "p")
    handler = blog.domain.create_handler("h", [post])
    handle = handler.handle
    found: list[Any] = []

    @handle("posts", "postCreated")
    def created(aggregate_id: str, event: PostCreated, meta: EventMeta) -> None:
        found.append((aggregate_id, event, meta.stream, meta.event_type))

    handle(post, "archived", lambda *_: found.append("earlier"))
    assert handle(post, PostArchived, archived := lambda *_: found.append("later")) is archived
    handler.run_once()
    assert found == [("p", PostCreated("u1", "p"), "posts", "postCreated"), "later"]


def test_what_can_never_be_called_is_refused_where_it_is_written_down(blog: Blog) -> None:
    handler = blog.domain.create_handler("h", [post])
    with pytest.raises(ConfigurationError, match="not over 'users'"):
        handler.handle(user, UserCreated)
    with pytest.raises(ConfigurationError, match="'nothing' is no event of the stream 'posts'"):
        handler.handle(post, "nothing")
    with pytest.raises(ConfigurationError, match="not over 'users'"):
        handler.handle_erased(user)


def test_a_run_goes_on_where_the_last_one_of_any_process_ended(blog: Blog) -> None:
    blog.users("a", "b")
    Seen(handler := blog.domain.create_handler("h", [user]))
    assert handler.run_once().handled == 2
    blog.users("a")
    there = blog.again()
    seen = Seen(again := there.domain.create_handler("h", [user]))
    assert again.run_once() == Run(fetched=1, handled=1)
    assert seen == ["a@2"]


# --- failures ---------------------------------------------------------------------------------


def test_what_fails_raises_untouched_stays_in_front_and_lets_the_others_go_on(blog: Blog) -> None:
    blog.users("a", "b", "a", "c")
    seen = Seen(handler := blog.domain.create_handler("h", [user]))
    seen.broken = {"a@1"}
    runs: list[Run] = []
    handler.on_end = runs.append
    for tries in (1, 2):
        with pytest.raises(ValueError, match=r"^a@1$"):
            handler.run_once()
        assert seen == ["b@1", "c@1"]
        assert told(blog) == [("a@1", "users", "h", "users#a#acme@1")] * tries
    assert runs[0] == Run(fetched=4, handled=2, failed=1)
    seen.broken = set()
    assert handler.run_once().handled == 2
    assert seen == ["b@1", "c@1", "a@1", "a@2"]


def test_a_process_that_begins_anew_finds_what_had_failed(blog: Blog) -> None:
    blog.users("a", "b")
    seen = Seen(handler := blog.domain.create_handler("h", [user]))
    seen.broken = {"a@1"}
    with pytest.raises(ValueError, match="a@1"):
        handler.run_once()
    again = Seen(other := blog.again().domain.create_handler("h", [user]))
    other.run_once()
    assert again == ["a@1"]


async def _send(*_: object) -> None:
    """What a callback returns of it is still to be awaited."""


def test_what_a_callback_returns_instead_of_doing_it_was_not_done(blog: Blog) -> None:
    blog.users("a")
    handler = blog.domain.create_handler("h", [user])
    handler.handle(user, UserCreated, lambda aggregate_id, *_: _send(aggregate_id))
    with pytest.raises(
        ConfigurationError, match="handler h: the callback of 'created' returned a coroutine, which nobody"
    ):
        handler.run_once()
    seen = Seen(handler)
    assert handler.run_once().handled == 1
    assert seen == ["a@1"]


def test_of_several_that_fail_the_first_is_raised_and_all_are_told(blog: Blog) -> None:
    blog.users("a", "b", "c")
    seen = Seen(handler := blog.domain.create_handler("h", [user]))
    seen.broken = {"a@1", "c@1"}
    with pytest.raises(ValueError, match="a@1"):
        handler.run_once()
    assert [one[0] for one in told(blog)] == ["a@1", "c@1"]
    assert seen == ["b@1"]


def test_with_continue_on_error_it_goes_on_behind_it_and_tells_which_event_it_was(blog: Blog) -> None:
    blog.users("a", "a", "b")
    seen = Seen(handler := blog.domain.create_handler("h", [user, post], continue_on_error=True))
    seen.broken = {"a@1"}
    assert handler.run_once() == Run(fetched=3, handled=3, failed=1)
    assert seen == ["a@2", "b@1"]
    assert told(blog) == [("a@1", "users, posts", "h", "users#a#acme@1")]
    assert handler.run_once() == Run()


def test_half_of_a_commit_that_was_seen_is_not_shown_again(blog: Blog) -> None:
    repository = blog.domain[user]
    repository.append(repository.get_aggregate("a"), [UserCreated(name="a"), UserDisabled(), UserDisabled()])
    seen = Seen(handler := blog.domain.create_handler("h", [user]))
    seen.broken = {"a@2"}
    with pytest.raises(ValueError, match="a@2"):
        handler.run_once()
    seen.broken = set()
    handler.run_once()
    assert seen == ["a@1", "a@2", "a@3"]


def test_what_fails_ten_times_over_a_minute_is_parked_and_raises_no_more(blog: Blog, time: Clock) -> None:
    blog.users("a", "b")
    seen = Seen(handler := blog.domain.create_handler("h", [user]))
    seen.broken = {"a@1"}
    for _ in range(10):
        with pytest.raises(ValueError, match="a@1"):
            handler.run_once()
        time.advance(seconds=6)
    assert handler.run_once().parked == 1
    assert handler.run_once() == Run()
    blog.users("a")
    assert handler.run_once() == Run(fetched=1, parked=1)
    assert set(seen) == {"b@1"}
    other = blog.again().domain.create_handler("h", [user])
    Seen(other)
    assert other.run_once() == Run()  # the position has gone on


def test_an_outage_of_the_read_model_parks_nothing_however_long_it_lasts(blog: Blog, time: Clock) -> None:
    blog.users("a", "b", "c", "d")
    seen = Seen(handler := blog.domain.create_handler("h", [user], attempts=1))
    seen.broken = {"a@1", "b@1", "c@1", "d@1"}
    for _ in range(5):
        with pytest.raises(ValueError, match="a@1"):
            handler.run_once()
        time.advance(hours=1)
    seen.broken = set()
    handler.run_once()
    assert sorted(seen) == ["a@1", "b@1", "c@1", "d@1"]


def test_an_event_that_nothing_reads_fails_as_a_callback_does_and_others_go_on(blog: Blog) -> None:
    blog.users("b")
    newer: Aggregate[UserCreated, dict[str, Any]] = create_aggregate(
        stream="users", events=[UserCreated], create=dict, fold=lambda *_: None, upcasters={"created": [dict]}
    )
    stored, _ = newer.types.stored(UserCreated(name="x"))
    key = blog.domain[user].get_aggregate("a").key
    blog.provider.append([Commit(key=key, first=1, events=(stored,), append_id="x", at=Clock().now())])
    seen = Seen(handler := blog.domain.create_handler("h", [user]))
    with pytest.raises(UnreadableEventError, match="has the schema 1"):
        handler.run_once()
    assert seen == ["b@1"]
    assert told(blog)[0][3] is None


def test_what_on_error_raises_does_not_hide_what_failed(blog: Blog, monkeypatch: pytest.MonkeyPatch) -> None:
    blog.users("a", "b")
    seen = Seen(handler := blog.domain.create_handler("h", [user], continue_on_error=True))
    seen.broken = {"a@1"}
    monkeypatch.setattr(blog.provider, "on_error", lambda *_: 1 / 0)
    assert handler.run_once().failed == 1
    assert seen == ["b@1"]


def test_a_callback_that_runs_its_own_handler_is_refused(blog: Blog) -> None:
    blog.users("a")
    handler = blog.domain.create_handler("h", [user])
    handler.handle(user, UserCreated, lambda *_: handler.run_once())
    with pytest.raises(BadRequestError, match="handler h: a callback or a hook must not run"):
        handler.run_once()


# --- positions --------------------------------------------------------------------------------


def test_a_position_can_be_moved_and_never_makes_anything_come_twice(blog: Blog) -> None:
    blog.users("a", "b")
    seen = Seen(handler := blog.domain.create_handler("h", [user]))
    assert handler.get_position() == ""
    handler.run_once()
    end = handler.get_position()
    handler.set_position("")
    assert handler.get_position() == ""
    assert handler.run_once() == Run(fetched=2)
    assert handler.get_position() == end
    assert seen == ["a@1", "b@1"]


def test_a_position_is_kept_and_read_again_after_a_reset(blog: Blog) -> None:
    blog.users("a", "b")
    handler = blog.domain.create_handler("h", [user])
    handler.run_once()
    end = handler.get_position()
    other = blog.again().domain.create_handler("h", [user])
    assert other.get_position() == end
    other.set_position("1")
    assert handler.get_position() == end
    handler.reset()
    assert handler.get_position() == "1"


def test_what_is_no_position_is_refused(blog: Blog) -> None:
    handler = blog.domain.create_handler("h", [user])
    with pytest.raises(InvalidInputError, match="position: must be a text"):
        handler.set_position(None)  # type: ignore[arg-type]


# --- bookmarks in memory ----------------------------------------------------------------------


def test_with_a_memory_bookmark_each_process_begins_anew(blog: Blog) -> None:
    blog.users("a", "b")
    seen = Seen(handler := blog.domain.create_handler(MemoryBookmark(), [user]))
    handler.run_once()
    assert handler.run_once() == Run()
    assert seen == ["a@1", "b@1"]
    again = Seen(other := blog.domain.create_handler(MemoryBookmark(), [user]))
    other.run_once()
    assert again == ["a@1", "b@1"]
    assert handler.name == other.name == "@@MemoryBookmark"


def test_with_a_memory_bookmark_a_reset_begins_anew(blog: Blog) -> None:
    blog.users("a")
    seen = Seen(handler := blog.domain.create_handler(MemoryBookmark(), [user]))
    handler.run_once()
    handler.reset()
    assert handler.get_position() == ""
    handler.run_once()
    assert seen == ["a@1", "a@1"]


# --- erased aggregates ------------------------------------------------------------------------


def test_a_handler_is_told_of_what_was_erased_and_not_shown_what_is_blank(blog: Blog) -> None:
    loaded = blog.users("a", "a", "b")
    key = blog.domain[user].get_aggregate("a").key
    handler = blog.domain.create_handler("h", [user])
    seen = Seen(handler)
    erased: list[Any] = []

    @handler.handle_erased(user)
    def forget(aggregate_id: str, meta: EventMeta) -> None:
        erased.append((aggregate_id, meta.version, meta.tenant, meta.event_type))

    handler.run_once()
    closing = Commit(key=key, first=3, events=(), append_id="x", at=Clock().now(), closes=True)
    blog.provider.erase(key, closing)
    handler.run_once()
    assert erased == [("a", 3, "acme", "")]
    assert seen == ["a@1", "a@2", "b@1"]

    late = Seen(newcomer := blog.domain.create_handler("late", [user]))
    newcomer.run_once()
    assert late == ["b@1"]
    assert loaded.exists


def test_handlers_of_one_provider_keep_their_progress_in_one_place(blog: Blog) -> None:
    one, other = (blog.domain.create_handler(name, [user]) for name in ("one", "other"))
    assert one.cursors() is other.cursors()  # whoever feeds both reads their cursors with one call
    assert blog.domain.create_handler(MemoryBookmark(), [user]).cursors() is not one.cursors()


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bookmark", "streams", "options", "message"),
    [
        ("h", [], {}, "'h' is over no streams; name at least one"),
        ("h", ["people"], {}, r"'people' is no stream of this domain, which has \['posts', 'users'\]"),
        ("h", [7], {}, "7 is no stream of this domain"),
        ("h", "users", {}, "its streams must be a list, got 'users'"),
        ("h", user, {}, "its streams must be a list"),
        ("h", None, {}, "its streams must be a list, got None"),
        ("", [user], {}, "must be a MemoryBookmark, or a name"),
        ("a#b", [user], {}, "must be a MemoryBookmark, or a name"),
        ("a@1", [user], {}, "must be a MemoryBookmark, or a name"),
        (None, [user], {}, "must be a MemoryBookmark, or a name"),
        (MemoryBookmark, [user], {}, "must be a MemoryBookmark, or a name"),
        ("taken", [user], {}, "has a handler 'taken' already"),
        ("h", [user], {"attempts": 0}, "attempts must be a number of tries, 1 or more, got 0"),
        ("h", [user], {"attempts": True}, "attempts must be a number of tries"),
        ("h", [user], {"tail_stream": "no"}, "tail_stream must be True or False, got 'no'"),
        ("h", [user], {"reaction": 1}, "reaction must be True or False, got 1"),
    ],
)
def test_a_handler_that_could_not_work_is_not_made(
    blog: Blog, bookmark: Any, streams: Any, options: Any, message: str
) -> None:
    blog.domain.create_handler("taken", [user])
    with pytest.raises(ConfigurationError, match=message):
        blog.domain.create_handler(bookmark, streams, **options)
    assert list(blog.domain.handlers) == ["taken"]


def test_an_aggregate_of_another_domain_with_the_same_stream_is_refused(blog: Blog) -> None:
    twin: Aggregate[UserCreated, dict[str, Any]] = create_aggregate(
        stream="users", events=[UserCreated], create=dict, fold=lambda *_: None
    )
    with pytest.raises(ConfigurationError, match="'users' is no stream of this domain"):
        blog.domain.create_handler("h", [twin])


def test_an_empty_store_is_no_special_case(blog: Blog) -> None:
    Seen(handler := blog.domain.create_handler("h", [user]))
    assert handler.run_once() == Run()
    blog.users("a")
    assert handler.run_once() == Run(fetched=1, handled=1)


def test_poison_of_a_quiet_store_is_parked_and_an_outage_is_not(blog: Blog, time: Clock) -> None:
    """Three that fail could be either: the handler is shown once more what it took before."""
    seen = Seen(handler := blog.domain.create_handler("h", [user]))
    blog.users("good")
    handler.run_once()
    blog.users("a", "b", "c")
    seen.broken = {f"{name}@1" for name in ("a", "b", "c", "good")}
    for _ in range(60):
        with pytest.raises(ValueError, match="@1"):
            handler.run_once()
        time.advance(minutes=1)
    seen.broken = {f"{name}@1" for name in "abc"}
    for _ in range(9):
        with pytest.raises(ValueError, match="@1"):
            handler.run_once()
        time.advance(seconds=5)
    assert handler.run_once().parked == 3
    assert set(seen) == {"good@1"}


@pytest.mark.parametrize("ends_with", [SystemExit(3), GeneratorExit()])
def test_a_callback_that_ends_the_process_ends_it(blog: Blog, ends_with: BaseException) -> None:
    """As the handler of a signal does. The event comes again in the next process."""
    blog.users("a")
    handler = blog.domain.create_handler("h", [user])

    def end(*_: object) -> None:
        raise ends_with

    handler.handle(user, UserCreated, end)
    with pytest.raises(type(ends_with)):
        handler.run_once()
    seen = Seen(handler)
    assert handler.run_once().handled == 1
    assert seen == ["a@1"]


def test_in_a_function_of_lambda_a_callback_that_ends_the_process_fails(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would end the function again and again, and hold up its shard for as long as the stream keeps it."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "projector")
    blog.users("a")
    handler = blog.domain.create_handler("h", [user])

    def end(*_: object) -> None:
        sys.exit("no such option")

    handler.handle(user, UserCreated, end)
    with pytest.raises(
        ConfigurationError, match="handler h: the callback of 'created' raised SystemExit, which"
    ):
        handler.run_once()
    assert len(told(blog)) == 1
