"""The provider on DynamoDB keeps the contract of every provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

# Before it is imported, so that its assertions say what they compare.
pytest.register_assert_rewrite("runtime.testing.provider_contract")

from runtime.event_store.providers.dynamo_provider import DynamoProvider  # noqa: E402
from runtime.testing.provider_contract import ProviderContract  # noqa: E402
from tests.faults.scale import scaled  # noqa: E402
from tests.support.event_tables import MODULE, event_settings, make_event_tables  # noqa: E402
from tests.support.service import TestResources  # noqa: E402

if TYPE_CHECKING:
    from constructs_lib.local import Emulator
    from runtime.event_store.provider import Provider


#: What a test that listens to notices, or scans, has in its code.
_OF_ALL = {"_notices", "notices", "threading", "_everything", "_segment", "run_once"}


class _OnDynamoDb(ProviderContract):
    appends = scaled(16, 128)
    page_size: int

    @pytest.fixture(autouse=True)
    def _resources(
        self, emulator: Emulator, event_tables: tuple[str, str], request: pytest.FixtureRequest
    ) -> None:
        if _OF_ALL.intersection(request.function.__code__.co_names):
            # It would come across what all others have left, row by row.
            event_tables = make_event_tables(emulator)
        self._made = TestResources(emulator, event_settings(emulator, event_tables))

    def make_provider(self) -> Provider:
        return DynamoProvider(MODULE, self._made, page_size=self.page_size)


class TestDynamoProvider(_OnDynamoDb):
    page_size = 1000


class TestDynamoProviderWithPagesOfOne(_OnDynamoDb):
    page_size = 1
