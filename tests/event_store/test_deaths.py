"""A process that pulls, or scans, and ends in a callback: the next ones find out where, and go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.errors import BadRequestError
from runtime.event_store.handlers.run import Run
from runtime.testing.clock import Clock
from tests.event_store.followed import Blog, PostArchived, PostCreated, post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.handlers.handler import EventHandler

_MOST = 20
_POSTS = [f"p{number}" for number in range(6)]


class Crash(BaseException):
    """Stands for the end of a process."""


@pytest.fixture(autouse=True)
def time() -> Iterator[Clock]:
    clock = Clock()
    clock.start()
    yield clock
    clock.stop()


class Model:
    """A read model whose process ends at what is deadly."""

    def __init__(self, blog: Blog) -> None:
        self.blog = blog
        self.seen: set[str] = set()
        self.deaths = 0
        self.deadly = {"p3@2"}

    def process(self) -> EventHandler:
        """The handler in one more process."""
        handler = self.blog.again().domain.create_handler("h", [post])
        for event in (PostCreated, PostArchived):
            handler.handle(post, event, self.note)
        return handler

    def note(self, aggregate_id: str, _: object, meta: EventMeta) -> None:
        what = f"{aggregate_id}@{meta.version}"
        if what in self.deadly:
            self.deaths += 1
            raise Crash
        self.seen.add(what)


@pytest.fixture
def model() -> Model:
    blog = Blog()
    blog.posts(*_POSTS, *_POSTS, *_POSTS)
    return Model(blog)


def everything_but(*missing: str) -> set[str]:
    return {f"{one}@{version}" for one in _POSTS for version in (1, 2, 3)} - {*missing}


def test_a_process_that_pulls(model: Model, time: Clock) -> None:
    for _ in range(_MOST):
        time.advance(seconds=62)
        try:
            run = model.process().run_once()
        except Crash:
            continue
        break
    assert run.parked == 1
    assert model.seen == everything_but("p3@2", "p3@3")
    assert model.deaths == 4  # one that nobody knows the event of, and three
    assert model.process().run_once() == Run()


@pytest.mark.parametrize("segments", [1, 2])
def test_a_process_that_scans(model: Model, time: Clock, segments: int) -> None:
    model.deadly = set()
    model.process().build()
    model.deadly = {"p3@2"}
    for segment in range(segments):
        token: str | None = None
        for _ in range(_MOST):
            time.advance(seconds=62)
            try:
                page = model.process().rebuild(segment=segment, total_segments=segments, resume_from=token)
            except Crash:
                continue
            token = page.resume_token
            if token is None:
                break
        assert token is None
    assert model.seen == everything_but("p3@2", "p3@3")
    assert model.deaths == 4
    with pytest.raises(BadRequestError, match="generation 2 is parked at posts#p3#acme"):
        model.process().switch()


def test_a_process_that_goes_on_claims_nothing(model: Model) -> None:
    model.deadly = set()
    handler = model.process()
    handler.run_once()
    claims: list[object] = []
    model.blog.provider.storage.store.on_change(  # type: ignore[attr-defined]
        lambda change: claims.append(change.new) if "claim" in (change.new or {}) else None
    )
    model.blog.posts(*_POSTS)
    assert handler.run_once().handled == len(_POSTS)
    assert claims == []
