from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.service import Service, make_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator

TABLES = ("todo-command", "todo-data", "todo-history", "todo-sync", "session")


@pytest.fixture(autouse=True)
def credentials(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in emulator.environment.items():
        if name != "AWS_ENDPOINT_URL":
            monkeypatch.setenv(name, value)


@pytest.fixture
def make_service(emulator: Emulator) -> Iterator[Callable[..., Service]]:
    """Makes services with tables of their own."""
    prefixes: list[str] = []

    def make(**options: Any) -> Service:
        app_name = f"t{uuid.uuid4().hex[:8]}"
        prefix = f"local-{app_name}"
        prefixes.append(prefix)
        make_tables(emulator, prefix, TABLES)
        return Service(emulator, app_name, **options)

    yield make
    client = emulator.client("dynamodb")
    for prefix in prefixes:
        for name in TABLES:
            client.delete_table(TableName=f"{prefix}-{name}")


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    return make_service()
