"""A handler's cursor, as operators see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.store.codec import Item

__all__ = ["cursor_fields"]


def cursor_fields(row: Item | None) -> dict[str, Any]:
    """What a row of the sync table says, without its key."""
    row = row or {}
    skipped = row.get("skipped", {}).get("L", [])
    return {
        "version": _number(row, "version"),
        "parkedVersion": _number(row, "parkedVersion"),
        "parkedAt": row.get("parkedAt", {}).get("S"),
        "error": row.get("parkedError", {}).get("S"),
        "skipped": [
            {"version": _number(entry["M"], "version"), "at": entry["M"].get("at", {}).get("S")}
            for entry in skipped
        ],
    }


def _number(row: Item, name: str) -> int | None:
    return int(row[name]["N"]) if name in row else None
