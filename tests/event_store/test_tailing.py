"""Handlers that are not to see everything: they begin behind what is there, to the event."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runtime.errors import ConfigurationError
from runtime.event_store.handlers.bookmark import MemoryBookmark
from runtime.event_store.handlers.run import Run
from runtime.testing.clock import Clock
from tests.event_store.followed import Blog, Seen, user

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def blog() -> Blog:
    return Blog()


@pytest.fixture(autouse=True)
def time() -> Iterator[Clock]:
    """Time stands still: what comes before and behind is told by the order, and not by the clock."""
    clock = Clock()
    clock.start()
    yield clock
    clock.stop()


def test_its_very_first_start_is_behind_what_is_there(blog: Blog) -> None:
    blog.users("a", "b", "a")
    seen = Seen(handler := blog.domain.create_handler("h", [user], tail_stream=True))
    assert handler.run_once() == Run()
    blog.users("a", "c")
    assert handler.run_once() == Run(fetched=2, handled=2)
    assert seen == ["a@3", "c@1"]


def test_on_an_empty_store_the_first_event_is_one_that_comes_behind(blog: Blog) -> None:
    seen = Seen(handler := blog.domain.create_handler("h", [user], tail_stream=True))
    handler.run_once()
    blog.users("a")
    handler.run_once()
    assert seen == ["a@1"]


def test_a_later_start_goes_on_where_the_last_one_ended(blog: Blog, time: Clock) -> None:
    blog.users("a")
    Seen(handler := blog.domain.create_handler("h", [user], tail_stream=True))
    handler.run_once()
    blog.users("a", "b")
    time.advance(hours=1)
    seen = Seen(other := blog.again().domain.create_handler("h", [user], tail_stream=True))
    other.run_once()
    assert seen == ["a@2", "b@1"]


def test_what_fails_at_first_is_not_left_out_and_nothing_earlier_comes_with_it(blog: Blog) -> None:
    blog.users("a", "a")
    seen = Seen(handler := blog.domain.create_handler("h", [user], tail_stream=True))
    handler.run_once()
    seen.broken = {"a@3"}
    blog.users("a", "b")
    with pytest.raises(ValueError, match="a@3"):
        handler.run_once()
    seen.broken = set()
    handler.run_once()
    assert seen == ["b@1", "a@3"]


def test_where_notices_bring_no_commits_along_it_goes_by_the_time(
    blog: Blog, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = blog.provider.notices
    monkeypatch.setattr(
        blog.provider, "notices", lambda *given: [replace(notice, commit=None) for notice in told(*given)]
    )
    blog.users("a", "a")
    time.advance(seconds=1)
    seen = Seen(handler := blog.domain.create_handler("h", [user], tail_stream=True))
    handler.run_once()
    blog.users("a", "b")
    handler.run_once()
    assert seen == ["a@3", "b@1"]


def test_to_build_another_generation_is_a_first_start_too(blog: Blog) -> None:
    blog.users("a")
    seen = Seen(handler := blog.domain.create_handler("h", [user], tail_stream=True))
    handler.build()
    assert handler.run_once() == Run()
    blog.users("a")
    handler.run_once()
    assert seen == ["a@2", "a@2"]  # one for each generation


def test_fed_by_a_stream_it_begins_with_the_earliest_event_of_its_first_batch(
    blog: Blog, time: Clock
) -> None:
    handler = blog.domain.create_handler("h", [user], tail_stream=True)
    first = time.now()
    time.advance(seconds=5)
    assert handler.generations(first) == (1,)
    assert handler.since == first
    time.advance(seconds=5)
    assert handler.generations(time.now()) == (1,)
    assert handler.since == first


@pytest.mark.parametrize("first", ["catch_up", "build", "rebuild"])
def test_without_a_pull_index_whoever_does_not_pull_starts_it_all_the_same(
    blog: Blog, time: Clock, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    def refuses(*_: object) -> None:
        message = "the events table has no pull index"
        raise ConfigurationError(message)

    blog.users("a", "b")
    time.advance(seconds=1)
    seen = Seen(handler := blog.domain.create_handler("h", [user], tail_stream=True))
    monkeypatch.setattr(blog.provider, "notices", refuses)
    if first == "catch_up":
        handler.catch_up(user, "a")
    else:
        getattr(handler, first)()
    blog.users("a")
    assert handler.catch_up(user, "a").handled == 1
    assert seen == ["a@2"]
    with pytest.raises(ConfigurationError, match="no pull index"):
        handler.run_once()


def test_one_that_always_tails_begins_behind_what_is_there_in_each_process(blog: Blog, time: Clock) -> None:
    seen = Seen(handler := blog.domain.create_handler("h", [user], always_tail_stream=True))
    handler.run_once()
    blog.users("a", "b")
    handler.run_once()
    blog.users("a", "c")
    time.advance(seconds=1)
    again = Seen(other := blog.again().domain.create_handler("h", [user], always_tail_stream=True))
    assert other.run_once() == Run()
    blog.users("a", "b")
    other.run_once()
    assert seen == ["a@1", "b@1"]
    assert again == ["a@3", "b@2"]


def test_one_that_always_tails_passes_over_what_it_has_missed_by_the_time_too(
    blog: Blog, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = blog.provider.notices
    monkeypatch.setattr(
        blog.provider, "notices", lambda *given: [replace(notice, commit=None) for notice in told(*given)]
    )
    Seen(handler := blog.domain.create_handler("h", [user], always_tail_stream=True))
    handler.run_once()
    blog.users("a")
    handler.run_once()
    blog.users("a")
    time.advance(seconds=1)
    again = Seen(other := blog.again().domain.create_handler("h", [user], always_tail_stream=True))
    other.run_once()
    blog.users("a")
    other.run_once()
    assert again == ["a@3"]


def test_one_that_always_tails_does_so_after_a_reset_too(blog: Blog, time: Clock) -> None:
    seen = Seen(handler := blog.domain.create_handler("h", [user], always_tail_stream=True))
    handler.run_once()
    blog.users("a")
    time.advance(seconds=1)
    handler.reset()
    assert handler.run_once() == Run()
    blog.users("a")
    handler.run_once()
    assert seen == ["a@2"]


@pytest.mark.parametrize("seconds", [0, 1])
def test_with_a_memory_bookmark_too_its_position_is_one(blog: Blog, time: Clock, seconds: int) -> None:
    blog.users("a", "a")
    time.advance(seconds=seconds)
    seen = Seen(handler := blog.domain.create_handler(MemoryBookmark(), [user], always_tail_stream=True))
    handler.run_once()
    assert handler.get_position() == "2"
    blog.users("a")
    handler.run_once()
    assert seen == ["a@3"]


def test_tailing_leaves_nothing_out_that_is_appended_while_it_looks_for_the_end(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    blog.users("a")
    told = blog.provider.notices
    late = ["b"]

    def notices(*given: object) -> object:
        found = told(*given)  # type: ignore[arg-type]
        if not found and late:
            blog.users(late.pop())  # behind the last look
        return found

    monkeypatch.setattr(blog.provider, "notices", notices)
    seen = Seen(handler := blog.domain.create_handler("h", [user], tail_stream=True))
    handler.run_once()
    assert seen == ["b@1"]


@pytest.mark.parametrize(
    "make", [{"always_tail_stream": True}, {"tail_stream": True, "always_tail_stream": True}]
)
@pytest.mark.usefixtures("in_lambda")
def test_in_lambda_nobody_always_tails(blog: Blog, make: dict[str, bool]) -> None:
    handler = blog.domain.create_handler("h", [user], **make)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="handler h: always_tail_stream is for processes that go on"):
        handler.run_once()
    with pytest.raises(ConfigurationError, match="always_tail_stream is for processes that go on"):
        handler.generations(Clock().now() - timedelta(days=1))


def test_no_stream_feeds_what_keeps_its_progress_in_memory(blog: Blog) -> None:
    handler = blog.domain.create_handler(MemoryBookmark(), [user])
    with pytest.raises(ConfigurationError, match="a MemoryBookmark is for processes that go on"):
        handler.generations(Clock().now())
