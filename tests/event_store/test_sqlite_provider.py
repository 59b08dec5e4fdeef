"""The contract is one that a provider of somebody else can keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

# Before it is imported, so that its assertions say what they compare.
pytest.register_assert_rewrite("runtime.testing.provider_contract")

from runtime.testing.provider_contract import ProviderContract  # noqa: E402
from tests.event_store.sqlite_provider import SqliteProvider  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.event_store.provider import Provider


class TestSqliteProvider(ProviderContract):
    has_order = True
    appends = 32
    page_size = 1000

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self._path = tmp_path / "events.sqlite"

    def make_provider(self) -> Provider:
        return SqliteProvider(self._path, self.page_size)


class TestSqliteProviderWithPagesOfOne(TestSqliteProvider):
    page_size = 1
