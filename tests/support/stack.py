"""The deployed stack for tests: made once, shared by all that ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from constructs_lib.local import Emulator
    from tests.e2e.deployment import Deployment


@pytest.fixture(scope="session")
def deployment(strict_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The stack of `tests/e2e/app.py`, deployed by the CDK CLI, with a user who has signed in."""
    from tests.e2e.deployment import deploy  # noqa: PLC0415 - most tests deploy nothing

    return deploy(strict_emulator, tmp_path_factory.mktemp("store") / "store.db")
