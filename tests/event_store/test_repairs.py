"""Redrive and skip where no operator function is: in processes of one's own, and in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import StaticPool, create_engine

from runtime.errors import (
    BadRequestError,
    ConfigurationError,
    ForbiddenError,
    InvalidInputError,
    ItemNotFoundError,
)
from runtime.event_store.address import Key
from runtime.event_store.handlers.run import Run
from runtime.identity.claims import CLAIM_TENANT, CLAIM_USER
from runtime.identity.context import InvokeContext, use_invoke_context
from runtime.sql import SqlCursors
from runtime.testing.clock import Clock
from tests.event_store.followed import Blog, Seen, post, user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.event_store.handlers.handler import EventHandler

ANN = Key("users", "ann", "acme")


@pytest.fixture
def time() -> Iterator[Clock]:
    clock = Clock()
    clock.start()
    yield clock
    clock.stop()


class Parked:
    """A handler that is parked at the first of two events of an aggregate, and has seen another one.

    Args:
        options: Of the handler.
    """

    def __init__(self, time: Clock, **options: Any) -> None:
        self.blog = Blog()
        self.handler: EventHandler = self.blog.domain.create_handler("h", [user], attempts=1, **options)
        self.seen = Seen(self.handler)
        self.blog.users("ann", "bob", "ann")
        self.seen.broken = {"ann@1"}
        with pytest.raises(ValueError, match="ann@1"):
            self.handler.run_once()
        time.advance(minutes=2)
        assert self.handler.run_once().parked == 1
        self.seen.clear()


@pytest.fixture(params=["provider", "sql"])
def parked(request: pytest.FixtureRequest, time: Clock) -> Iterator[Parked]:
    if request.param == "provider":
        yield Parked(time)
        return
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    cursors = SqlCursors(engine)
    cursors.create_tables()
    yield Parked(time, cursors=cursors)
    engine.dispose()


def test_a_redrive_goes_on_to_the_end(parked: Parked) -> None:
    assert parked.handler.parked() == [ANN]
    failed = parked.handler.redrive(user, "ann")
    assert (failed.done, failed.parked_version, failed.error) == ((), 1, "ValueError: ann@1")
    parked.seen.broken = set()
    done = parked.handler.redrive("users", "ann", tenant="acme")
    assert (done.handler, done.done, done.parked_version) == ("h", (1, 2), None)
    assert parked.seen == ["ann@1", "ann@2"]
    assert parked.handler.parked() == []
    assert parked.handler.run_once() == Run()
    parked.blog.users("ann")
    assert parked.handler.run_once().handled == 1


def test_a_skip_passes_one_event_over(parked: Parked) -> None:
    done = parked.handler.skip(user, "ann")
    assert (done.skipped, done.done, done.parked_version) == (1, (2,), None)
    assert parked.seen == ["ann@2"]


def test_only_what_is_parked_is_repaired(parked: Parked) -> None:
    for repair in (parked.handler.redrive, parked.handler.skip):
        with pytest.raises(BadRequestError, match="h is not parked: it has seen version 1"):
            repair(user, "bob")
        with pytest.raises(ItemNotFoundError, match="h has seen no version of this aggregate"):
            repair(user, "nobody")
        with pytest.raises(ConfigurationError, match="it is over the streams"):
            repair(post, "ann")
        with pytest.raises(
            InvalidInputError, match=r"generation: must be one of those that are fed, \[1\], got 2"
        ):
            repair(user, "ann", generation=2)
    with pytest.raises(InvalidInputError, match="generation: must be one"):
        parked.handler.parked(generation=7)


def test_another_tenants_is_neither_listed_nor_repaired(parked: Parked) -> None:
    beta = InvokeContext(claims={CLAIM_USER: "eve", CLAIM_TENANT: "beta"})
    with use_invoke_context(beta):
        assert parked.handler.parked() == []
        with pytest.raises(ForbiddenError):
            parked.handler.redrive(user, "ann", tenant="acme")


def test_each_generation_is_repaired_for_itself(time: Clock) -> None:
    parked = Parked(time)
    assert parked.handler.build() == 2
    time.advance(minutes=2)
    page = parked.handler.rebuild()
    assert page.failed == 1
    time.advance(minutes=2)
    assert parked.handler.rebuild(resume_from=page.resume_token).parked == 1
    parked.seen.broken = set()
    assert parked.handler.redrive(user, "ann", generation=2).done == (1, 2)
    assert (parked.handler.parked(generation=2), parked.handler.parked()) == ([], [ANN])
    assert parked.handler.switch() == 2
