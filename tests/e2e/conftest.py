"""What is deployed runs with IAM: whatever a function lacks a permission for fails here, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.scale import COMPLETE

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

# The example has tests of its own on stores in memory, and what a service of events alone is made of is
# compared without a deployment; `make test` deploys three other services.
collect_ignore = [] if COMPLETE else ["test_product.py", "test_events_alone.py"]


@pytest.fixture(scope="session")
def emulator(strict_emulator: Emulator) -> Emulator:
    """The emulator that the stack is deployed to."""
    return strict_emulator
