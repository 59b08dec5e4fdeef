from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from runtime import clock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is the lab's own: nobody waits for the machine's."""
    monkeypatch.setattr("runtime.backoff.time", SimpleNamespace(sleep=lambda _seconds: None))


@pytest.fixture(autouse=True)
def own_clock() -> Iterator[None]:
    """No lab leaves its time to the tests that come after."""
    yield
    clock.set_source()
