"""A module and its tables, as a function of a stack would have it: on the emulator, or in memory.

Tests that ask for ``make_service``, or for what is made with it, run on each of `STORES`: once on
DynamoDB, once on the store in memory. What is about calls on the wire or about an answer of AWS is
marked `on_dynamodb`. What never reaches a store, such as input that is refused, is marked `in_memory`.
A file may choose for all of its tests with a constant ``STORES``.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

import pytest

from runtime import CommandModule, InvokeContext, Resources, Settings
from runtime.contract import OPEN_COLUMN, OPEN_INDEX
from runtime.model.keys import DetailKey, add_sort_key_version
from runtime.pipeline.apply import Applied, apply
from runtime.store.codec import decoded, encoded, row_of
from runtime.store.dynamodb import DynamoDbStore
from runtime.store.memory import MemoryStore
from runtime.store.port import Delete, Put, Set
from runtime.store.values import Place
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.support.rows import plain
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from constructs_lib.local import Emulator
    from runtime.model.handlers import HandlerSource
    from runtime.module_context import ModuleContext
    from runtime.store.port import Store

__all__ = [
    "DYNAMODB",
    "MEMORY",
    "PK",
    "STORES",
    "TABLES",
    "Service",
    "Services",
    "TestResources",
    "both_stores",
    "client_of",
    "in_memory",
    "make_tables",
    "on_dynamodb",
    "put_rows",
]

TENANT = "acme"
PK = f"TODO#{TENANT}"
TABLES = ("todo-command", "todo-data", "todo-history", "todo-sync", "session")

DYNAMODB: Final = "dynamodb"
MEMORY: Final = "memory"
STORES: Final = (DYNAMODB, MEMORY)

#: A test of what is on the wire, or of what AWS answers.
on_dynamodb = pytest.mark.parametrize("make_service", [DYNAMODB], indirect=True)
#: A test of both, in a file that says otherwise.
both_stores = pytest.mark.parametrize("make_service", STORES, indirect=True)
#: A test of logic that no store has a part in, or that would take long on the other one.
in_memory = pytest.mark.parametrize("make_service", [MEMORY], indirect=True)


class TestResources(Resources):
    """The runtime's resources, on the emulator and with an ear on the wire.

    Attributes:
        wire: Every call of AWS.
        steps: Every call of the store.
    """

    __test__ = False

    def __init__(self, emulator: Emulator, settings: Settings) -> None:
        super().__init__(settings)
        self.wire = Wire()
        self.steps = Wire()
        self._emulator = emulator

    def client(self, service: str, *, patient: bool = True) -> Any:
        return self.wire.listen(super().client(service, patient=patient))

    @cached_property
    def store(self) -> Store:
        return self.steps.listen_to(DynamoDbStore(self.client("dynamodb")))


class _InMemory(MemoryResources):
    """The runtime's resources in memory. No call is on a wire: each call of the store stands for one."""

    def __init__(self, settings: Settings, store: MemoryStore) -> None:
        super().__init__(settings, store, _Now())
        self.wire = self.steps = Wire()
        self.__dict__["store"] = self.steps.listen_to(store)  # in place of the cached property


class _Now(Clock):
    """The clock of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class _MemoryClient:
    """What tests call of boto3's client of DynamoDB, on a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def get_item(self, *, TableName: str, Key: Any, ConsistentRead: bool = True) -> dict[str, Any]:  # noqa: N803 - boto3's names
        row = self._store.get(_place(TableName, Key), consistent=ConsistentRead)
        return {"Item": encoded(row)} if row else {}

    def put_item(self, *, TableName: str, Item: Any) -> None:  # noqa: N803
        self._store.write(Put(table=TableName, row=decoded(Item)))

    def delete_item(self, *, TableName: str, Key: Any) -> None:  # noqa: N803
        self._store.write(Delete(place=_place(TableName, Key)))

    def get_paginator(self, operation: str) -> _MemoryClient:
        assert operation == "scan"
        return self

    def paginate(self, *, TableName: str, ConsistentRead: bool) -> Iterator[dict[str, Any]]:  # noqa: N803
        assert ConsistentRead
        yield {"Items": [encoded(row) for row in self._store.rows(TableName)]}


def _place(table: str, key: Any) -> Place:
    return Place(table, key["pk"]["S"], key["sk"]["S"])


@cache
def client_of(where: Any, service: str) -> Any:
    """The boto3 client for what tests do themselves: one for all of them, since each takes 10 ms to make."""
    return where.client(service)


def put_rows(client: Any, rows: Iterable[tuple[str, Any]]) -> None:
    """Put rows in the wire format into tables, each given with its table's name: 25 at a time."""
    left = [(table, {"PutRequest": {"Item": row}}) for table, row in rows]
    while left:
        batch: dict[str, list[Any]] = {}
        for table, request in left[:25]:
            batch.setdefault(table, []).append(request)
        assert not client.batch_write_item(RequestItems=batch)["UnprocessedItems"]
        del left[:25]


