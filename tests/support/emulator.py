"""The embedded AWS for tests: started once, shared by all of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from constructs_lib.local import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

#: One environment for the demo and all tests: it is made once.
FOLDER = Path(__file__).parents[2] / ".local-aws"

#: A machine that is busy takes its time, and one start that failed would fail all tests.
_START_SECONDS = 180

#: Retry intervals of Step Functions take a tenth of their time.
WAIT_SCALE = 0.1


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """An emulator with its gaps closed."""
    with Emulator(folder=FOLDER, wait_scale=WAIT_SCALE, start_seconds=_START_SECONDS) as running:
        yield running


@pytest.fixture(scope="session")
def strict_emulator() -> Iterator[Emulator]:
    """An emulator that enforces IAM: whatever a stack lacks a permission for fails."""
    with Emulator(folder=FOLDER, wait_scale=WAIT_SCALE, iam=True, start_seconds=_START_SECONDS) as running:
        yield running


@pytest.fixture(scope="session")
def stock() -> Iterator[Emulator]:
    """An emulator as its makers ship it."""
    with Emulator(
        folder=FOLDER, wait_scale=WAIT_SCALE, patches=False, start_seconds=_START_SECONDS
    ) as running:
        yield running
