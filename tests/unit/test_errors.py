"""An error that comes from another process, or is copied, is what it was: pools of processes send them so."""

from __future__ import annotations

import copy
import pickle

import pytest

from runtime.errors import (
    AggregateErasedError,
    CommandError,
    CommandReusedError,
    CqrsError,
    EventHandlersPendingError,
    FieldProblem,
    GapError,
    InvalidInputError,
    ReadModelBehindError,
    StoreUnavailableError,
    VersionError,
)
from tests.event_store.blog import Blog, CreateUser, UserCreated

PK = "users#u1#acme"
ERRORS = (
    CommandError("no", code="refused"),
    VersionError(PK, 3),
    GapError(PK, 7, 3),
    CommandReusedError(PK),
    AggregateErasedError(PK),
    StoreUnavailableError("dynamodb", "ThrottlingException"),
    ReadModelBehindError("posts-model", PK, 3, None),
    EventHandlersPendingError(PK, 1, ["SendMail"]),
    InvalidInputError([FieldProblem("name", "is missing"), FieldProblem("age", "must be a number")]),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_the_same_in_another_process_and_as_a_copy(error: CqrsError) -> None:
    error.written = "everything"
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_a_conflict_from_another_process_tells_what_the_winner_appended() -> None:
    blog = Blog()
    first = blog.users.get_aggregate("u1")
    blog.user_commands("u1", CreateUser(name="Ann"))
    with pytest.raises(VersionError) as lost:
        blog.users.append(first, UserCreated(name="Bob"))
    again: VersionError = pickle.loads(pickle.dumps(lost.value))  # noqa: S301 - our own
    assert [recorded.event for recorded in again.winner] == [UserCreated(name="Ann")]
