"""The soak in small: `make soak` sends 50 000 commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.soak.plan import KINDS, Plan
from tests.faults.soak.report import lines
from tests.faults.soak.run import soak
from tests.faults.soak.samples import Sample, growth

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment

_SMALL = Plan(commands=200, aggregates=40, writers=4, window=30, stall_seconds=60, every=10)


def test_a_small_soak_is_clean(deployment: Deployment) -> None:
    outcome = soak(deployment, _SMALL, every=1.0)
    assert outcome.problems == []
    assert set(outcome.accepted) == {kind.module for kind in KINDS}
    assert (outcome.accepted.total(), outcome.rows["command"], outcome.rows["data"]) == (200, 200, 40)
    assert outcome.told["finish:FINISHED"] == 200 + outcome.repeated
    assert outcome.synchronous > 0
    assert outcome.conflicts > 0
    assert outcome.reads > 0
    assert "| problems | 0 |" in list(lines(_SMALL, outcome))


def test_what_grows_is_found() -> None:
    def samples(*, files: float = 0, worker: float = 0, emulator: float = 1) -> list[Sample]:
        return [
            Sample(
                seconds=number,
                commands=number * 100,
                under_way=10,
                emulator_mb=100 + number * (emulator if number > 50 else 1),
                emulator_files=round(100 + number * files),
                workers=12,
                worker_mb=60 + number * worker,
                worker_files=20,
            )
            for number in range(101)
        ]

    assert growth(samples()) == []
    assert growth(samples(files=1)) == ["emulator_files grew from 120 to 190"]
    assert growth(samples(worker=1)) == ["worker_mb grew from 80 to 150"]
    (steeper,) = growth(samples(emulator=3))
    assert steeper.startswith("a command took 10.2 KB of the emulator's memory at first")
