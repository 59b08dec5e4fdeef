"""A service with one module of each kind, for the end-to-end tests."""

from __future__ import annotations

from runtime import CommandModule, CqrsApp

note = CommandModule("note")
memo = CommandModule("memo")
task = CommandModule("task", data_sync_handlers=["stores:FlakyStore", "stores:SteadyStore"])

app = CqrsApp(modules=[note, memo, task], routes=["routes:router", "routes:notes", "tour:router"])
app.on_queue("e2e-orders", "orders:take")
