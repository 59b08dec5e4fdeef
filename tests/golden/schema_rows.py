"""The golden rows of the schemas before, and modules of each release that work on them."""

from __future__ import annotations

import json
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime import CommandModule, DataSyncHandler
from tests.golden.order_schemas import UPCASTERS, OrderV1, OrderV2, OrderV3
from tests.support.service import PK, client_of, put_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.service import Service

__all__ = ["Orders", "Seen", "attributes"]

_MODELS = {1: OrderV1, 2: OrderV2, 3: OrderV3}


class Seen(DataSyncHandler):
    """A handler that remembers what it was shown."""

    def __init__(self) -> None:
        self.ups: list[Any] = []
        self.downs: list[Any] = []

    def up(self, command: Any) -> None:
        self.ups.append(command.attributes)

    def down(self, command: Any) -> None:
        self.downs.append(command.attributes)


@cache
def _content() -> str:
    return (Path(__file__).parent / "schema-rows.json").read_text()


def attributes(first: str, last: str, comment: str, quantity: int) -> OrderV3:
    return OrderV3.model_validate(
        {
            "person": {"firstName": first, "lastName": last},
            "comment": comment,
            "quantity": quantity,
            "currency": "JPY",
        }
    )


class Orders:
    """Tables that hold the golden rows, under names of their own."""

    def __init__(self, make_service: Callable[..., Service], bucket: str) -> None:
        self.service = make_service(bucket_name=bucket, attribute_limit=20_000)
        self.me = self.service.user()
        self.client = self.service.client
        content = json.loads(_content())
        s3 = client_of(self.service.where, "s3")
        for key, value in content.pop("objects").items():
            s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(value).encode())
        put_rows(self.client, (self._placed(kind, row) for kind, rows in content.items() for row in rows))
        self.v3 = self.release(3)

    def put(self, kind: str, row: Any) -> None:
        """Put a row as it is; a session is made one of now."""
        put_rows(self.client, [self._placed(kind, row)])

    def _placed(self, kind: str, row: Any) -> tuple[str, Any]:
        if kind != "session":
            return getattr(self.service.tables, kind), row
        ttl = {"N": str(int(time.time()) + 300)}
        return self.service.resources.settings.session_table, row | {"ttl": ttl}

    def release(self, schema: int, **options: Any) -> CommandModule[Any]:
        """The module as the release with this schema has it."""
        self.service.deploy(data_sync=bool(options.get("data_sync_handlers")))
        given = {"attributes": _MODELS[schema], "upcasters": UPCASTERS[: schema - 1]} | options
        return CommandModule("todo", resources=self.service.resources, **given)

    def command(self, sk: str, version: int, state: Any, **values: Any) -> dict[str, Any]:
        """A whole next state that says what the golden rows say, apart from ``state``."""
        return self.service.command(sk, version, name=f"order {sk}", attributes=state, **values)

    def raw(self, kind: str, sk: str) -> Any:
        """A row in the wire format."""
        return self.service.item(kind, sk)

    def key(self, sk: str) -> tuple[str, str]:
        return (PK, sk)
