"""What a command works with, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from constructs_lib.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from constructs_lib.cli.operator import Operator
    from constructs_lib.cli.screen import Line, Table

__all__ = ["Context", "Listing", "Result"]

_ROWS_FOR_PEOPLE = 20
_ROWS_FOR_SCRIPTS = 1000


@dataclass(frozen=True, slots=True)
class Context:
    """What a command works with.

    Attributes:
        options: The command line.
        words: The command line as it was typed, to say how to go on.
        operator: The service's operator function.
    """

    options: Namespace
    words: Sequence[str]
    operator: Operator

    def listing(self) -> Listing:
        """Make an empty listing that keeps as many entries as ``--list`` says."""
        default = _ROWS_FOR_SCRIPTS if self.options.json else _ROWS_FOR_PEOPLE
        return Listing(default if self.options.list is None else self.options.list)


@dataclass(slots=True)
class Listing:
    """Counts all entries and keeps the first ones: there may be millions.

    Attributes:
        most: How many are kept.
        entries: The entries that are kept.
        total: How many were added.
    """

    most: int
    entries: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0

    def add(self, entries: Sequence[dict[str, Any]]) -> None:
        """Add entries."""
        self.total += len(entries)
        self.entries += entries[: self.most - len(self.entries)]

    @property
    def more(self) -> str:
        """Say how many entries are not shown; empty where all are."""
        left = self.total - len(self.entries)
        return f"… and {left} more; --list {self.total} shows them all" if left else ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command gives back.

    Attributes:
        document: What scripts get with ``--json``.
        parts: What people see.
        code: The exit code.
        hints: What else to tell, on standard error.
    """

    document: dict[str, Any]
    parts: Sequence[Line | Table]
    code: ExitCode = ExitCode.FINE
    hints: Sequence[str] = ()
