"""``python -m tests.faults.soak``: deploy, send, check, and say what was seen."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.local import Emulator
from tests.e2e.deployment import deploy
from tests.faults.soak.plan import KINDS, Plan
from tests.faults.soak.report import lines
from tests.faults.soak.run import soak
from tests.support.emulator import FOLDER, WAIT_SCALE

if TYPE_CHECKING:
    from tests.faults.soak.samples import Sample

_SAMPLE_SECONDS = 5.0
_SHOW_SECONDS = 30.0


def main() -> int:
    """Run the soak. 0 when every row is as it must be and memory and files are flat, else 1."""
    usual = Plan()
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--commands", type=int, default=usual.commands, help="default: %(default)s")
    parser.add_argument("--aggregates", type=int, default=usual.aggregates, help="default: %(default)s")
    parser.add_argument("--writers", type=int, default=usual.writers, help="default: %(default)s")
    parser.add_argument("--window", type=int, default=usual.window, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=usual.seed, help="default: %(default)s")
    plan = replace(usual, **vars(parser.parse_args()))
    shares = ", ".join(f"{kind.module} {kind.aggregates} %" for kind in KINDS)
    _say(f"{plan.commands} commands over {plan.aggregates} aggregates ({shares}), seed {plan.seed}")
    with tempfile.TemporaryDirectory() as folder, Emulator(folder=FOLDER, wait_scale=WAIT_SCALE) as emulator:
        deployment = deploy(emulator, Path(folder) / "store.db")
        _say("deployed")
        outcome = soak(deployment, plan, every=_SAMPLE_SECONDS, on_sample=_Progress())
    _say(*lines(plan, outcome))
    return 1 if outcome.problems else 0


class _Progress:
    """A line now and then."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, sample: Sample) -> None:
        if sample.seconds - self._last < _SHOW_SECONDS:
            return
        self._last = sample.seconds
        _say(
            f"{sample.seconds:5.0f} s  {sample.commands:6} accepted  {sample.under_way:4} under way  "
            f"emulator {sample.emulator_mb:5.0f} MB {sample.emulator_files:3} files  "
            f"{sample.workers:2} workers {sample.worker_mb:4.0f} MB {sample.worker_files:3} files  "
            f"load {os.getloadavg()[0]:.1f}"
        )


def _say(*text: str) -> None:
    sys.stdout.write("\n".join(text) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
