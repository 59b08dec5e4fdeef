"""The operations of the operator function, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.contract import HEAL_OPERATION
from runtime.entry.operator.aggregate import show
from runtime.entry.operator.arguments import OPERATION, PAGING, Arguments
from runtime.entry.operator.cursors import behind, parked
from runtime.entry.operator.dead_letters import replay_notifications
from runtime.entry.operator.failed_records import replay_records
from runtime.entry.operator.health import health
from runtime.entry.operator.module_list import list_modules
from runtime.entry.operator.repairs import drop, heal, reconcile, redrive, resync, skip
from runtime.errors import CqrsError, FieldProblem, InvalidInputError
from runtime.features.operation import Operation
from runtime.log import log_context, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from runtime.entry.operator.scope import Scope
    from runtime.features.feature import Feature

__all__ = ["Operator"]


@dataclass(frozen=True, slots=True)
class _Operation:
    run: Callable[[Scope, Arguments], dict[str, Any]]
    arguments: tuple[str, ...] = ()


_OPERATIONS: Final[Mapping[str, _Operation]] = {
    "modules": _Operation(list_modules),
    "health": _Operation(health),
    "parked": _Operation(parked, ("module", *PAGING)),
    "behind": _Operation(behind, ("module", *PAGING)),
    "show": _Operation(show, ("module", "pk", "sk", "raw")),
    "redrive": _Operation(redrive, ("module", "pk", "sk", "handler", "dryRun")),
    "skip": _Operation(skip, ("module", "pk", "sk", "handler", "dryRun")),
    "drop": _Operation(drop, ("module", "pk", "sk", "handler", "dryRun")),
    HEAL_OPERATION: _Operation(heal, ("olderThan",)),
    "reconcile": _Operation(reconcile, ("module", "olderThan", "trustFinished", "dryRun", *PAGING)),
    "resync": _Operation(resync, ("module", "handlers", "unseenOnly", "dryRun", *PAGING)),
    "replayRecords": _Operation(replay_records, ("dryRun", "limit", "resumeToken")),
    "replayNotifications": _Operation(replay_notifications, ("dryRun", "limit")),
}


class Operator:
    """Does what operators ask for.

    There is no user behind an operation, and so no tenant: whoever may invoke the function
    may look at, and repair, the aggregates of all of them.

    Args:
        scope: The app's modules and resources.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def run(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Run the operation that a request names.

        Returns:
            Its answer, or ``{"error": {"type", "message"}}`` where the library refused it.

        Raises:
            Exception: Whatever else went wrong.
        """
        name = event[OPERATION]
        # The names alone: keys may be personal data.
        feature = self._scope.feature_with(name)
        module = feature.name if feature else self._scope.name_of(event.get("module"))
        with log_context(module=module):
            logger.info("operation", operation=name if name in _names(self._scope) else "unknown")
            try:
                return _of_feature(feature, event) if feature else self._run(name, module, event)
            except CqrsError as error:
                return {"error": {"type": type(error).__name__, "message": str(error)}}

    def _run(self, name: str, module: str | None, event: Mapping[str, Any]) -> dict[str, Any]:
        scope = self._scope
        if module is not None and module in scope.event_modules:
            from runtime.entry.operator.events.operations import run_on_events  # noqa: PLC0415 - few apps

            return run_on_events(scope.event_modules[module], event)
        if name not in _OPERATIONS:
            message = f"must be one of {', '.join(sorted(_names(scope)))}, got {name[:50]!r}"
            if name in _names(scope):
                message = f"{name} is for modules that keep events: {', '.join(sorted(scope.event_modules))}"
            raise InvalidInputError([FieldProblem(OPERATION, message)])
        return _OPERATIONS[name].run(scope, Arguments(event, _OPERATIONS[name].arguments))


def _of_feature(feature: Feature, event: Mapping[str, Any]) -> dict[str, Any]:
    operation = Operation.of(feature.operations[event[OPERATION]])
    return operation.run(feature, Arguments(event, operation.arguments))


def _names(scope: Scope) -> Collection[str]:
    """Names of the operations, those on events included where the app keeps some, and those of features."""
    names = {*_OPERATIONS, *(name for feature in scope.features.values() for name in feature.operations)}
    if not scope.event_modules:
        return names
    from runtime.entry.operator.events.operations import OPERATIONS  # noqa: PLC0415 - few apps

    return {*names, *OPERATIONS}
