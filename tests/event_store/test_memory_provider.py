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
from runtime.event_store.commits.commit_row import place_key  # noqa: E402
from runtime.event_store.providers.memory_provider import MemoryProvider  # noqa: E402
from runtime.store.port import Delete  # noqa: E402
from runtime.store.values import Place  # noqa: E402
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


def test_of_a_commit_that_is_gone_nobody_is_told_and_of_those_behind_it_they_are() -> None:
    key, at = Key("users", "u1", "acme"), datetime(2026, 1, 2, tzinfo=UTC)
    event = StoredEvent("renamed", {"name": "Ann"})
    provider = MemoryProvider(
        Commit(key=key, first=version, events=(event,), append_id=f"a{version}", at=at)
        for version in (1, 2, 3)
    )
    provider.storage.store.write(Delete(place=Place(provider.storage.tables.events, key.pk, place_key(2))))
    told = provider.notices(["users"], None, 2)
    assert [(notice.version, notice.position) for notice in told] == [(1, "1"), (3, "3")]
    assert provider.notices(["users"], "3", 2) == []
