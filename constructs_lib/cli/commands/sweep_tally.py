"""What the pages of a sweep add up to, by module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from constructs_lib.cli.screen import Line, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from constructs_lib.cli.context import Listing

__all__ = ["ReconcileTally", "ResyncTally"]

_COUNTS = ("applied", "handled", "finished", "handedOver")


class ReconcileTally:
    """Pages of `reconcile` of one module."""

    def __init__(self, module: str, listing: Callable[[], Listing]) -> None:
        self.module = module
        self.scanned = 0
        self.counts = dict.fromkeys(_COUNTS, 0)
        self.found = listing()
        self.failed = listing()

    @property
    def failures(self) -> int:
        """How many commands could not be processed."""
        return self.failed.total

    def add(self, page: dict[str, Any]) -> None:
        """Add a page."""
        self.scanned += page["scanned"]
        self.found.add(page["found"])
        self.failed.add(page["failed"])
        for name in _COUNTS:
            self.counts[name] += page[name]

    def note(self) -> str:
        """What was found so far, in words."""
        return f"{self.module}: {self.found.total} found, {self.failed.total} failed"

    def document(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "module": self.module,
            "scanned": self.scanned,
            "found": self.found.entries,
            "foundTotal": self.found.total,
            **self.counts,
            "failed": self.failed.entries,
            "failedTotal": self.failed.total,
        }

    @staticmethod
    def parts(tallies: Sequence[ReconcileTally], *, dry_run: bool) -> list[Line | Table]:
        """For people."""
        columns = ["module", "rows", "found", "applied", "handled", "finished", "handed over", "failed"]
        rows = [
            [tally.module, tally.scanned, tally.found.total, *tally.counts.values(), tally.failed.total]
            for tally in tallies
        ]
        parts: list[Line | Table] = [Table(columns, rows, "Dry run: nothing was written" if dry_run else "")]
        for tally in tallies:
            parts += _listed(tally.found, f"Found in {tally.module}", ("problem", "status", "createdAt"))
            parts += _listed(tally.failed, f"Failed in {tally.module}", ("error",))
        return parts


@dataclass(slots=True)
class ResyncTally:
    """Pages of `resync` of one module."""

    module: str
    listing: Callable[[], Listing] = field(repr=False)
    scanned: int = 0
    rows: int = 0
    failures: int = 0

    def add(self, page: dict[str, Any]) -> None:
        """Add a page."""
        self.scanned += page["scanned"]
        self.rows += page["rows"]

    def note(self) -> str:
        """What was done so far, in words."""
        return f"{self.module}: {self.rows} given"

    def document(self) -> dict[str, Any]:
        """For scripts."""
        return {"module": self.module, "scanned": self.scanned, "rows": self.rows}

    @staticmethod
    def parts(tallies: Sequence[ResyncTally], *, dry_run: bool) -> list[Line | Table]:
        """For people."""
        title = "Dry run: nothing was given to a handler" if dry_run else ""
        rows = [[tally.module, tally.scanned, tally.rows] for tally in tallies]
        return [Table(["module", "rows", "would be given" if dry_run else "given"], rows, title)]


def _listed(listing: Listing, title: str, names: tuple[str, ...]) -> list[Line | Table]:
    if not listing.entries:
        return []
    columns = ("pk", "sk", "version", *names)
    rows = [[entry[name] for name in columns] for entry in listing.entries]
    parts: list[Line | Table] = [Table([*columns], rows, title)]
    return [*parts, Line(listing.more), Line()] if listing.more else parts
