"""Which handlers are parked, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.entry.operator.cursors import cursor_fields

if TYPE_CHECKING:
    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.scope import Scope

__all__ = ["parked"]


def parked(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """List the parked handlers on one page of a module's cursors. One call."""
    module, scan = arguments.module(scope.modules), arguments.scan()
    if not module.tables.has_sync_table:
        return {"parked": [], "scanned": 0, "resumeToken": None}
    page = scan.read(
        module.resources.dynamodb,
        module.tables.sync,
        FilterExpression="attribute_exists(parkedVersion)",
    )
    found = []
    for row in page.rows:
        # A handler's name is that of a class: the first separator ends it.
        handler, _, sk = row["sk"]["S"].partition("#")
        found.append({"pk": row["pk"]["S"], "sk": sk, "handler": handler, **cursor_fields(row)})
    return {"parked": found, "scanned": page.scanned, "resumeToken": page.resume_token}
