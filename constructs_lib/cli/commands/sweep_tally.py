"""What the pages of a sweep add up to, by module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from constructs_lib.cli.screen import Line, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from constructs_lib.cli.context import Listing

__all__ = ["ReconcileTally", "ResyncTally", "Tally", "sweep_parts"]

_COUNTS = ("applied", "handled", "finished", "handedOver")


class Tally(Protocol):
    """What is known of one module."""

    columns: ClassVar[tuple[str, ...]]

    @property
    def failures(self) -> int:
        """How much of it could not be done."""

    def add(self, page: dict[str, Any]) -> None:
        """Add a page."""

    def note(self) -> str:
        """What was found so far, in words."""

    def document(self) -> dict[str, Any]:
        """For scripts."""

    def cells(self) -> list[object]:
        """A row for people, as in `columns`."""

    def lists(self) -> list[Line | Table]:
        """What else to show."""


class ReconcileTally:
    """Pages of `reconcile` of one module."""

    columns: ClassVar[tuple[str, ...]] = (
        "module",
        "rows",
        "found",
        "applied",
        "handled",
        "finished",
        "handed over",
        "failed",
    )

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

    def cells(self) -> list[object]:
        """A row for people, as in `columns`."""
        return [self.module, self.scanned, self.found.total, *self.counts.values(), self.failed.total]

    def lists(self) -> list[Line | Table]:
        """What was found, and what failed."""
        return [
            *_listed(self.found, f"Found in {self.module}", ("problem", "status", "createdAt")),
            *_listed(self.failed, f"Failed in {self.module}", ("error",)),
        ]


@dataclass(slots=True)
class ResyncTally:
    """Pages of `resync` of one module."""

    columns: ClassVar[tuple[str, ...]] = ("module", "rows", "given to handlers")

    module: str
    listing: Callable[[], Listing] = field(repr=False)
    scanned: int = 0
    rows: int = 0

    @property
    def failures(self) -> int:
        """None: the first handler that fails ends the walk."""
        return 0

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

    def cells(self) -> list[object]:
        """A row for people, as in `columns`."""
        return [self.module, self.scanned, self.rows]

    def lists(self) -> list[Line | Table]:
        """Nothing: its rows are all alike."""
        return []


def sweep_parts(tallies: Sequence[Tally], *, dry_run: bool) -> list[Line | Table]:
    """One table of all modules, and what is to be listed of each."""
    title = "Dry run: nothing was written, no handler was called" if dry_run else ""
    parts: list[Line | Table] = [Table(tallies[0].columns, [tally.cells() for tally in tallies], title)]
    return parts + [part for tally in tallies for part in tally.lists()]


def _listed(listing: Listing, title: str, names: tuple[str, ...]) -> list[Line | Table]:
    if not listing.entries:
        return []
    columns = ("pk", "sk", "version", *names)
    rows = [[entry[name] for name in columns] for entry in listing.entries]
    parts: list[Line | Table] = [Table([*columns], rows, title)]
    return [*parts, Line(listing.more), Line()] if listing.more else parts
