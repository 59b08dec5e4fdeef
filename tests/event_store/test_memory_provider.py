"""The provider in memory keeps the contract of every provider, and has an order of all events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

# Before it is imported, so that its assertions say what they compare.
pytest.register_assert_rewrite("runtime.testing.provider_contract")

from runtime.event_store.providers.memory_provider import MemoryProvider  # noqa: E402
from runtime.testing.provider_contract import ProviderContract  # noqa: E402

if TYPE_CHECKING:
    from runtime.event_store.provider import Provider


class TestMemoryProvider(ProviderContract):
    has_order = True

    def make_provider(self) -> Provider:
        return MemoryProvider()


class TestMemoryProviderWithPagesOfOne(ProviderContract):
    has_order = True

    def make_provider(self) -> Provider:
        return MemoryProvider(page_size=1)
