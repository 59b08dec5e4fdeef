from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import SequenceModule
from tests.features.sequences.lab import Lab
from tests.runtime.conftest import credentials, make_service, pytest_generate_tests

if TYPE_CHECKING:
    from tests.features.sequences.lab import MakeLab
    from tests.support.service import Services

__all__ = ["credentials", "make_service", "pytest_generate_tests"]


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.backoff.time.sleep", lambda _seconds: None)


@pytest.fixture
def make_lab(make_service: Services) -> MakeLab:
    """Makes a service that counts, with a table of its own."""
    table = make_service.table()

    def make(*series: Any, master: bool = False, **options: Any) -> Lab:
        return Lab(
            make_service(sequences_override=table, master_data_override=table if master else None, **options),
            SequenceModule(series),
            table,
        )

    return make
