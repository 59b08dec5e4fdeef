"""The cursors of handlers, as operators see them: which are parked, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr

from runtime.store.codec import opened

if TYPE_CHECKING:
    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.scope import Scope
    from runtime.store.values import Row

__all__ = ["cursor_fields", "parked"]


def parked(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """List the parked handlers on one page of a module's cursors. One call."""
    context, scan = arguments.module(scope.modules).context, arguments.scan()
    if not context.tables.has_sync_table:
        return {"parked": [], "scanned": 0, "resumeToken": None}
    page = scan.read(context.store, context.tables.sync, only=Attr("parkedVersion").exists())
    found = []
    for row in page.rows:
        # A handler's name is that of a class: the first separator ends it.
        handler, _, sk = row["sk"].partition("#")
        found.append({"pk": row["pk"], "sk": sk, "handler": handler, **cursor_fields(row)})
    return {"parked": found, "scanned": page.scanned, "resumeToken": page.resume_token}


def cursor_fields(row: Row | None) -> dict[str, Any]:
    """What a row of the sync table says, without its key. What makes no sense is None."""
    row = row or {}
    skipped = opened(row.get("skipped"))
    entries = skipped if isinstance(skipped, list) else []
    return {
        "version": _number(row.get("version")),
        "parkedVersion": _number(row.get("parkedVersion")),
        "parkedAt": _text(row.get("parkedAt")),
        "error": _text(row.get("parkedError")),
        "skipped": [
            {"version": _number(entry.get("version")), "at": _text(entry.get("at"))}
            for entry in entries
            if isinstance(entry, dict)
        ],
    }


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
