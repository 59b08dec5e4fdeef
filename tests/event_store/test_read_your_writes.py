"""Who has written can know, wait, or see to it that a read model has what they wrote: exact by aggregate."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import (
    ConfigurationError,
    ContentionError,
    ForbiddenError,
    InvalidInputError,
    ReadModelBehindError,
)
from runtime.event_store.feed.cursors import CursorKey
from runtime.event_store.handlers.run import Run
from runtime.identity.claims import CLAIM_TENANT, CLAIM_USER
from runtime.identity.context import InvokeContext, use_invoke_context
from runtime.testing.clock import Clock
from tests.event_store.followed import Blog, Seen, UserCreated, post, user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.event_store.handlers.handler import EventHandler


@pytest.fixture
def blog() -> Blog:
    return Blog()


@pytest.fixture
def handler(blog: Blog) -> EventHandler:
    return blog.domain.create_handler("h", [user])


@pytest.fixture
def time() -> Iterator[Clock]:
    clock = Clock()
    clock.start()
    yield clock
    clock.stop()


def test_a_handler_has_seen_a_version_or_it_has_not(blog: Blog, handler: EventHandler) -> None:
    Seen(handler)
    first = blog.users("a")
    assert not handler.has_seen(user, first)
    handler.run_once()
    assert handler.has_seen(user, first)
    assert handler.has_seen("users", first)
    second = blog.users("a")
    assert (handler.has_seen(user, first), handler.has_seen(user, second)) == (True, False)


def test_another_aggregates_progress_says_nothing(blog: Blog, handler: EventHandler) -> None:
    Seen(handler)
    blog.users("a", "a")
    handler.run_once()
    assert not handler.has_seen(user, blog.users("b"))
    assert not handler.has_seen(user, blog.users("a", tenant="other"))


def test_what_is_none_of_its_events_it_has_seen_when_it_has_seen_those_before(
    blog: Blog, handler: EventHandler
) -> None:
    Seen(handler, only=[(user, UserCreated)])
    created = blog.users("a")
    disabled = blog.users("a")
    assert not handler.has_seen(user, disabled)
    handler.run_once()
    assert handler.has_seen(user, created)
    assert handler.has_seen(user, disabled)
    assert handler.has_seen(user, blog.users("a"))  # no run needs to pass it over


def test_an_aggregate_that_was_never_written_has_nothing_to_be_seen(
    blog: Blog, handler: EventHandler
) -> None:
    Seen(handler)
    assert handler.has_seen(user, blog.domain[user].get_aggregate("nobody"))


def test_what_was_before_a_tail_is_not_waited_for(blog: Blog, time: Clock) -> None:
    before = blog.users("a")
    time.advance(seconds=1)
    Seen(handler := blog.domain.create_handler("h", [user], tail_stream=True))
    handler.run_once()
    assert handler.has_seen(user, before)
    assert not handler.has_seen(user, blog.users("a"))


def test_it_is_the_live_generation_that_has_to_have_seen_it(
    blog: Blog, handler: EventHandler, time: Clock
) -> None:
    Seen(handler)
    written = blog.users("a")
    handler.run_once()
    handler.build()
    time.advance(minutes=1)
    assert handler.has_seen(user, written)


def test_waiting_ends_as_soon_as_it_is_there(blog: Blog, handler: EventHandler) -> None:
    Seen(handler)
    written = blog.users("a")
    thread = threading.Thread(target=handler.run_once)
    thread.start()
    handler.wait_for(user, written, timeout=10)
    thread.join()
    assert handler.has_seen(user, written)


def test_waiting_ends_with_an_error_that_says_what_was_waited_for(blog: Blog, handler: EventHandler) -> None:
    Seen(handler)
    with pytest.raises(
        ReadModelBehindError, match=r"^h has not seen version 1 of users#a#acme yet; try again$"
    ) as info:
        handler.wait_for(user, blog.users("a"), timeout=0)
    assert (info.value.status, info.value.version, info.value.parked_version) == (503, 1, None)


def test_nobody_waits_for_what_is_parked(blog: Blog, time: Clock) -> None:
    handler = blog.domain.create_handler("h", [user], attempts=1)
    seen = Seen(handler)
    seen.broken = {"a@1"}
    written = blog.users("a")
    for _ in range(2):
        with pytest.raises(ValueError, match="a@1"):
            handler.run_once()
        time.advance(seconds=30)
    assert handler.run_once().parked == 1
    with pytest.raises(ReadModelBehindError, match="it is parked at version 1; redrive it") as info:
        handler.wait_for(user, written, timeout=3600)
    assert info.value.parked_version == 1
    assert handler.catch_up(user, "a") == Run(parked=1)


# --- catching up ------------------------------------------------------------------------------


def test_catching_up_shows_what_is_missing_of_one_aggregate_here_and_now(
    blog: Blog, handler: EventHandler
) -> None:
    seen = Seen(handler)
    written = blog.users("a", "b", "a")
    assert handler.catch_up(user, "a") == Run(fetched=2, handled=2)
    assert seen == ["a@1", "a@2"]
    assert handler.has_seen(user, written)
    assert handler.catch_up("users", "a") == Run()
    assert handler.catch_up(user, "nobody") == Run()
    assert handler.run_once() == Run(fetched=3, handled=1)
    assert seen == ["a@1", "a@2", "b@1"]


def test_catching_up_goes_on_to_the_end_however_long_it_takes(
    blog: Blog, handler: EventHandler, time: Clock
) -> None:
    """A turn takes a minute at most, and may have to be taken again."""
    seen = Seen(handler)
    blog.users(*["a"] * 50)
    watched = seen.append

    def slow(what: str) -> None:
        time.advance(seconds=25)
        watched(what)

    seen.append = slow  # type: ignore[method-assign]
    assert handler.catch_up(user, "a").handled == 50
    assert seen == [f"a@{version}" for version in range(1, 51)]


def test_what_a_callback_raises_passes_through_and_is_tried_again(blog: Blog, handler: EventHandler) -> None:
    seen = Seen(handler)
    seen.broken = {"a@2"}
    blog.users("a", "a")
    with pytest.raises(ValueError, match="a@2"):
        handler.catch_up(user, "a")
    seen.broken = set()
    assert handler.catch_up(user, "a").handled == 1
    assert seen == ["a@1", "a@2"]


def test_while_somebody_else_has_the_turn_nothing_is_shown(
    blog: Blog, handler: EventHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen(handler)
    blog.users("a")
    key = blog.domain[user].get_aggregate("a").key
    whose = CursorKey("h", 1, key)
    assert handler.cursors().rows([whose])[whose].claim("somebody", 3600)
    monkeypatch.setattr("runtime.event_store.feed.ringer.back_off", lambda *_, **__: None)
    with pytest.raises(
        ContentionError, match="somebody else shows h the events of users#a#acme; repeat the call"
    ):
        handler.catch_up(user, "a")
    assert seen == []


def test_the_others_leave_an_aggregate_to_who_catches_up(blog: Blog, handler: EventHandler) -> None:
    blog.users("a")
    there = blog.again().domain.create_handler("h", [user])
    others = Seen(there)
    runs: list[Run] = []
    handler.handle(user, UserCreated, lambda *_: runs.append(there.run_once()))
    handler.catch_up(user, "a")
    assert (runs, others) == ([Run(fetched=1)], [])


# --- whose, and what of -----------------------------------------------------------------------


def request(tenant: str) -> Any:
    return use_invoke_context(InvokeContext(claims={CLAIM_USER: "ann", CLAIM_TENANT: tenant}))


def test_nobody_asks_about_another_tenant(blog: Blog, handler: EventHandler) -> None:
    Seen(handler)
    written = blog.users("a")
    with request("evil"):
        for ask in (
            lambda: handler.has_seen(user, written),
            lambda: handler.wait_for(user, written, timeout=0),
            lambda: handler.catch_up(user, "a", tenant="acme"),
        ):
            with pytest.raises(ForbiddenError):
                ask()
    with request("acme"):
        assert not handler.has_seen(user, written)
        assert handler.catch_up(user, "a").handled == 1


def test_what_is_of_another_stream_is_refused(blog: Blog, handler: EventHandler) -> None:
    written = blog.posts("p")
    with pytest.raises(
        InvalidInputError, match="loaded: must be an aggregate of the stream 'users', got one of 'posts'"
    ):
        handler.has_seen(user, written)
    with pytest.raises(ConfigurationError, match="not over 'posts'"):
        handler.has_seen(post, written)
    with pytest.raises(ConfigurationError, match="not over 'posts'"):
        handler.catch_up(post, "p")
    with pytest.raises(InvalidInputError, match="aggregate_id"):
        handler.catch_up(user, "")


@pytest.mark.parametrize("timeout", ["5", None, float("nan"), True])
def test_a_timeout_is_a_number_of_seconds(blog: Blog, timeout: Any) -> None:
    loaded = blog.users("a")
    handler = blog.domain.create_handler("h", [user])
    with pytest.raises(InvalidInputError, match="timeout: must be a number of seconds, got"):
        handler.wait_for(user, loaded, timeout=timeout)


@pytest.mark.parametrize("loaded", ["a", 5, None])
def test_what_is_asked_about_is_what_a_command_has_returned(blog: Blog, loaded: Any) -> None:
    handler = blog.domain.create_handler("h", [user])
    for ask in (handler.has_seen, handler.wait_for):
        with pytest.raises(
            InvalidInputError, match="loaded: must be what a command or get_aggregate returned"
        ):
            ask(user, loaded)
