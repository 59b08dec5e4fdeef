"""A service with masters, on a store in memory, and rows as others have written them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runtime import CommandModule, CqrsApp, CqrsModel, InvokeContext
from runtime.features.masters.master_module import MasterModule
from runtime.features.masters.setting import Setting
from runtime.store.codec import row_of
from runtime.store.port import Put
from runtime.testing import MemoryApp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DATA = "local-test-master-data"


class Theme(CqrsModel):
    """Look of a service."""

    rows: int = 20
    colour: str = "blue"
    page_title: str = ""


THEME = Setting("theme", Theme, default=Theme(), merge=True, user_writable=True)
WHOLE = Setting("whole", Theme)


def made(**options: Any) -> tuple[MasterModule, MemoryApp]:
    master = MasterModule([THEME, WHOLE], **options)
    memory = MemoryApp(
        CqrsApp(modules=[CommandModule("tenant")], features=[master]), modes={"master": "inline"}
    )
    return master, memory


def user(
    sub: str = "ann", tenant: str = "acme", *, roles: Iterable[str] = (), everywhere: Iterable[str] = ()
) -> InvokeContext:
    entries = [{"tenant": tenant, "role": role} for role in roles]
    entries += [{"tenant": "", "role": role} for role in everywhere]
    claims = {"sub": sub, "custom:tenant": tenant, "custom:roles": json.dumps(entries)}
    return InvokeContext(claims=claims, request_id="R1")


ADMIN = user("adam", roles=["master_admin"])
ROOT = user("root", everywhere=["system_admin"])


def put_row(
    memory: MemoryApp, module: Any, pk: str, sk: str, attributes: Mapping[str, Any] | None, **columns: Any
) -> None:
    """Store a data row as another writer would have."""
    row = {
        "pk": pk,
        "sk": sk,
        "id": f"{pk}#{sk}",
        "code": sk,
        "name": sk,
        "version": 1,
        "type": pk.split("#", maxsplit=1)[0],
    }
    row |= {"tenantCode": pk.rsplit("#", maxsplit=1)[-1], "cpk": pk, "csk": f"{sk}@1", **columns}
    memory.store.write(Put(table=module.tables.data, row=row_of({**row, "attributes": attributes})))
