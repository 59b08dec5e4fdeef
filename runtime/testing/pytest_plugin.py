"""Fixtures of pytest: ``pytest_plugins = ["runtime.testing.pytest_plugin"]`` in a ``conftest.py``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

# Before it is imported, so that its assertions say what they compare.
pytest.register_assert_rewrite("runtime.testing.store_contract")

from runtime.testing.memory_app import MemoryApp  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.entry.app import CqrsApp

__all__ = ["MakeMemoryApp", "memory_app"]


class MakeMemoryApp(Protocol):
    """What the fixture `memory_app` gives."""

    def __call__(self, app: CqrsApp, **options: Any) -> MemoryApp:  # noqa: ANN401 - of `MemoryApp`
        """Put an app on memory until the test is over."""
        ...


@pytest.fixture
def memory_app() -> Iterator[MakeMemoryApp]:
    """Puts an app on memory, with empty tables, until the test is over.

    Example:
        >>> @pytest.fixture
        ... def memory(memory_app):
        ...     return memory_app(main.app)
    """
    with ExitStack() as stack:

        def make(app: CqrsApp, **options: Any) -> MemoryApp:  # noqa: ANN401
            return stack.enter_context(MemoryApp(app, **options))

        yield make
