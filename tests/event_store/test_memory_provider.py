"""The provider in memory keeps the contract of every provider, and has an order of all events."""

from __future__ import annotations

import gc
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

# Before it is imported, so that its assertions say what they compare.
pytest.register_assert_rewrite("runtime.testing.provider_contract")

from runtime.event_store.address import Key  # noqa: E402
from runtime.event_store.commits.commit import Commit, StoredEvent  # noqa: E402
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


def test_what_was_read_before_it_was_erased_is_kept_nowhere() -> None:
    key, at = Key("users", "u1", "acme"), datetime(2026, 1, 2, tzinfo=UTC)
    closing = Commit(key=key, first=2, events=(), append_id="b", at=at, closes=True)
    provider = MemoryProvider()
    event = StoredEvent("created", {"name": "Ann Never-Told"})
    provider.append([replace(closing, first=1, events=(event,), append_id="a", closes=False)])
    del event
    assert [commit.events[0].body for commit in provider.read(key)] == [{"name": "Ann Never-Told"}]
    assert provider.erase(key, closing) == 1
    left = [found for found in gc.get_objects() if isinstance(found, StoredEvent)]
    assert {"name": "Ann Never-Told"} not in [found.body for found in left]
