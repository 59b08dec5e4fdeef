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

#: A page is tried again a little later each time, at last after up to five seconds: some minutes, longer than
#: it takes until an event that fails is parked.
_MOST_IN_VAIN = 60
_COLUMNS = (
    *("module", "handler", "live", "building", "retiring", "since"),
    *("scan", "aggregates", "events", "unreadable"),
)


def list_handlers(context: Context) -> Result:
    """List handlers, which of their generations are fed, and how far the scan of one is."""
    found = [
        {"module": module.name, **entry}
        for module in chosen_modules(context, kind=EVENTS)
        for entry in context.operator.ask("listHandlers", module=module.name)["handlers"]
    ]
    if not found:
        return Result({"handlers": []}, [Line("No module has event handlers.")])
    parts: list[Line | Table] = [Table(_COLUMNS, [_row(entry) for entry in found])]
    for entry in found:
        parts += _unread(entry["handler"], entry["scan"])
    return Result({"handlers": found}, parts)


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
    # How many aggregates there are nobody knows, only how many commits.
    return sweep(context, "rebuildHandler", [module], arguments, _RebuildTally, rows=0, has_dry_run=False)


def switch_handler(context: Context) -> Result:
    """Make the generation that was built the live one."""
    incomplete = context.options.incomplete or None
    module, entry = _changed(context, "switchHandler", incomplete=incomplete)
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
    scan = entry["scan"] or dict.fromkeys(("done", "total", "aggregates", "events", "unreadable"))
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
        scan["unreadable"],
    ]


def _unread(handler: str, scan: dict[str, Any] | None) -> list[Line | Table]:
    """The aggregates that a scan could not read to their ends, if there are any."""
    if scan is None or not scan["unreadable"]:
        return []
    named = scan["unreadableNamed"]
    more = ", and more" if scan["unreadable"] > len(named) else ""
    return [
        Line(),
        Line(f"What {handler} was not shown, as it makes no sense: {', '.join(named)}{more}", "bold yellow"),
        Line("cqrs events verify says what is wrong; restore it, then redrive."),
    ]


class _RebuildTally:
    """Pages of `cqrs handlers rebuild`."""

    columns: ClassVar[tuple[str, ...]] = ("module", "aggregates", "events shown", "parked", "unreadable")

    def __init__(self, module: str, listing: Callable[[], Listing]) -> None:
        # What failed is tried again, until it is parked: `cqrs status` lists that.
        self.module = module
        self.counts = {"aggregates": 0, "events": 0, "parked": 0}
        self.unreadable = listing()
        self._in_vain = 0

    @property
    def failures(self) -> int:
        """How many aggregates the handler has given up, or what it was not shown, whichever is more."""
        return max(self.counts["parked"], self.unreadable.total)

    def add(self, page: dict[str, Any]) -> None:
        """Add a page.

        Raises:
            RefusedError: Page after page fails as a whole: something else is wrong than an event.
        """
        for name in self.counts:
            self.counts[name] += page[name]
        self.unreadable.add([{"pk": pk} for pk in page["unreadable"]])
        is_in_vain = page["failed"] and not page["events"] and not page["parked"]
        self._in_vain = self._in_vain + 1 if is_in_vain else 0
        if self._in_vain >= _MOST_IN_VAIN:
            message = (
                f"{page['handler']} fails at each of {page['failed']} aggregates of a page, again and again; "
                "see the operator function's log, and whether the read model can be reached"
            )
            raise RefusedError(message, "HandlerFailsError")

    def note(self) -> str:
        """What was done so far, in words."""
        retried = ", tries a page again" if self._in_vain else ""
        return f"{self.counts['events']} events shown, {self.counts['parked']} parked{retried}"

    def document(self) -> dict[str, Any]:
        """For scripts."""
        unreadable = [entry["pk"] for entry in self.unreadable.entries]
        return {
            "module": self.module,
            **self.counts,
            "unreadable": unreadable,
            "unreadableTotal": self.unreadable.total,
        }

    def cells(self) -> list[object]:
        """A row for people, as in `columns`."""
        return [self.module, *self.counts.values(), self.unreadable.total]

    def lists(self) -> list[Line | Table]:
        """The aggregates of which something makes no sense, so that it was not shown."""
        return listed(self.unreadable, f"Makes no sense in {self.module}, see cqrs events verify", ("pk",))
