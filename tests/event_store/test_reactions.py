"""Handlers that execute commands: effectively once, however often they are shown an event, and traceable."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import BadRequestError, CommandError
from runtime.identity.claims import CLAIM_TENANT, CLAIM_USER
from runtime.identity.context import InvokeContext, use_invoke_context
from runtime.testing.clock import Clock
from tests.event_store.followed import ArchivePost, Blog, UserDisabled, post, user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.handlers.handler import EventHandler


@pytest.fixture
def blog() -> Blog:
    return Blog()


@pytest.fixture
def time() -> Iterator[Clock]:
    clock = Clock()
    clock.start()
    yield clock
    clock.stop()


class Archivist:
    """Archives a post when its user is disabled; it dies ``deaths`` times behind the command."""

    def __init__(self, blog: Blog, *, reaction: bool = True, deaths: int = 0) -> None:
        self.handler: EventHandler = blog.domain.create_handler("archivist", [user], reaction=reaction)
        self._deaths = itertools.count(1)
        self.calls = 0

        @self.handler.handle(user, UserDisabled)
        def react(aggregate_id: str, _event: UserDisabled, meta: EventMeta) -> None:
            self.calls += 1
            command = ArchivePost(by=aggregate_id)
            blog.post_commands.execute("p", command, command_id=meta.command_id_for("archivist"))
            if next(self._deaths) <= deaths:
                raise KeyboardInterrupt


def versions(blog: Blog) -> list[int]:
    return [recorded.meta.version for recorded in blog.domain[post].events("p")]


def test_a_reaction_that_dies_behind_its_command_executes_it_once(blog: Blog) -> None:
    blog.posts("p")
    blog.users("u", "u")
    archivist = Archivist(blog, deaths=3)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            archivist.handler.run_once()
    archivist.handler.run_once()
    assert archivist.calls == 4
    assert versions(blog) == [1, 2]


def test_a_command_id_of_a_reaction_holds_for_longer_than_a_day(blog: Blog, time: Clock) -> None:
    blog.posts("p")
    blog.users("u", "u")
    Archivist(blog).handler.run_once()
    time.advance(days=8)
    key = blog.domain[post].get_aggregate("p").key
    meta = next(one.meta for one in blog.domain[user].events("u", after=1))
    record = blog.provider.command(key, meta.command_id_for("archivist"))
    assert record is not None
    assert record.is_kept


def test_of_a_handler_that_is_no_reaction_the_ids_are_forgotten_after_a_day(blog: Blog, time: Clock) -> None:
    blog.posts("p")
    blog.users("u", "u")
    Archivist(blog, reaction=False).handler.run_once()
    key = blog.domain[post].get_aggregate("p").key
    meta = next(one.meta for one in blog.domain[user].events("u", after=1))
    record = blog.provider.command(key, meta.command_id_for("archivist"))
    assert record is not None
    assert not record.is_kept
    time.advance(days=2)
    assert blog.provider.command(key, meta.command_id_for("archivist")) is None


def test_what_it_appends_says_what_it_came_of(blog: Blog) -> None:
    blog.posts("p")
    with use_invoke_context(
        InvokeContext(claims={CLAIM_USER: "ann", CLAIM_TENANT: "acme"}, request_id="r-1")
    ):
        blog.users("u", "u")
    Archivist(blog).handler.run_once()
    (archived,) = blog.domain[post].events("p", after=1)
    assert archived.meta.causation_id == "users#u#acme@2"
    assert archived.meta.correlation_id == "r-1"
    assert archived.meta.command_id == "archivist:users#u#acme@2"


def test_its_commands_are_for_the_tenant_of_the_event(blog: Blog) -> None:
    blog.users("u", "u", tenant="other")
    archivist = Archivist(blog)
    blog.posts("p")  # of the domain's own tenant, which is not the event's
    with pytest.raises(CommandError, match="there is no such post"):
        archivist.handler.run_once()
    assert versions(blog) == [1]


def test_behind_a_callback_nothing_is_caused_by_its_event(blog: Blog) -> None:
    blog.posts("p")
    blog.users("u", "u")
    Archivist(blog).handler.run_once()
    blog.posts("p")
    last: Any = list(blog.domain[post].events("p"))[-1]
    assert last.meta.causation_id is None


def test_it_has_one_generation_and_is_left_out_of_rebuilds(blog: Blog) -> None:
    archivist = Archivist(blog)
    for what, step in (("build", archivist.handler.build), ("rebuild", archivist.handler.rebuild)):
        with pytest.raises(
            BadRequestError, match=f"archivist: {what} is for read models, and this is a reaction"
        ):
            step()
    archivist.handler.run_once()
    registration = archivist.handler.registration
    assert registration is not None
    assert registration.generations == (1,)
