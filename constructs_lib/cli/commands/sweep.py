"""`cqrs reconcile` and `cqrs resync`: over whole tables, resumable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from constructs_lib.cli.errors import RefusedError
from constructs_lib.cli.modules import COMMANDS, chosen_modules
from constructs_lib.cli.sweeping import listed, sweep
from constructs_lib.cli.walk import MANY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from constructs_lib.cli.context import Context, Listing, Result
    from constructs_lib.cli.modules import Module
    from constructs_lib.cli.screen import Line, Table

__all__ = ["reconcile", "resync"]

_VERSION = ("pk", "sk", "version")
_COUNTS = ("applied", "handled", "finished", "handedOver")


def reconcile(context: Context) -> Result:
    """Find commands that were not processed to their end, and process them."""
    options = context.options
    # Only where asked for: a function of an earlier release knows nothing of it.
    trusting = {"trustFinished": True} if options.trust_finished else {}
    arguments = {"olderThan": options.older_than, **trusting}
    modules = chosen_modules(context, kind=COMMANDS)
    size = MANY if trusting else None
    return sweep(context, "reconcile", modules, arguments, _ReconcileTally, size=size)


def resync(context: Context) -> Result:
    """Give the state of every aggregate to data sync handlers once more."""
    wanted = context.options.handler
    modules = [module for module in chosen_modules(context, kind=COMMANDS) if _has(module, wanted)]
    if not modules:
        named = f"the handler {' and '.join(wanted)}" if wanted else "a data sync handler"
        message = f"--handler: no module that was chosen has {named}"
        raise RefusedError(message)
    unseen = {"unseenOnly": True} if context.options.unseen_only else {}
    return sweep(context, "resync", modules, {"handlers": wanted, **unseen}, _ResyncTally)


def _has(module: Module, wanted: Sequence[str] | None) -> bool:
    return set(wanted) <= set(module.handlers) if wanted else bool(module.handlers)


class _ReconcileTally:
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
            *listed(self.found, f"Found in {self.module}", (*_VERSION, "problem", "status", "createdAt")),
            *listed(self.failed, f"Failed in {self.module}", (*_VERSION, "error")),
        ]


class _ResyncTally:
    """Pages of `resync` of one module."""

    columns: ClassVar[tuple[str, ...]] = ("module", "rows", "given to handlers", "failed")

    def __init__(self, module: str, listing: Callable[[], Listing]) -> None:
        self.module = module
        self.scanned = 0
        self.rows = 0
        self.failed = listing()

    @property
    def failures(self) -> int:
        """How many times a handler did not take a row."""
        return self.failed.total

    def add(self, page: dict[str, Any]) -> None:
        """Add a page."""
        self.scanned += page["scanned"]
        self.rows += page["rows"]
        self.failed.add(page.get("failed", []))

    def note(self) -> str:
        """What was done so far, in words."""
        return f"{self.module}: {self.rows} given, {self.failed.total} failed"

    def document(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "module": self.module,
            "scanned": self.scanned,
            "rows": self.rows,
            "failed": self.failed.entries,
            "failedTotal": self.failed.total,
        }

    def cells(self) -> list[object]:
        """A row for people, as in `columns`."""
        return [self.module, self.scanned, self.rows, self.failed.total]

    def lists(self) -> list[Line | Table]:
        """What handlers did not take."""
        return listed(self.failed, f"Failed in {self.module}", ("pk", "sk", "handler", "error"))
