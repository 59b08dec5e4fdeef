"""A read model that is out of reach is waited for; a command that it cannot take is parked soon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError, OperationalError

from runtime import CommandModel, ReadModelUnavailableError, StoreUnavailableError
from runtime.model.status import FINISHED, HANDLERS_FAILED
from tests.pipeline.lab import KEY, Lab, One, Two

if TYPE_CHECKING:
    from collections.abc import Callable

GONE = OperationalError("INSERT", None, Exception("server closed the connection"))
POISON = IntegrityError("INSERT", None, Exception("duplicate key"))


class RebuildingError(ReadModelUnavailableError):
    """Of a service's own."""


OUTAGES: list[Exception] = [
    GONE,
    ConnectionRefusedError(),
    TimeoutError(),
    ReadModelUnavailableError("search is being rebuilt"),
    RebuildingError("search is being rebuilt"),
    StoreUnavailableError("SQS", "Throttling"),
]


def one(lab: Lab) -> One:
    handler: Any = lab.context.handler("One").handler
    assert isinstance(handler, One)
    return handler


def failing(lab: Lab, error: Exception, seconds: float, *, at: int | None = None) -> Callable[[Any], None]:
    """A store that fails for so long."""
    ends = lab.clock.seconds() + seconds

    def before(command: CommandModel[Any]) -> None:
        if lab.clock.seconds() < ends and at in {None, command.version}:
            raise error

    return before


def parked(lab: Lab) -> dict[str, Any]:
    return lab.context.store.get(lab.context.cursor_place(KEY, "One")) or {}


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
def test_a_failover_of_minutes_parks_nothing(error: Exception) -> None:
    lab = Lab(handlers=[One, Two])
    one(lab).before = failing(lab, error, 10 * 60)
    for version in range(3):
        lab.publish(version)
    lab.settle()
    assert one(lab).versions() == [1, 2, 3]
    assert [lab.status(version) for version in (1, 2, 3)] == [FINISHED] * 3
    assert "parkedVersion" not in parked(lab)
    assert not lab.alarms()


def test_a_poison_command_is_parked_as_soon_as_ever() -> None:
    lab = Lab(handlers=[One])
    began = lab.clock.seconds()
    one(lab).before = failing(lab, POISON, 1e9)
    lab.publish(0)
    lab.settle()
    assert lab.clock.seconds() - began < 20
    assert parked(lab)["parkedVersion"] == 1
    assert parked(lab)["parkedError"].startswith("IntegrityError: ")
    assert lab.status(1) == HANDLERS_FAILED


@pytest.mark.parametrize("error", OUTAGES[:4], ids=lambda error: type(error).__name__)
def test_an_outage_of_hours_parks_in_the_end_in_the_handlers_own_words(error: Exception) -> None:
    lab = Lab(handlers=[One, Two])
    began = lab.clock.seconds()
    one(lab).before = failing(lab, error, 1e9)
    lab.publish(0)
    lab.settle()
    assert 30 * 60 <= lab.clock.seconds() - began < 60 * 60  # and inside of the execution's time
    assert parked(lab)["parkedVersion"] == 1
    assert parked(lab)["parkedError"] == f"{type(error).__name__}: {error}"
    assert len(lab.alarms()) == 1


@settings(max_examples=40, deadline=None)
@given(
    minutes=st.floats(0, 25),
    poison=st.sampled_from([None, 1, 2]),
    error=st.sampled_from(OUTAGES),
    other=st.booleans(),
)
def test_what_is_parked_is_what_is_poison(
    minutes: float, poison: int | None, error: Exception, *, other: bool
) -> None:
    """However long the outage, within what is waited for."""
    lab = Lab(handlers=[One, Two] if other else [One])
    down, bad = failing(lab, error, minutes * 60), failing(lab, POISON, 1e9, at=poison or 99)

    def before(command: CommandModel[Any]) -> None:
        down(command)
        bad(command)

    one(lab).before = before
    lab.publish(0)
    lab.publish(1)
    lab.settle()
    assert parked(lab).get("parkedVersion") == poison
    assert one(lab).versions() == [*range(1, poison or 3)]
