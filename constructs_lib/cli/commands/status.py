"""`cqrs status`: what needs an operator, on one screen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from constructs_lib.cli.commands.status_screen import status_parts
from constructs_lib.cli.context import Result
from constructs_lib.cli.exit_code import ExitCode
from constructs_lib.cli.modules import COMMANDS, EVENTS, chosen_modules, plain_name
from constructs_lib.cli.walk import MANY, positions, scan

if TYPE_CHECKING:
    from constructs_lib.cli.context import Context, Listing
    from constructs_lib.cli.modules import Module
    from constructs_lib.cli.resume import Position

__all__ = ["status"]


#: What is listed of a module, by the names of the document.
_LISTS = ("parked", "lagging", "behind", "gone")


@dataclass(slots=True)
class _Looked:
    """A module, and what was found by going over its tables.

    Attributes:
        module: The module.
        lists: What was found, by name; None where that was left out.
        gone_parked: How many of the handlers that are gone are parked.
    """

    module: Module
    lists: dict[str, Listing] | None
    gone_parked: int = 0

    @property
    def total(self) -> int:
        """How much was found so far."""
        return sum(listing.total for listing in (self.lists or {}).values())

    def add(self, operation: str, page: dict[str, Any]) -> None:
        """Add a page of an operation. A cursor is in one list: it is gone, or parked, or behind."""
        lists = self.lists or {}
        if operation == "reconcile":
            lists["lagging"].add(page["found"])
        elif operation == "parked":
            handlers = self.module.handlers
            known = [entry for entry in page["parked"] if plain_name(entry["handler"]) in handlers]
            lists["parked"].add(known)
            if self.module.kind == EVENTS:  # of commands, those are among the ones that are behind
                gone = [
                    {**_without(entry, "parkedAt", "error"), "latestVersion": None}
                    for entry in page["parked"]
                    if plain_name(entry["handler"]) not in handlers
                ]
                lists["gone"].add(gone)
                self.gone_parked += len(gone)
        else:
            gone = [_without(entry, "isGone") for entry in page["behind"] if entry["isGone"]]
            others = [_without(entry, "isGone") for entry in page["behind"] if not entry["isGone"]]
            lists["gone"].add(gone)
            lists["behind"].add([entry for entry in others if entry["parkedVersion"] is None])
            self.gone_parked += sum(entry["parkedVersion"] is not None for entry in gone)

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "module": self.module.name,
            "mode": self.module.mode,
            "handlers": list(self.module.handlers),
            "rows": self.module.rows,
        }
        for name in _LISTS:
            document[name] = self.lists[name].entries if self.lists else None
            document[f"{name}Total"] = self.lists[name].total if self.lists else None
        return document | {"goneParked": self.gone_parked if self.lists else None}


def _without(entry: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in names}


def status(context: Context) -> Result:
    """Show what is parked, lagging, behind, dead-lettered or failed."""
    modules = chosen_modules(context)
    health = context.operator.ask("health")
    interrupted = False
    if context.options.quick:
        looked = [_Looked(module, None) for module in modules]
    else:
        looked = [_Looked(module, {name: context.listing() for name in _LISTS}) for module in modules]
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
    by_name = {entry.module.name: entry for entry in looked}

    def take(position: Position, page: dict[str, Any]) -> str:
        by_name[position.module].add(position.operation, page)
        return f"{sum(entry.total for entry in looked)} found"

    modules = [entry.module for entry in looked]
    start = [
        # Of events, also of a module without handlers: one may have had some that are parked.
        *positions("parked", [m for m in modules if m.handlers or m.kind == EVENTS], options.segments),
        # Of commands, of every module: see above.
        *positions("behind", [m for m in modules if m.handlers or m.kind == COMMANDS], options.segments),
        *positions("reconcile", [m for m in modules if m.kind == COMMANDS], options.segments),
    ]
    arguments = {
        "parked": {"limit": MANY},
        "behind": {"limit": MANY},
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
        ("gone", sum(module["goneParked"] or 0 for module in modules), "cqrs drop"),
        ("lagging", sum(module["laggingTotal"] or 0 for module in modules), "cqrs reconcile"),
        ("deadLetters", document["deadLetters"] or 0, "cqrs replay-dlq --only notifications"),
        ("failedRecords", document["failedRecords"] or 0, "cqrs replay-dlq --only records"),
        ("executions", len(recent), "cqrs reconcile"),
    )
    return [{"what": what, "count": count, "command": command} for what, count, command in counts if count]


def _time(text: str | None) -> datetime:
    """Parse a time that the service gave; now where it gave none."""
    return datetime.fromisoformat(text) if text else datetime.now(UTC)
