"""Random histories against the real tables and a model in plain Python, see `machine` and `model`.

A failure prints the shortest history that shows it, and a line ``@reproduce_failure(…)``: put
that above the test to run the same again. A whole run is repeated by its seed:

    python -m pytest tests/faults/test_model.py --hypothesis-seed=SEED

where SEED is in what the failing test prints. ``CQRS_FAULTS=complete`` takes thousands of steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.machine import Machine
from tests.faults.memory_store import First, Second
from tests.faults.scale import COMPLETE, scaled
from tests.faults.steps import World
from tests.operations.conftest import state_machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.service import Service

__all__ = ["state_machine"]

_EXAMPLES = scaled(3, 60)
_STEPS = scaled(20, 50)


@pytest.mark.parametrize("mode", ["workflow", "inline"])
def test_any_history_ends_as_the_model_says(
    make_service: Callable[..., Service], state_machine: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two handlers and the workflow, and inline without handlers."""
    # Nobody else is at work, so there is nothing to wait for.
    monkeypatch.setattr("runtime.pipeline.finish.back_off", lambda *_, **__: None)
    stores = {"First": First(), "Second": Second()} if mode == "workflow" else {}
    service = make_service(
        handlers=list(stores.values()),
        modules={"todo": {"mode": mode, "sync": bool(stores)}},
        state_machine_arn=state_machine,
    )
    world = World(service, stores)
    run_state_machine_as_test(
        lambda: Machine(world),
        settings=settings(
            max_examples=_EXAMPLES,
            stateful_step_count=_STEPS,
            deadline=None,
            print_blob=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{mode}: {dict(world.steps)} in {world.examples} examples")  # noqa: T201 - a figure for people
    assert world.steps["all"] > _EXAMPLES * 5
    # A long run gets everywhere.
    if COMPLETE and stores:
        met = ("parked", "wanted", "redrive", "skip", "reconciled", "handed over")
        assert min(world.steps[what] for what in met), world.steps
