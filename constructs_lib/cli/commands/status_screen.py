"""The screen of `cqrs status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from constructs_lib.cli.screen import Line, Table, brief

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["status_parts"]

_ATTENTION = {
    "parked": "handlers are parked",
    "gone": "parked handlers are gone from the code",
    "lagging": "commands were not processed to their end",
    "deadLetters": "notifications were not delivered",
    "failedRecords": "batches of stream records failed",
    "executions": "executions failed lately",
}
#: Headings of what a cursor says, and its names for scripts.
_CURSOR = {"seen": "version", "latest": "latestVersion", "parked at": "parkedVersion"}


def status_parts(document: dict[str, Any]) -> list[Line | Table]:
    """Turn the document of the command into lines and tables."""
    modules = document["modules"]
    parts: list[Line | Table] = [
        Line(document["function"], "bold"),
        Line(),
        Table(
            ["module", "mode", "commands", "parked", "lagging", "behind", "gone", "handlers"],
            [_module(m) for m in modules],
        ),
        Table(["elsewhere", "now"], _elsewhere(document)),
    ]
    parked = [
        [m["module"], p["pk"], p["sk"], p["handler"], p["parkedVersion"], p["parkedAt"], brief(p["error"])]
        for m in modules
        for p in m["parked"] or []
    ]
    lagging = [
        [m["module"], f["pk"], f["sk"], f["version"], f["problem"], f["status"], f["createdAt"]]
        for m in modules
        for f in m["lagging"] or []
    ]
    if parked:
        columns = ["module", "pk", "sk", "handler", "version", "since", "error"]
        parts += _listed(columns, parked, "Parked", sum(m["parkedTotal"] for m in modules))
    if lagging:
        columns = ["module", "pk", "sk", "version", "problem", "status", "created"]
        parts += _listed(columns, lagging, "Lagging", sum(m["laggingTotal"] for m in modules))
    parts += _cursors(modules, "behind", "Behind, or on its way", ["seen", "latest"])
    if gone := _cursors(modules, "gone", "Gone from the code", ["seen", "latest", "parked at"]):
        hint = Line("When nobody needs a cursor any more: cqrs drop PK SK --module MODULE --handler HANDLER")
        parts += [*gone, hint, Line()]
    parts += _executions(document["executions"])
    if document["interrupted"]:
        parts.append(Line("Interrupted: there may be more.", "bold"))
    if not document["attention"]:
        return [*parts, Line("Nothing needs attention.", "green")]
    parts.append(Line("Needs attention", "bold yellow"))
    parts += [
        Line(f"  {entry['count']} {_ATTENTION[entry['what']]}: {entry['command']}")
        for entry in document["attention"]
    ]
    return parts


def _module(module: dict[str, Any]) -> list[object]:
    rows = "-" if module["rows"] is None else f"~{module['rows']}"
    handlers = ", ".join(module["handlers"]) or None
    totals = [module[f"{name}Total"] for name in ("parked", "lagging", "behind", "gone")]
    return [module["module"], module["mode"], rows, *totals, handlers]


def _cursors(
    modules: Sequence[dict[str, Any]], name: str, title: str, shown: Sequence[str]
) -> list[Line | Table]:
    columns = ["pk", "sk", "handler", *(_CURSOR[heading] for heading in shown)]
    rows = [
        [module["module"], *(cursor[column] for column in columns)]
        for module in modules
        for cursor in module[name] or []
    ]
    if not rows:
        return []
    headings = ["module", "pk", "sk", "handler", *shown]
    return _listed(headings, rows, title, sum(module[f"{name}Total"] for module in modules))


def _elsewhere(document: dict[str, Any]) -> list[list[object]]:
    executions = document["executions"]
    return [
        ["notifications on their way", document["notificationQueue"]],
        ["notifications not delivered", document["deadLetters"]],
        ["stream batches failed", document["failedRecords"]],
        ["executions failed, 90 days", executions and executions["failed"]],
        ["executions timed out, 90 days", executions and executions["timedOut"]],
    ]


def _executions(executions: dict[str, Any] | None) -> list[Line | Table]:
    if not executions or not executions["latest"]:
        return []
    rows = [[entry["stoppedAt"], entry["status"], entry["name"]] for entry in executions["latest"]]
    return [Table(["stopped", "status", "execution"], rows, "Failed executions")]


def _listed(
    columns: Sequence[str], rows: Sequence[Sequence[object]], title: str, total: int
) -> list[Line | Table]:
    parts: list[Line | Table] = [Table(columns, rows, title)]
    if total > len(rows):
        parts += [Line(f"… and {total - len(rows)} more; --list {total} shows them all"), Line()]
    return parts
