"""What the state machine asks of the worker function: one action a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime import metrics
from runtime.contract import UNAVAILABLE_ERRORS, Action
from runtime.entry.cause import cause_text
from runtime.errors import (
    CqrsError,
    PreviousVersionPending,
    ReadModelUnavailableError,
    UnknownTriggerError,
)
from runtime.log import log_context, logger
from runtime.model.keys import DetailKey, add_sort_key_version
from runtime.model.rows import (
    PUBLISH_ID,
    is_of_life,
    is_same_life,
    life_of,
    version_of,
    was_applied,
)
from runtime.pipeline.apply import apply
from runtime.pipeline.cursors import CursorRow
from runtime.pipeline.drain import Outcome, drain, is_late, read_commands
from runtime.pipeline.failing import set_failed
from runtime.pipeline.finish import finish, finish_all, finish_applied, finish_failed
from runtime.pipeline.transactions import is_command
from runtime.store.port import Check
from runtime.unavailable import is_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.module_context import HasContext, ModuleContext
    from runtime.pipeline.cursors import Cursor
    from runtime.store.values import Place, Row

__all__ = ["Worker"]

_MAX_ROUNDS: Final = 20
_PENDING: Final = PreviousVersionPending.__name__


@dataclass(frozen=True, slots=True)
class _Task:
    """One call: the command it is about, and what the state machine adds to it.

    Attributes:
        context: Module of the command.
        key: Key of the aggregate.
        version: Version of the command.
        publish_id: Publish id of the command; None for one of the reference system's.
        input: The task's input.
        execution_id: ARN of the execution.
        is_retry: Whether the task was tried before.
    """

    context: ModuleContext
    key: DetailKey
    version: int
    publish_id: str | None
    input: Mapping[str, Any]
    execution_id: str | None
    is_retry: bool

    @property
    def command_place(self) -> Place:
        return self.context.command_place(self.key, self.version)

    @property
    def owner(self) -> str:
        """Who takes a handler's turn: the execution, so that its retries are known as the same."""
        return self.execution_id or "unknown execution"

    def is_about(self, command: Row | None) -> bool:
        """Whether the command in the table is the one that the execution was started for."""
        return command is not None and self.publish_id in {None, command.get(PUBLISH_ID)}

    def read_command(self) -> Row | None:
        """The command, unless it is gone, or another life's."""
        command = self.context.store.get(self.command_place)
        return command if self.is_about(command) else None


