"""A registry of tenants and its tables, in memory or on the emulator, with an ear on every call."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtime import InvokeContext, Settings, TenantModule
from runtime.store.codec import opened_row
from runtime.store.dynamodb import DynamoDbStore
from runtime.store.memory import MemoryStore
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.support.service import TestResources, client_of, make_tables
from tests.support.wire import Wire

if TYPE_CHECKING:
    from constructs_lib.local import Emulator
    from runtime.store.port import Store

__all__ = ["KINDS", "ROOT", "Registry", "user"]

KINDS = ("command", "data", "history")
#: A role across all tenants.
ROOT = {"tenant": "", "role": "system_admin"}


def user(tenant: str | None, *roles: dict[str, str], name: str = "ann", **headers: str) -> InvokeContext:
    claims = {"sub": name, "custom:roles": json.dumps(roles)} | ({"custom:tenant": tenant} if tenant else {})
    return InvokeContext(claims=claims, headers=headers, source_ip="192.0.2.1", request_id="req-1")


class Registry:
    """A registry with tables of its own.

    Args:
        emulator: Where the tables are. Default: in memory.
        settings: Other settings.
        **options: See `TenantModule`.
    """

    def __init__(
        self, emulator: Emulator | None = None, settings: dict[str, Any] | None = None, **options: Any
    ) -> None:
        self.prefix = f"local-t{uuid.uuid4().hex[:8]}"
        base = Settings(
            node_env="local",
            app_name=self.prefix.removeprefix("local-"),
            modules={"tenant": {"mode": "inline", "sync": False}},
        )
        base = replace(base, **(settings or {}))
        self.resources: Any
        self.store: Store
        if emulator is None:
            memory = MemoryStore(tables={f"{self.prefix}-tenant-{kind}" for kind in KINDS})
            self.resources = MemoryResources(base, memory, Clock())
            self.wire = Wire()
            self.resources.__dict__["store"] = self.wire.listen_to(memory)
            self.store = memory
        else:
            make_tables(emulator, self.prefix, [f"tenant-{kind}" for kind in KINDS])
            endpoints, regions = {"DYNAMODB": emulator.endpoint_url}, {"DYNAMODB": emulator.region}
            self.resources = TestResources(emulator, replace(base, endpoints=endpoints, regions=regions))
            self.wire = self.resources.wire
            self.store = DynamoDbStore(client_of(emulator, "dynamodb"))
        self.tenants = self.again(**options)

    def again(self, **options: Any) -> TenantModule:
        """The registry, as another container has it."""
        made = TenantModule(**options)
        made.use(self.resources)
        return made

    def rows(self, kind: str = "data") -> dict[tuple[str, str], dict[str, Any]]:
        page = self.store.scan(f"{self.prefix}-tenant-{kind}", limit=1000)
        return {(row["pk"], row["sk"]): opened_row(row) for row in page.rows}
