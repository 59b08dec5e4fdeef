"""`cqrs handlers`: the generations of event handlers, and building read models anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from constructs_lib.cli.context import Result
from constructs_lib.cli.errors import RefusedError, UsageError
from constructs_lib.cli.modules import EVENTS, chosen_modules
from constructs_lib.cli.screen import Line, Table
from constructs_lib.cli.sweeping import listed, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from constructs_lib.cli.context import Context, Listing
    from constructs_lib.cli.modules import Module

__all__ = ["build_handler", "list_handlers", "rebuild_handler", "retire_handler", "switch_handler"]

_COLUMNS = ("module", "handler", "live", "building", "retiring", "since", "scan", "aggregates", "events")


def list_handlers(context: Context) -> Result:
    """List handlers, which of their generations are fed, and how far the scan of one is."""
    found = [
        {"module": module.name, **entry}
        for module in chosen_modules(context, kind=EVENTS)
        for entry in context.operator.ask("listHandlers", module=module.name)["handlers"]
    ]
    if not found:
        return Result({"handlers": []}, [Line("No module has event handlers.")])
    return Result({"handlers": found}, [Table(_COLUMNS, [_row(entry) for entry in found])])


def build_handler(context: Context) -> Result:
    """Begin a new generation beside the live one."""
    # A second try, after the answer to a first one was lost, is refused: one is being built already.
    module, entry = _changed(context, "buildHandler")
    hint = f"in a minute, when all functions feed it: cqrs handlers rebuild {context.options.handler}"
    return _of_one(module, entry, [hint])


def rebuild_handler(context: Context) -> Result:
    """Show all events to the generation that is being built, or else to the live one."""
    module = _module_of(context)
    arguments = {"handler": context.options.handler}
    return sweep(context, "rebuildHandler", [module], arguments, _RebuildTally, has_dry_run=False)


def switch_handler(context: Context) -> Result:
    """Make the generation that was built the live one."""
    module, entry = _changed(context, "switchHandler")
    name = context.options.handler
    hint = f"when no query looks at generation {entry['retiring']} any more: cqrs handlers retire {name}"
    return _of_one(module, entry, [hint])


def retire_handler(context: Context) -> Result:
    """Stop feeding a generation."""
    return _of_one(*_changed(context, "retireHandler", generation=context.options.generation))


def _changed(context: Context, operation: str, **arguments: object) -> tuple[Module, dict[str, Any]]:
    module = _module_of(context)
    name = context.options.handler
    return module, context.operator.ask_once(operation, module=module.name, handler=name, **arguments)


def _of_one(module: Module, entry: dict[str, Any], hints: Sequence[str] = ()) -> Result:
    entry = {"module": module.name, **entry}
    return Result(entry, [Table(_COLUMNS, [_row(entry)])], hints=hints)


def _module_of(context: Context) -> Module:
    """The module that has the handler."""
    name = context.options.handler
    found = [module for module in chosen_modules(context, kind=EVENTS) if name in module.handlers]
    if not found:
        message = f"HANDLER: no module that was chosen has the event handler {name!r}; see cqrs handlers list"
        raise RefusedError(message)
    if len(found) > 1:
        message = f"--module: several have the handler {name!r}: {', '.join(one.name for one in found)}"
        raise UsageError(message)
    return found[0]


def _row(entry: dict[str, Any]) -> list[object]:
    scan = entry["scan"] or {"done": None, "total": None, "aggregates": None, "events": None}
    return [
        entry["module"],
        entry["handler"],
        entry["live"],
        entry["building"],
        entry["retiring"],
        entry["builtAt"] or entry["startedAt"],
        f"{scan['done']} of {scan['total']} segments" if entry["scan"] else None,
        scan["aggregates"],
        scan["events"],
    ]


class _RebuildTally:
    """Pages of `cqrs handlers rebuild`."""

    columns: ClassVar[tuple[str, ...]] = ("module", "commits", "aggregates", "events", "failed")

    def __init__(self, module: str, listing: Callable[[], Listing]) -> None:
        self.module = module
        self.counts = {"scanned": 0, "aggregates": 0, "events": 0}
        self.failed = listing()

    @property
    def failures(self) -> int:
        """How many aggregates the handler did not take."""
        return self.failed.total

    def add(self, page: dict[str, Any]) -> None:
        """Add a page."""
        for name in self.counts:
            self.counts[name] += page[name]
        self.failed.add(page["failed"])

    def note(self) -> str:
        """What was done so far, in words."""
        return f"{self.counts['events']} events shown, {self.failed.total} aggregates failed"

    def document(self) -> dict[str, Any]:
        """For scripts."""
        failed = {"failed": self.failed.entries, "failedTotal": self.failed.total}
        return {"module": self.module, **self.counts, **failed}

    def cells(self) -> list[object]:
        """A row for people, as in `columns`."""
        return [self.module, *self.counts.values(), self.failed.total]

    def lists(self) -> list[Line | Table]:
        """What the handler did not take."""
        return listed(self.failed, f"Failed in {self.module}", ("pk", "version", "error"))
