"""The module of events alone, as a service of its own."""

from __future__ import annotations

from library import domain

from runtime import CqrsApp, EventModule

names = ("catalogue", "loans")
library = EventModule("library", domain, handlers=[f"library_handlers:{name}" for name in names])
app = CqrsApp(
    modules=[library], routes=["library_routes:router", "library_routes:books", "library_routes:readers"]
)
