"""`cqrs status`: what needs an operator, on one screen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from constructs_lib.cli.commands.status_screen import status_parts
from constructs_lib.cli.context import Listing, Result
from constructs_lib.cli.exit_code import ExitCode
from constructs_lib.cli.modules import Module, chosen_modules
from constructs_lib.cli.walk import MANY, positions, scan

if TYPE_CHECKING:
    from constructs_lib.cli.context import Context
    from constructs_lib.cli.resume import Position

__all__ = ["status"]


@dataclass(frozen=True, slots=True)
class _Looked:
    """A module, and what was found by going over its tables; None where that was left out."""

    module: Module
    parked: Listing | None
    lagging: Listing | None

    def document(self) -> dict[str, Any]:
        module, parked, lagging = self.module, self.parked, self.lagging
        return {
            "module": module.name,
            "mode": module.mode,
            "handlers": list(module.handlers),
            "rows": module.rows,
            "parked": parked.entries if parked else None,
            "parkedTotal": parked.total if parked else None,
            "lagging": lagging.entries if lagging else None,
            "laggingTotal": lagging.total if lagging else None,
        }


def status(context: Context) -> Result:
    """Show what is parked, lagging, dead-lettered or failed."""
    modules = chosen_modules(context)
    health = context.operator.ask("health")
    interrupted = False
    if context.options.quick:
        looked = [_Looked(module, None, None) for module in modules]
    else:
        looked = [_Looked(module, context.listing(), context.listing()) for module in modules]
        interrupted = _look(context, looked)
    document = {
        "function": context.operator.function,
        "interrupted": interrupted,
        "modules": [entry.document() for entry in looked],
        **health,
    }
    document["attention"] = _attention(document, context.options.recent)
    code = ExitCode.ATTENTION if document["attention"] else ExitCode.FINE
    return Result(document, status_parts(document), ExitCode.INTERRUPTED if interrupted else code)


def _look(context: Context, looked: list[_Looked]) -> bool:
    """Go over the tables; True when that was interrupted."""
    options = context.options
    lists = {
        **{("parked", entry.module.name): entry.parked for entry in looked},
        **{("reconcile", entry.module.name): entry.lagging for entry in looked},
    }

    def take(position: Position, page: dict[str, Any]) -> str:
        found = lists[position.operation, position.module]
        if found is not None:
            found.add(page["parked" if position.operation == "parked" else "found"])
        return f"{sum(each.total for each in lists.values() if each)} found"

    modules = [entry.module for entry in looked]
    start = [
        *positions("parked", [module for module in modules if module.handlers], options.segments),
        *positions("reconcile", modules, options.segments),
    ]
    arguments = {
        "parked": {"limit": MANY},
        "reconcile": {"limit": MANY, "dryRun": True, "olderThan": options.older_than},
    }
    walk = scan(context, start, arguments, take, rows=sum(module.rows or 0 for module in modules))
    if walk.error:
        raise walk.error
    return walk.interrupted


def _attention(document: dict[str, Any], recent_hours: int) -> list[dict[str, Any]]:
    """Give what needs an operator, with the command that helps."""
    modules, executions = document["modules"], document["executions"] or {}
    since = datetime.now(UTC) - timedelta(hours=recent_hours)
    recent = [e for e in executions.get("latest", []) if _time(e["stoppedAt"]) >= since]
    counts = (
        ("parked", sum(module["parkedTotal"] or 0 for module in modules), "cqrs redrive --all"),
        ("lagging", sum(module["laggingTotal"] or 0 for module in modules), "cqrs reconcile"),
        ("deadLetters", document["deadLetters"] or 0, "cqrs replay-dlq --only notifications"),
        ("failedRecords", document["failedRecords"] or 0, "cqrs replay-dlq --only records"),
        ("executions", len(recent), "cqrs reconcile"),
    )
    return [{"what": what, "count": count, "command": command} for what, count, command in counts if count]


def _time(text: str | None) -> datetime:
    """Parse a time that the service gave; now where it gave none."""
    return datetime.fromisoformat(text) if text else datetime.now(UTC)
