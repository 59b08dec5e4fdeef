"""Masters on tables of their own, on the emulator or in memory, with an ear on the wire."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtime import Settings
from runtime.features.masters.master_module import MasterModule
from runtime.store.codec import opened_row
from runtime.store.memory import MemoryStore
from runtime.store.values import Place
from tests.features.masters.support import ADMIN
from tests.support.service import TestResources, _endpoints, _InMemory, client_of, make_tables

if TYPE_CHECKING:
    from constructs_lib.local import Emulator
    from runtime.features.masters.data import MasterData

__all__ = ["PK", "MasterLab"]

PK = "MASTER#acme"
TABLES = ("master-command", "master-data", "master-history", "master-sync", "session")


class MasterLab:
    """One service's masters.

    Args:
        emulator: Where the tables are. Default: in memory.
        same: Another process of the same service.
    """

    def __init__(self, emulator: Emulator | None = None, *, same: MasterLab | None = None) -> None:
        self.app_name: str = same.app_name if same else f"m{uuid.uuid4().hex[:8]}"
        self.emulator: Emulator | None = same.emulator if same else emulator
        prefix = f"local-{self.app_name}"
        environment = {"NODE_ENV": "local", "APP_NAME": self.app_name}
        resources: Any
        if self.emulator is None:
            self.store: MemoryStore = (
                same.store if same else MemoryStore(tables={f"{prefix}-{name}" for name in TABLES})
            )
            settings = replace(Settings.from_environment(environment), modules={"master": {}})
            resources = _InMemory(settings, self.store)
        else:
            if same is None:
                make_tables(self.emulator, prefix, TABLES)
            base = Settings.from_environment(environment | _endpoints(self.emulator))
            resources = TestResources(self.emulator, replace(base, modules={"master": {}}))
        self.resources = resources
        self.wire, self.steps = resources.wire, resources.steps
        self.master = MasterModule()
        self.master.use(resources)

    @property
    def data(self) -> MasterData:
        return self.master.data

    def again(self) -> MasterLab:
        """Another process."""
        return MasterLab(same=self)

    def upsert(self, *rows: Any) -> list[str]:
        return [result.outcome for result in self.data.upsert_bulk(rows, invoke_context=ADMIN)]

    def rows(self, table: str = "data") -> dict[str, Any]:
        """All rows of the masters, by their sort keys."""
        name = f"local-{self.app_name}-master-{table}"
        if self.emulator is None:
            found = [opened_row(row) for row in self.store.rows(name)]
        else:
            pages = client_of(self.emulator, "dynamodb").get_paginator("scan").paginate(TableName=name)
            keys = [(item["pk"]["S"], item["sk"]["S"]) for page in pages for item in page["Items"]]
            store = TestResources(self.emulator, self.resources.settings).store
            read = store.batch_get([Place(name, *key) for key in keys])
            found = [opened_row(row) for row in read.values()]
        return {row["sk"]: row for row in found}
