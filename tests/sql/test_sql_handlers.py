"""Handlers whose read model and progress are in one SQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, insert, select

from runtime.event_store.handlers.run import Run
from runtime.sql import SqlCursors
from runtime.testing.clock import Clock
from tests.event_store.followed import Blog, PostArchived, PostCreated, post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.handlers.handler import EventHandler

_METADATA = MetaData()
_LOG = Table(
    "event_log",
    _METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("generation", Integer, nullable=False),
    Column("event", String(50), nullable=False),
)


@pytest.fixture
def cursors(engine: Engine) -> Iterator[SqlCursors]:
    own = create_engine(engine.url, pool_size=2, max_overflow=0, pool_timeout=5)
    made = SqlCursors(own)
    made.metadata.drop_all(own)
    _METADATA.drop_all(own)
    _METADATA.create_all(own)
    made.create_tables()
    yield made
    own.dispose()


@pytest.fixture
def blog() -> Blog:
    return Blog()


class Model:
    """Writes down what it is shown, and then fails where it is told to: without a trace of it."""

    def __init__(self, blog: Blog, cursors: SqlCursors, **options: Any) -> None:
        self.cursors = cursors
        self.broken: set[str] = set()
        self.handler: EventHandler = blog.domain.create_handler("model", [post], cursors=cursors, **options)
        self.handler.handle(post, PostCreated, self.show)
        self.handler.handle(post, PostArchived, self.show)

    def show(self, aggregate_id: str, _: object, meta: EventMeta) -> None:
        what = f"{aggregate_id}@{meta.version}"
        self.cursors.connection().execute(insert(_LOG).values(generation=meta.generation, event=what))
        if what in self.broken:
            # An error of the database itself, behind which its transaction takes nothing more.
            self.cursors.connection().execute(insert(_LOG).values(generation=None, event=what))

    def rows(self, engine: Engine, generation: int = 1) -> list[str]:
        with engine.connect() as connection:
            wanted = select(_LOG.c.event).where(_LOG.c.generation == generation).order_by(_LOG.c.number)
            return list(connection.execute(wanted).scalars())


def test_what_fails_leaves_nothing_and_is_shown_once_when_it_works(
    engine: Engine, blog: Blog, cursors: SqlCursors
) -> None:
    blog.posts("p", "q", "p")
    model = Model(blog, cursors)
    model.broken = {"p@2"}
    for _ in range(2):
        with pytest.raises(Exception, match="event_log"):
            model.handler.run_once()
    assert model.rows(engine) == ["p@1", "q@1"]
    model.broken = set()
    assert model.handler.run_once().handled == 1
    assert model.rows(engine) == ["p@1", "q@1", "p@2"]


def test_what_is_passed_over_leaves_nothing_either(engine: Engine, blog: Blog, cursors: SqlCursors) -> None:
    repository = blog.domain[post]
    repository.append(repository.get_aggregate("p"), [PostCreated("u", "c"), PostArchived(), PostArchived()])
    model = Model(blog, cursors, continue_on_error=True)
    model.broken = {"p@2"}
    assert model.handler.run_once() == Run(fetched=3, handled=3, failed=1)
    assert model.rows(engine) == ["p@1", "p@3"]
    assert model.handler.run_once() == Run()


def test_a_generation_is_rebuilt_beside_the_live_one(engine: Engine, blog: Blog, cursors: SqlCursors) -> None:
    clock = Clock()
    clock.start()
    try:
        for number in range(6):
            blog.posts(f"p{number}", f"p{number}")
        model = Model(blog, cursors)
        model.handler.run_once()
        model.handler.build()
        clock.advance(minutes=1)
        assert model.handler.rebuild().events == 12
        assert model.handler.switch() == 2
        everything = sorted(f"p{number}@{version}" for number in range(6) for version in (1, 2))
        assert sorted(model.rows(engine, 1)) == sorted(model.rows(engine, 2)) == everything
    finally:
        clock.stop()
