"""`cqrs show`: the timeline of one aggregate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from constructs_lib.cli.context import Result
from constructs_lib.cli.modules import one_module
from constructs_lib.cli.screen import Line, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.cli.context import Context

__all__ = ["show"]


def show(context: Context) -> Result:
    """Show what is stored about an aggregate; its attributes only on request. One call, or two."""
    options = context.options
    module = one_module(context)
    raw = {"raw": True} if options.raw else {}  # an older release does not know it
    found = context.operator.ask("show", module=module, pk=options.pk, sk=options.sk, **raw)
    if "commits" in found:
        return Result({"module": module, **found}, _of_events(module, found))
    parts: list[Line | Table] = [
        Line(f"{module}  {found['pk']}  {found['sk']}", "bold"),
        Line(_state(found["data"], found["versions"])),
        Line(),
        *_raw(found["data"]),
        _versions(found["versions"]),
    ]
    if earlier := found.get("earlier"):
        parts.append(Line(f"… and {earlier} earlier versions, which are too many for one answer"))
    if found["cursors"]:
        parts.append(_cursors(found["cursors"]))
    if found["executions"]:
        parts.append(_executions(found["executions"]))
    return Result({"module": module, **found}, parts)


def _of_events(module: str, found: dict[str, Any]) -> list[Line | Table]:
    """An aggregate of a module that keeps events."""
    state = "erased" if found["isErased"] else f"at version {found['version']}"
    parts: list[Line | Table] = [Line(f"{module}  {found['pk']}", "bold"), Line(state), Line()]
    if found.get("problem"):
        parts += [Line(f"Today's code makes no state of it: {found['problem']}", "bold yellow"), Line()]
    elif "state" in found:
        text = json.dumps(found["state"], ensure_ascii=False, indent=2)
        parts += [*(Line(line) for line in text.splitlines()), Line()]
    columns = ["versions", "events", "state kept", "at", "by", "source", "caused by"]
    rows = [
        [
            _versions_of(entry),
            "erased" if entry["isErased"] else ", ".join(entry["types"]),
            _yes(entry["keepsState"]),
            entry["at"],
            entry["by"],
            entry["source"],
            entry["causation"],
        ]
        for entry in found["commits"]
    ]
    parts.append(Table(columns, rows, "Appends"))
    if earlier := found["earlier"]:
        parts.append(Line(f"… and {earlier} earlier events; cqrs events list has them"))
    return [*parts, _cursors(found["cursors"])] if found["cursors"] else parts


def _versions_of(commit: dict[str, Any]) -> str:
    first, last = commit["first"], commit["last"]
    return str(first) if first == last else f"{first}-{last}"


def _state(data: dict[str, Any] | None, versions: Sequence[dict[str, Any]]) -> str:
    if data is None and any(entry["applied"] for entry in versions):
        return "no data row: there was one, and it has expired or was deleted"
    if data is None:
        return "no data row: no version was applied"
    return f"at version {data['version']} since {data['updatedAt']}, by {data['updatedBy']}"


def _raw(data: dict[str, Any] | None) -> list[Line | Table]:
    if data is None or "attributes" not in data:
        return []
    problems = [[problem["field"], problem["message"]] for problem in data["problems"]]
    table = [Table(["field", "problem"], problems, "Today's model does not accept it")] if problems else []
    text = json.dumps(data["attributes"], ensure_ascii=False, indent=2)
    return [*(Line(line) for line in text.splitlines()), Line(), *table]


def _versions(versions: Sequence[dict[str, Any]]) -> Table:
    columns = ["version", "status", "applied", "history", "created", "by", "source", "sync", "request"]
    rows = [
        [
            entry["version"],
            entry["status"] or "-",
            _yes(entry["applied"]) + (", in an earlier life" if entry.get("earlierLife") else ""),
            _yes(entry["history"]),
            entry["createdAt"],
            entry["createdBy"],
            entry["source"],
            _yes(bool(entry["syncMode"])),
            entry["requestId"],
        ]
        for entry in versions
    ]
    return Table(columns, rows, "Versions")


def _cursors(cursors: Sequence[dict[str, Any]]) -> Table:
    rows = [
        [
            entry["handler"],
            entry["version"],
            entry["parkedVersion"],
            entry["parkedAt"],
            ", ".join(f"{skipped['version']} ({skipped['at']})" for skipped in entry["skipped"]) or None,
            entry["error"],
        ]
        for entry in cursors
    ]
    return Table(["handler", "seen", "parked at", "since", "skipped", "error"], rows, "Handlers")


def _executions(executions: Sequence[dict[str, Any]]) -> Table:
    rows = [[e["version"], e["status"], e["startedAt"], e["stoppedAt"], e["name"]] for e in executions]
    return Table(["version", "status", "started", "stopped", "name"], rows, "Executions")


def _yes(value: bool) -> str:  # noqa: FBT001 - a cell
    return "yes" if value else "no"
