"""What is deployed runs with IAM: whatever a function lacks a permission for fails here, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from constructs_lib.local import Emulator


@pytest.fixture(scope="session")
def emulator(strict_emulator: Emulator) -> Emulator:
    """The emulator that the stack is deployed to."""
    return strict_emulator
