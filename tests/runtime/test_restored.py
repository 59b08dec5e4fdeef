"""Processes that are restored from one snapshot: nothing random is alike in two of them."""

from __future__ import annotations

import copy
import random
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from runtime import CqrsApp
from runtime.backoff import back_off, pause
from runtime.event_store.providers.notices import Listener

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], Any]]:
    """What was registered with the module that Lambda's Python has for it."""
    registered: list[Callable[[], Any]] = []
    module = ModuleType("snapshot_restore_py")
    module.register_after_restore = registered.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return registered


def test_each_process_has_random_numbers_of_its_own(
    hooks: list[Callable[[], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
    CqrsApp(modules=[])
    assert len(hooks) == 1
    snapshot, drawn = random.getstate(), set()
    for _ in range(3):
        random.setstate(snapshot)
        for hook in hooks:
            hook()
        drawn.add(random.random())  # noqa: S311 - botocore's waits
    assert len(drawn) == 3


@pytest.mark.parametrize("how", ["on-demand", "provisioned-concurrency", None])
def test_who_is_not_restored_registers_nothing(
    how: str | None, hooks: list[Callable[[], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if how is None:
        monkeypatch.delenv("AWS_LAMBDA_INITIALIZATION_TYPE", raising=False)
    else:
        monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", how)
    CqrsApp(modules=[])
    assert hooks == []


def test_copies_of_a_process_do_not_wait_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("runtime.backoff.time.sleep", waits.append)
    snapshot = random.getstate()
    for _ in range(2):
        random.setstate(snapshot)
        back_off(3, base=1, longest=8)
        pause(8)
    assert len(set(waits)) == 4
    assert all(0 <= wait <= 8 for wait in waits)
    assert all(wait >= 4 for wait in waits[1::2])


def test_copies_of_a_listener_name_their_positions_differently() -> None:
    made: Any = Listener(None, None)  # type: ignore[arg-type]
    copies = [copy.copy(made) for _ in range(2)]
    assert len({listener._token for listener in copies}) == 2  # noqa: SLF001
