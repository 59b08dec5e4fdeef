"""The cursors of handlers, as operators see them: which are parked, which are behind, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr

from runtime.entry.operator.sizes import fitting
from runtime.model.keys import DetailKey
from runtime.module_context import HEAD
from runtime.store.codec import opened
from runtime.store.scan import Scan

if TYPE_CHECKING:
    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.scope import Scope
    from runtime.store.scan import ResumablePage
    from runtime.store.values import Row

__all__ = ["behind", "cursor_fields", "parked"]


def parked(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """List the parked handlers on one page of a module's cursors. One call.

    A page ends by bytes as well as by number; ``scanned`` is what was looked at for it.
    """
    context, scan = arguments.module(scope.modules).context, arguments.scan()
    if not context.tables.has_sync_table:
        return {"parked": [], "scanned": 0, "resumeToken": None}
    page = scan.read(context.store, context.tables.sync, only=Attr("parkedVersion").exists())
    found = []
    for row in page.rows:
        # A handler's name is that of a class: the first separator ends it.
        handler, _, sk = row["sk"].partition("#")
        found.append({"pk": row["pk"], "sk": sk, "handler": handler, **cursor_fields(row)})
    return _page("parked", found, page)


def behind(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """List the handlers on one page of a module's cursors that are behind the data, or are gone. Two calls.

    A handler is gone when the module does not have it any more: its cursors can be dropped. One
    that is behind by a version or two may just be on its way.
    """
    context, scan = arguments.module(scope.modules).context, arguments.scan()
    if not context.tables.has_sync_table:
        return {"behind": [], "scanned": 0, "resumeToken": None}
    page = scan.read(context.store, context.tables.sync)
    cursors = [(row, *row["sk"].partition("#")[::2]) for row in page.rows]
    cursors = [(row, handler, sk) for row, handler, sk in cursors if handler != HEAD]
    places = {(row["pk"], sk): context.data_place(DetailKey(row["pk"], sk)) for row, _, sk in cursors}
    states = context.store.batch_get(places.values()) if context.keeps_data and places else {}
    found = []
    for row, handler, sk in cursors:
        state = states.get(places[row["pk"], sk])
        latest = _number((state or {}).get("version"))
        version, is_gone = _number(row.get("version")), handler not in context.handler_names
        if is_gone or (latest is not None and (version or 0) < latest):
            found.append(
                {
                    "pk": row["pk"],
                    "sk": sk,
                    "handler": handler,
                    "version": version,
                    "latestVersion": latest,
                    "parkedVersion": _number(row.get("parkedVersion")),
                    "isGone": is_gone,
                }
            )
    return _page("behind", found, page)


def _page(name: str, found: list[dict[str, Any]], page: ResumablePage) -> dict[str, Any]:
    shown, token = fitting(found), page.resume_token
    if len(shown) < len(found):
        last = shown[-1]
        token = Scan.token_after({"pk": last["pk"], "sk": f"{last['handler']}#{last['sk']}"})
    return {name: shown, "scanned": page.scanned, "resumeToken": token}


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
