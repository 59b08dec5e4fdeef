"""A service with one module of each kind, for the end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import store_file  # noqa: F401 - every function of the stack reads its variable as it is imported
from billing import Billing, billing_routes
from library import domain

from runtime import CommandModule, CqrsApp, EventModule

if TYPE_CHECKING:
    from collections.abc import Mapping

note = CommandModule("note")
memo = CommandModule("memo")
task = CommandModule("task", data_sync_handlers=["stores:FlakyStore", "stores:SteadyStore"])
names = ("catalogue", "ledger", "loans", "board")
library = EventModule("library", domain, handlers=[f"library_handlers:{name}" for name in names])
billing = Billing(note)


def tell(notification: Mapping[str, Any]) -> None:
    from stores import note_told  # noqa: PLC0415 - only the notifier pays for it

    note_told(notification["sk"])


app = CqrsApp(
    modules=[note, memo, task, library],
    features=[billing],
    routes=[
        billing_routes(billing),
        "library_routes:router",
        "library_routes:books",
        "library_routes:readers",
        "routes:router",
        "routes:notes",
        "tour:router",
    ],
    notification_handlers=[tell],
)
app.on_queue("e2e-orders", "orders:take")
