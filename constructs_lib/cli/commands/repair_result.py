"""What came of repairing parked handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from constructs_lib.cli.context import Result
from constructs_lib.cli.screen import Line, Table, brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.cli.walk import Walk

__all__ = ["repair_result"]

_KEY = ("module", "pk", "sk", "handler")


def repair_result(
    results: Sequence[dict[str, Any]],
    refused: Sequence[dict[str, Any]],
    walk: Walk[Any],
    *,
    dry_run: bool,
) -> Result:
    """The result of a command.

    Args:
        results: The service's answers, with the keys of what was repaired.
        refused: Keys of what was not, with the error.
        walk: The walk over all of them, which may have ended early.
        dry_run: Whether nothing was written.
    """
    again = [result for result in results if result["parkedVersion"] is not None]
    left = len(walk.left)
    ended, code, hints = walk.ending(attention=bool(refused or (again and not dry_run)))
    document = {
        "dryRun": dry_run,
        **ended,
        "left": left,
        "healed": 0 if dry_run else len(results) - len(again),
        "parkedAgain": 0 if dry_run else len(again),
        "results": list(results),
        "refused": list(refused),
    }
    if left:
        hints.append(f"{left} are left; the same command goes on with them")
    return Result(document, _parts(results, refused, dry_run=dry_run), code, hints)


def _parts(
    results: Sequence[dict[str, Any]], refused: Sequence[dict[str, Any]], *, dry_run: bool
) -> list[Line | Table]:
    if not results and not refused:
        return [Line("Nothing is parked.", "green")]
    parts: list[Line | Table] = []
    if results:
        title = "Dry run: nothing was written, no handler was called" if dry_run else ""
        state = "parked at" if dry_run else "parked again at"
        columns = [*_KEY, "would run" if dry_run else "done", "skipped", state, "error"]
        rows = [
            [
                *(result[name] for name in _KEY),
                _versions(result["done"]),
                result["skipped"],
                result["parkedVersion"],
                brief(result["error"]),
            ]
            for result in results
        ]
        parts.append(Table(columns, rows, title))
    if refused:
        rows = [[*(entry[name] for name in _KEY), entry["error"]["message"]] for entry in refused]
        parts.append(Table([*_KEY, "error"], rows, "Refused"))
    return parts


def _versions(versions: Sequence[int]) -> str | None:
    """Versions in few words: a handler may have been parked for thousands of them."""
    if not versions:
        return None
    if len(versions) == 1 or versions[-1] - versions[0] != len(versions) - 1:
        return ", ".join(map(str, versions))
    return f"{versions[0]}-{versions[-1]}"
