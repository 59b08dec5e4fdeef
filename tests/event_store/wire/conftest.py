from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.event_tables import make_event_tables

if TYPE_CHECKING:
    from constructs_lib.local import Emulator


@pytest.fixture(autouse=True)
def credentials(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the emulator."""
    for name, value in emulator.environment.items():
        if name != "AWS_ENDPOINT_URL":
            monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def event_tables(emulator: Emulator) -> tuple[str, str]:
    """Tables that tests share: each has streams of its own."""
    return make_event_tables(emulator)
