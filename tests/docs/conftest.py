from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from runtime.clients.resources import default_resources
from runtime.model import handler_registry
from tests.support.service import make_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.local import Emulator

TABLES = ("order-command", "order-data", "order-history", "order-sync", "session", "master-data")


@pytest.fixture
def deployed(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module `order`, deployed by convention, and the environment of its functions."""
    app_name = f"d{uuid.uuid4().hex[:8]}"
    bucket = f"{app_name}-attributes"
    make_tables(emulator, f"local-{app_name}", TABLES)
    emulator.client("s3").create_bucket(Bucket=bucket)
    environment = {
        **emulator.environment,
        "NODE_ENV": "local",
        "APP_NAME": app_name,
        "RYW_SESSION_TTL_MINUTES": "5",
        "S3_BUCKET_NAME": bucket,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # What a page decorates is no handler of the other pages.
    monkeypatch.setattr(handler_registry, "_decorated", [])
    default_resources.cache_clear()
    yield
    default_resources.cache_clear()
