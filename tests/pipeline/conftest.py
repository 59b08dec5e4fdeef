from __future__ import annotations

from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is the lab's own: nobody waits for the machine's."""
    monkeypatch.setattr("runtime.backoff.time", SimpleNamespace(sleep=lambda _seconds: None))