def make_tables(emulator: Emulator, prefix: str, names: Iterable[str]) -> None:
    """Make tables; those of commands with the index of what is under way."""
    client = client_of(emulator, "dynamodb")
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
    """One module, its tables and its users.

    Args:
        where: The emulator, or the store in memory, that has the tables.
        app_name: What the tables' names begin with.
        attributes: Model of the attributes.
        handlers: Data sync handlers.
        ryw: Whether the caller's own pending writes are in what they read.
        disable_default_handler: See `CommandModule`.
        settings: Other settings.

    Attributes:
        client: DynamoDB as boto3 calls it, for what the test itself reads and writes.
        quiet: The same as a store. Neither is heard on the wire.
        wire: What the module called.
        steps: Which of it were calls of its store.
    """

    def __init__(
        self,
        where: Emulator | MemoryStore,
        app_name: str,
        *,
        attributes: Any = None,
        handlers: Iterable[HandlerSource] = (),
        ryw: bool = True,
        disable_default_handler: bool = False,
        **settings: Any,
    ) -> None:
        environment = {
            "NODE_ENV": "local",
            "APP_NAME": app_name,
            "RYW_SESSION_TTL_MINUTES": "5" if ryw else "",
        }
        # As a stack without a master data table sets it.
        settings = {"modules": {"todo": {"sync": bool(handlers)}}} | settings
        self.resources: Any
        self.client: Any
        self.quiet: Store
        if isinstance(where, MemoryStore):
            base = Settings.from_environment(environment)
            self.resources = _InMemory(replace(base, **settings), where)
            self.client, self.quiet = _MemoryClient(where), where
        else:
            base = Settings.from_environment(environment | _endpoints(where))
            self.resources = TestResources(where, replace(base, **settings))
            self.client = client_of(where, "dynamodb")
            self.quiet = DynamoDbStore(self.client)
        self.where = where
        self.app_name = app_name
        self.module: CommandModule[Any] = CommandModule(
            "todo",
            attributes=attributes,
            data_sync_handlers=handlers,
            resources=self.resources,
            disable_default_handler=disable_default_handler,
        )
        self.wire: Wire = self.resources.wire
        self.steps: Wire = self.resources.steps

    def deploy(self, *, data_sync: bool) -> None:
        """Let the stack say that the module has, or has not, data sync handlers."""
        entries = self.resources.settings.modules.items()
        modules = {name: {**entry, "sync": data_sync} for name, entry in entries}
        self.resources.settings = replace(self.resources.settings, modules=modules)

    def release(self, *handlers: HandlerSource) -> None:
        """Deploy the module anew, with these handlers."""
        self.deploy(data_sync=bool(handlers))
        self.module = CommandModule("todo", data_sync_handlers=handlers, resources=self.resources)

    def again(self, **options: Any) -> Service:
        """Another function with the same tables."""
        return Service(self.where, self.app_name, **options)

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

    def set(self, table: str, sk: str, pk: str = PK, **columns: Any) -> None:
        """Change columns of a row, behind the library's back; None takes one away."""
        self.quiet.write(
            Set(
                place=Place(getattr(self.tables, table, table), pk, sk),
                columns=row_of(columns),
                remove=[name for name, value in columns.items() if value is None],
            )
        )

    def everything(self) -> dict[str, dict[tuple[str, str], dict[str, Any]]]:
        """Every row of the module's tables, by table and key."""
        return {
            kind: {(row["pk"], row["sk"]): row for row in self.rows(getattr(self.tables, kind))}
            for kind in ("command", "data", "history")
        }

    def image(self, version: int, sk: str = "A1") -> Any:
        """The command as it is in a stream record, to the library."""
        return self.raw("command", add_sort_key_version(sk, version))


def _endpoints(emulator: Emulator) -> dict[str, str]:
    services = ("DYNAMODB", "SFN", "SNS", "SQS", "S3")
    return {f"{name}_ENDPOINT": emulator.endpoint_url for name in services} | {
        f"{name}_REGION": emulator.region for name in services
    }


class Services:
    """Makes services, each with tables of its own.

    Tables on the emulator are left to its end, which comes with that of the test session: to delete
    them takes half as long as to make them.

    Args:
        emulator: Where the tables are. Default: in memory.

    Attributes:
        made: The services, in order.
    """

    def __init__(self, emulator: Emulator | None = None) -> None:
        self.emulator = emulator
        self.made: list[Service] = []
        self._others: set[str] = set()

    def __call__(self, **options: Any) -> Service:
        app_name = f"t{uuid.uuid4().hex[:8]}"
        service = Service(self._where(f"local-{app_name}"), app_name, **options)
        self.made.append(service)
        return service

    def _where(self, prefix: str) -> Emulator | MemoryStore:
        if self.emulator is None:
            return MemoryStore(tables={*(f"{prefix}-{name}" for name in TABLES), *self._others})
        make_tables(self.emulator, prefix, TABLES)
        return self.emulator

    def table(self) -> str:
        """Another table, for the services that are made after it."""
        prefix, name = f"t{uuid.uuid4().hex[:8]}", "master-data"
        if self.emulator:
            make_tables(self.emulator, prefix, [name])
        self._others.add(f"{prefix}-{name}")
        return f"{prefix}-{name}"

    def bucket(self) -> str:
        """An empty bucket."""
        name = f"b{uuid.uuid4().hex}"
        if self.emulator:
            client_of(self.emulator, "s3").create_bucket(Bucket=name)
        return name


def eventually_expired(seconds: int = 1) -> int:
    return int(time.time()) - seconds
