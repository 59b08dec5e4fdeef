"""A module with real tables, as a function of a stack would have it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtime import CommandModule, InvokeContext, Resources, Settings
from runtime.contract import OPEN_COLUMN, OPEN_INDEX
from runtime.model.keys import DetailKey, add_sort_key_version
from runtime.pipeline.apply import Applied, apply
from runtime.store.dynamodb import DynamoDbStore
from runtime.store.values import Place
from tests.support.rows import plain
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from constructs_lib.local import Emulator
    from runtime.model.handlers import HandlerSource
    from runtime.module_context import ModuleContext

__all__ = ["Service", "TestResources", "make_tables"]

TENANT = "acme"
PK = f"TODO#{TENANT}"


class TestResources(Resources):
    """The runtime's resources, on the emulator and with an ear on the wire."""

    __test__ = False

    def __init__(self, emulator: Emulator, settings: Settings) -> None:
        super().__init__(settings)
        self.wire = Wire()
        self._emulator = emulator

    def client(self, service: str, *, patient: bool = True) -> Any:
        return self.wire.listen(super().client(service, patient=patient))


def make_tables(emulator: Emulator, prefix: str, names: Iterable[str]) -> None:
    """Make tables; those of commands with the index of what is under way."""
    client = emulator.client("dynamodb")
    for name in names:
        index = {
            "IndexName": OPEN_INDEX,
            "KeySchema": _key(OPEN_COLUMN, "createdAt"),
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        is_indexed = name.endswith("-command")
        client.create_table(
            TableName=f"{prefix}-{name}",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=_key("pk", "sk"),
            AttributeDefinitions=[
                {"AttributeName": column, "AttributeType": "S"}
                for column in ("pk", "sk", *((OPEN_COLUMN, "createdAt") if is_indexed else ()))
            ],
            **({"GlobalSecondaryIndexes": [index]} if is_indexed else {}),
        )


def _key(*columns: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": column, "KeyType": kind}
        for column, kind in zip(columns, ("HASH", "RANGE"), strict=True)
    ]


class Service:
    """One module, its tables and its users."""

    def __init__(
        self,
        emulator: Emulator,
        app_name: str,
        *,
        attributes: Any = None,
        handlers: Iterable[HandlerSource] = (),
        ryw: bool = True,
        disable_default_handler: bool = False,
        **settings: Any,
    ) -> None:
        base = Settings.from_environment(
            {
                "NODE_ENV": "local",
                "APP_NAME": app_name,
                "RYW_SESSION_TTL_MINUTES": "5" if ryw else "",
                **{
                    f"{name}_ENDPOINT": emulator.endpoint_url
                    for name in ("DYNAMODB", "SFN", "SNS", "SQS", "S3")
                },
                **{f"{name}_REGION": emulator.region for name in ("DYNAMODB", "SFN", "SNS", "SQS", "S3")},
            }
        )
        # As a stack without a master data table sets it.
        settings = {"modules": {"todo": {"sync": True}}} | settings
        self.resources = TestResources(emulator, replace(base, **settings))
        self.module: CommandModule[Any] = CommandModule(
            "todo",
            attributes=attributes,
            data_sync_handlers=handlers,
            resources=self.resources,
            disable_default_handler=disable_default_handler,
        )
        self.wire = self.resources.wire
        self.quiet = DynamoDbStore(emulator.client("dynamodb"))  # reads of the test itself: not counted
        self.client = emulator.client("dynamodb")

    @property
    def context(self) -> ModuleContext:
        return self.module.context

    @property
    def tables(self) -> Any:
        return self.module.tables

    def user(self, user_id: str = "u1", tenant: str = TENANT, roles: str | None = None) -> InvokeContext:
        claims = {"sub": user_id, "custom:tenant": tenant} | ({"custom:roles": roles} if roles else {})
        return InvokeContext(claims=claims, source_ip="192.0.2.1", request_id="req-1")

    def command(self, sk: str = "A1", version: int = 0, **values: Any) -> dict[str, Any]:
        return {
            "pk": PK,
            "sk": sk,
            "code": sk,
            "name": f"after {version}",
            "version": version,
            "type": "TODO",
            "attributes": {"title": f"t{version}"},
        } | values

    def publish(self, sk: str = "A1", version: int = 0, **values: Any) -> Any:
        return self.module.commands.publish_async(
            self.command(sk, version, **values), invoke_context=self.user()
        )

    def publish_sync(self, sk: str = "A1", version: int = 0, **values: Any) -> Any:
        return self.module.commands.publish_sync(
            self.command(sk, version, **values), invoke_context=self.user()
        )

    def apply(self, version: int, sk: str = "A1", **options: Any) -> Applied:
        return apply(self.context, DetailKey(PK, sk), version, **options)

    def row(self, table: str, sk: str, pk: str = PK) -> dict[str, Any] | None:
        item = self.item(table, sk, pk)
        return plain(item) if item else None

    def raw(self, table: str, sk: str, pk: str = PK) -> Any:
        """A row as the library sees it."""
        return self.quiet.get(Place(getattr(self.tables, table), pk, sk))

    def item(self, table: str, sk: str, pk: str = PK) -> Any:
        """A row as DynamoDB has it."""
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        table = getattr(self.tables, table)
        return self.client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")

    def rows(self, table: str) -> list[dict[str, Any]]:
        pages = self.client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [plain(item) for page in pages for item in page["Items"]]

    def everything(self) -> dict[str, dict[tuple[str, str], dict[str, Any]]]:
        """Every row of the module's tables, by table and key."""
        return {
            kind: {(row["pk"], row["sk"]): row for row in self.rows(getattr(self.tables, kind))}
            for kind in ("command", "data", "history")
        }

    def image(self, version: int, sk: str = "A1") -> Any:
        """The command as it is in a stream record, to the library."""
        return self.raw("command", add_sort_key_version(sk, version))


def eventually_expired(seconds: int = 1) -> int:
    return int(time.time()) - seconds
