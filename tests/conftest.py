"""Fixtures of every test, and in which order and where the tests run."""

from __future__ import annotations

from typing import Final

import pytest

pytest_plugins = ["tests.support.emulator", "tests.support.stack"]

#: What takes long is begun first, so that in the end no process waits for another one.
_LONG: Final = ("e2e", "faults", "local", "examples", "docs", "constructs", "security")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each file in one process, and all that needs the deployed stack in the one that deploys it."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_rank)


def _group(item: pytest.Item) -> str:
    needs_stack = "deployment" in getattr(item, "fixturenames", ())
    return "deployment" if needs_stack else item.nodeid.partition("::")[0]


def _rank(item: pytest.Item) -> int:
    folder = item.path.parent.name
    return _LONG.index(folder) if folder in _LONG else len(_LONG)


@pytest.fixture
def in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the code take itself for a deployed function, whose log has no texts of errors."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "the-function")
