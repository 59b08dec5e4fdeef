"""The operations on modules that keep events, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.entry.operator.arguments import OPERATION, PAGING, Arguments
from runtime.entry.operator.events.cursors import behind, parked, show
from runtime.entry.operator.events.handlers import (
    build_handler,
    list_handlers,
    rebuild_handler,
    retire_handler,
    switch_handler,
)
from runtime.entry.operator.events.repairs import drop, redrive, skip
from runtime.entry.operator.events.stored import list_aggregates, list_events, show_event
from runtime.entry.operator.events.verify import verify
from runtime.errors import FieldProblem, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.event_store.event_module import EventModule

__all__ = ["OPERATIONS", "run_on_events"]


@dataclass(frozen=True, slots=True)
class EventOperation:
    """What operators may ask of a module that keeps events.

    Attributes:
        run: Does it.
        arguments: Names of its arguments, beside that of the module.
    """

    run: Callable[[EventModule, Arguments], dict[str, Any]]
    arguments: tuple[str, ...] = ()


_REPAIR: Final = ("pk", "handler", "dryRun")

OPERATIONS: Final[Mapping[str, EventOperation]] = {
    "parked": EventOperation(parked, PAGING),
    "behind": EventOperation(behind, PAGING),
    "show": EventOperation(show, ("pk", "raw")),
    "redrive": EventOperation(redrive, _REPAIR),
    "skip": EventOperation(skip, _REPAIR),
    "drop": EventOperation(drop, _REPAIR),
    "listAggregates": EventOperation(list_aggregates, ("stream", "tenant", *PAGING)),
    "listEvents": EventOperation(list_events, ("pk", "after", "limit")),
    "showEvent": EventOperation(show_event, ("pk", "version")),
    "verifyEvents": EventOperation(verify, ("pk", "stream", *PAGING)),
    "listHandlers": EventOperation(list_handlers),
    "buildHandler": EventOperation(build_handler, ("handler",)),
    "rebuildHandler": EventOperation(rebuild_handler, ("handler", "segment", "totalSegments", "resumeToken")),
    "switchHandler": EventOperation(switch_handler, ("handler", "incomplete")),
    "retireHandler": EventOperation(retire_handler, ("handler", "generation")),
}


def run_on_events(module: EventModule, event: Mapping[str, Any]) -> dict[str, Any]:
    """Run the operation that a request names on a module that keeps events.

    Raises:
        InvalidInputError: There is no such operation on it, or an argument is wrong.
    """
    name = event[OPERATION]
    operation = OPERATIONS.get(name)
    if operation is None:
        known = ", ".join(sorted(OPERATIONS))
        message = f"must be one of {known} for {module.name}, which keeps events, got {name[:50]!r}"
        raise InvalidInputError([FieldProblem(OPERATION, message)])
    return operation.run(module, Arguments(event, ("module", *operation.arguments)))
