from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.golden.rows import Golden
from tests.golden.schema_rows import Orders
from tests.runtime.conftest import credentials, make_service
from tests.support.service import client_of, make_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator
    from tests.support.service import Service

__all__ = ["credentials", "make_service"]


@pytest.fixture
def bucket(emulator: Emulator) -> Iterator[str]:
    client, name = client_of(emulator, "s3"), f"golden-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    yield name
    for found in client.list_objects_v2(Bucket=name).get("Contents", ()):
        client.delete_object(Bucket=name, Key=found["Key"])
    client.delete_bucket(Bucket=name)


@pytest.fixture
def empty(emulator: Emulator, make_service: Callable[..., Service], bucket: str) -> Iterator[Service]:
    """A module with names by convention, as both frameworks have them, and no rows."""
    service = make_service(modules=None, bucket_name=bucket, attribute_limit=20_000)
    prefix = service.tables.command.removesuffix("-todo-command")
    make_tables(emulator, prefix, ["master-data"])
    yield service
    client_of(emulator, "dynamodb").delete_table(TableName=f"{prefix}-master-data")


@pytest.fixture
def golden(empty: Service) -> Golden:
    """The module, with every golden row in its tables."""
    found = Golden(empty)
    found.load()
    return found


@pytest.fixture
def orders(make_service: Callable[..., Service], bucket: str) -> Orders:
    """The module, with the rows of two earlier schemas in its tables."""
    return Orders(make_service, bucket)
