"""Which modules there are, and about how large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.contract import KIND_EVENTS

if TYPE_CHECKING:
    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.scope import Scope

__all__ = ["list_modules"]


def list_modules(scope: Scope, _arguments: Arguments) -> dict[str, Any]:
    """List the app's modules. One call a module.

    ``rows`` is DynamoDB's own count of the command table, or of the events table, which it takes about
    every six hours; the records of publish ids, and of commands' ids, are in it. The ``mode`` of a module
    that keeps events is ``events``.
    """
    of_commands = [
        {
            "name": module.table_name,
            "mode": module.context.tables.mode,
            "handlers": list(module.context.handler_names),
            "rows": module.context.store.approximate_rows(module.context.tables.command),
        }
        for module in scope.modules.values()
    ]
    of_events = [
        {
            "name": module.name,
            "mode": KIND_EVENTS,
            "handlers": [handler.name for handler in module.handlers],
            "rows": module.resources.store.approximate_rows(module.tables.events),
        }
        for module in scope.event_modules.values()
    ]
    return {"modules": [*of_commands, *of_events]}
