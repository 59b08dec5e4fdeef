"""Fixtures of every test."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.support.emulator", "tests.support.stack"]


@pytest.fixture
def in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the code take itself for a deployed function, whose log has no texts of errors."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "the-function")
