from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

# Before they are imported, so that their assertions say what they compare.
pytest.register_assert_rewrite("runtime.testing.store_contract")

from runtime.testing.store_contract import TwoTables  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator

ATTEMPTS = 3


@pytest.fixture(scope="session")
def make_client(emulator: Emulator) -> Callable[..., Any]:
    """Makes clients of DynamoDB that try three times."""

    def make(**options: Any) -> Any:
        defaults: dict[str, Any] = {
            "endpoint_url": emulator.endpoint_url,
            "region_name": emulator.region,
            "aws_access_key_id": emulator.environment["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": emulator.environment["AWS_SECRET_ACCESS_KEY"],
            "config": Config(
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                max_pool_connections=20,
                connect_timeout=1,
            ),
        }
        return boto3.client("dynamodb", **(defaults | options))

    return make


@pytest.fixture(scope="session")
def shared_client(make_client: Callable[..., Any]) -> Any:
    return make_client()


@pytest.fixture
def tables(shared_client: Any) -> Iterator[TwoTables]:
    """Two tables of DynamoDB, each with the index of what is under way, and the one of what is new."""
    names = TwoTables(*(f"{number}-{uuid.uuid4().hex}" for number in ("first", "second")))
    for name in names:
        shared_client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": column, "AttributeType": "S"}
                for column in ("pk", "sk", "open", "createdAt", "feed", "feedAt")
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "open",
                    "KeySchema": [
                        {"AttributeName": "open", "KeyType": "HASH"},
                        {"AttributeName": "createdAt", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                },
                {
                    "IndexName": "feed",
                    "KeySchema": [
                        {"AttributeName": "feed", "KeyType": "HASH"},
                        {"AttributeName": "feedAt", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["last", "types"]},
                },
            ],
        )
    yield names
    for name in names:
        shared_client.delete_table(TableName=name)
