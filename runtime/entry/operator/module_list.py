"""Which modules there are, and about how large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.scope import Scope

__all__ = ["list_modules"]


def list_modules(scope: Scope, _arguments: Arguments) -> dict[str, Any]:
    """List the app's modules. One call a module.

    ``rows`` is DynamoDB's own count of the command table, which it takes about every six
    hours; the records of publish ids are in it.
    """
    return {
        "modules": [
            {
                "name": module.table_name,
                "mode": module.context.tables.mode,
                "handlers": list(module.context.handler_names),
                "rows": module.context.store.approximate_rows(module.context.tables.command),
            }
            for module in scope.modules.values()
        ]
    }