class Worker:
    """Runs the actions of the state machine.

    Args:
        modules: The app's modules by name.
    """

    def __init__(self, modules: Mapping[str, HasContext]) -> None:
        self._modules = modules
        self._actions: dict[str, Callable[[_Task], dict[str, Any]]] = {
            Action.APPLY: _apply,
            Action.HANDLE: _handle,
            Action.PARK: _park,
            Action.FINISH: _finish,
            Action.FAIL: _fail,
        }

    def run(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Run the action of one task event and return its output.

        Raises:
            UnknownTriggerError: The action, or the module, is not known here.
        """
        action = self._actions.get(event.get("action", ""))
        reference = event["input"]
        module = self._modules.get(reference.get("module", ""))
        if action is None or module is None:
            msg = f"no action {event.get('action')!r} for the module {reference.get('module')!r} in this app"
            raise UnknownTriggerError(msg)
        context = event.get("context", {})
        execution = context.get("Execution", {})
        with log_context(
            request_id=reference.get("requestId"),
            execution_id=execution.get("Id"),
            module=module.context.name,
        ):
            return action(
                _Task(
                    context=module.context,
                    key=DetailKey(reference["pk"], reference["sk"]),
                    version=int(reference["version"]),
                    publish_id=reference.get("publishId"),
                    input=reference,
                    execution_id=execution.get("Id"),
                    is_retry=int(context.get("State", {}).get("RetryCount") or 0) > 0,
                )
            )


def _apply(task: _Task) -> dict[str, Any]:
    """Apply the command; the handlers that are to have a turn now."""
    context = task.context
    applied: tuple[Row, ...] = ()
    command: Row | None = None
    if context.keeps_data:
        # What the batch began with; without it, the execution is for this version alone.
        first = int(task.input.get("first", task.version))
        done = apply(context, task.key, task.version, first=first)
        finish_applied(context, done)
        applied, command = done.commands, done.command
    if applied or (not context.keeps_data and not task.is_retry):
        return {"handlers": list(context.handler_names)}
    return {"handlers": _late_handlers(task, command)}


def _late_handlers(task: _Task, command: Row | None) -> list[str]:
    """The handlers that are to have a turn for a version that somebody else has applied.

    In a burst, nearly always somebody else has the turn, and is left to go on to this version:
    then this execution has nothing more to do.
    """
    context = task.context
    names = context.handler_names
    places = {name: context.cursor_place(task.key, name) for name in names}
    # A batch is no snapshot: the command may have been read before it was applied, and the data row after.
    unread = [] if command is not None and was_applied(command) else [task.command_place]
    wanted = [*unread, *places.values()]
    rows = context.store.batch_get(wanted) if wanted else {}
    command = rows.get(task.command_place) if unread else command
    if command is None or not task.is_about(command):
        return []
    life = life_of(command)
    cursors = {name: CursorRow(context.store, place, life, rows.get(place)) for name, place in places.items()}
    waiting = [name for name, row in cursors.items() if not _is_seen_to(row, task.version)]
    if not waiting:
        # Where all have seen it, or are parked before it, nobody else may be left to say so.
        finish(context, command, [row.cursor for row in cursors.values()])
    return waiting


def _is_seen_to(row: CursorRow, version: int) -> bool:
    """Whether a handler has seen a version, is parked, or somebody else will show it the version."""
    cursor = row.cursor
    if cursor.parked_version is not None or (cursor.has_seen(version) and not cursor.is_abandoned()):
        return True
    return cursor.is_claimed() and row.leave(version)


def _handle(task: _Task) -> dict[str, Any]:
    context, name = task.context, task.input["handler"]
    if name not in context.handler_names:
        # Two releases side by side: the other one knows the handler. One that is gone is not parked.
        msg = f"this release of {context.name} has no data sync handler {name!r}"
        raise PreviousVersionPending(msg)
    shown: list[Row] = []
    try:
        outcome = drain(
            context,
            context.handler(name),
            task.key,
            task.version,
            owner=task.owner,
            publish_id=task.publish_id,
            hold=True,
            shown=shown,
        )
    except Exception as error:
        if type(error).__name__ in UNAVAILABLE_ERRORS or not is_unavailable(error):
            raise
        # By this name the state machine knows that the command is not to blame.
        msg = f"{name} cannot reach its store ({type(error).__name__})"
        raise ReadModelUnavailableError(msg) from error
    finally:
        # The other versions have executions that are over, or none.
        own = add_sort_key_version(task.key.sk, task.version)
        finish_all(context, [command for command in shown if command["sk"] != own])
    return {"handler": name, "outcome": outcome}


def _park(task: _Task) -> dict[str, Any]:
    context, name = task.context, task.input["handler"]
    error = str(task.input.get("error", "unknown"))
    if name not in context.handler_names:
        logger.warning("handler is gone", handler=name)
        return {"handler": name, "outcome": Outcome.DONE}
    cause = cause_text(str(task.input.get("cause", "")))
    for _ in range(_MAX_ROUNDS):
        place, data = context.cursor_place(task.key, name), context.data_place(task.key)
        state = [data] if context.keeps_data else []
        rows = context.store.batch_get([place, task.command_place, *state])
        found = rows.get(task.command_place)
        command = found if task.is_about(found) else None
        row = CursorRow(context.store, place, life_of(command), rows.get(place))
        cursor = row.cursor
        if command is None or _is_over(task, command, rows.get(data), row):
            return {"handler": name, "outcome": Outcome.DONE}
        if cursor.parked_version is not None:
            # The attempt before this one may have parked it and died before it could tell.
            if task.is_retry and cursor.parked_version == _version_to_park(task, cursor):
                _tell_parked(task, name, error, cursor)
            return {"handler": name, "outcome": Outcome.PARKED}
        if error == _PENDING and cursor.failed_version is None:
            # Slow, not broken: whoever looks for unfinished commands gives it the next turn.
            return {"handler": name, "outcome": Outcome.LEFT}
        if cursor.is_claimed() and not (cursor.claim or "").startswith(f"{task.owner}/"):
            if row.leave(task.version):
                return {"handler": name, "outcome": Outcome.LEFT}
            continue
        version = _version_to_park(task, cursor)
        witness = Check(place=task.command_place, condition=is_command(command), label="witness")
        if row.park(version, _error_text(cursor, error, cause), witness):
            _tell_parked(task, name, error, cursor)
            return {"handler": name, "outcome": Outcome.PARKED}
    msg = f"others were faster at the cursor of {name}"
    raise PreviousVersionPending(msg)


def _is_over(task: _Task, command: Row, data: Row | None, row: CursorRow) -> bool:
    """Whether nothing is left to park: the handler has seen it meanwhile, or its life is over."""
    has_seen = row.cursor.has_seen(_version_to_park(task, row.cursor))
    return has_seen or is_late(task.context, task.key, command, data, row)


def _version_to_park(task: _Task, cursor: Cursor) -> int:
    """The version that failed; the doorbell's own where the handler has left no word of it."""
    failed = cursor.failed_version or cursor.parked_version
    return task.version if failed is None or cursor.has_seen(failed) else failed


def _error_text(cursor: Cursor, kind: str, cause: str) -> str:
    """What the handler itself said, where that was its last word; else what Step Functions says."""
    said = cursor.failed_error
    is_its_own = kind in {_PENDING, *UNAVAILABLE_ERRORS}
    return said if said and (is_its_own or said.startswith(f"{kind}:")) else f"{kind}: {cause}"


def _tell_parked(task: _Task, name: str, error: str, cursor: Cursor) -> None:
    """Tell the operators; and give the commands that wait behind the parked one their final status."""
    context = task.context
    metrics.count(metrics.HANDLERS_PARKED, context.name)
    version = _version_to_park(task, cursor)
    sk = add_sort_key_version(task.key.sk, version)
    context.notifier.alarm(context.name, task.key.pk, sk, f"{name} is parked: {error}", task.execution_id)
    last = max(task.version - 1, cursor.wanted or 0, version - 1)
    finish_failed(context, task.key, version, last)


def _finish(task: _Task) -> dict[str, Any]:
    parked = [r["handler"] for r in task.input["results"] if r["outcome"] == Outcome.PARKED]
    command = task.read_command()
    if command is not None:
        finish(task.context, command)
    return {"parked": parked}


def _fail(task: _Task) -> dict[str, Any]:
    """Every attempt to apply failed: make it visible, on the row and to the operators."""
    context = task.context
    error = str(task.input.get("error", "unknown"))
    if not set_failed(context, task.command_place, task.publish_id):
        return {"failed": False}
    metrics.count(metrics.COMMANDS_FAILED, context.name)
    sk = add_sort_key_version(task.key.sk, task.version)
    context.notifier.alarm(context.name, task.key.pk, sk, f"not applied: {error}", task.execution_id)
    try:
        _fail_those_before(task)
    except CqrsError as problem:
        # What is written and told is the better part; these are in the index of what is under way.
        logger.warning("versions before it not marked", error=type(problem).__name__)
    return {"failed": True}


def _fail_those_before(task: _Task) -> None:
    """The records before it in its batch started no execution: the versions were to be applied with it."""
    context, command = task.context, task.read_command()
    if command is None or not context.keeps_data:
        return
    data = context.store.get(context.data_place(task.key))
    first = version_of(data) + 1 if data is not None and is_of_life(command, data) else 1
    for version, found in read_commands(context, task.key, first, task.version - 1):
        if found is not None and found.get("status") is None and is_same_life(found, command):
            set_failed(context, context.command_place(task.key, version), found.get(PUBLISH_ID))
