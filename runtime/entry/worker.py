"""What the state machine asks of the worker function: one action a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from runtime import metrics
from runtime.contract import Action
from runtime.entry.cause import cause_text
from runtime.errors import PreviousVersionPending, UnknownEventError
from runtime.log import log_context, logger
from runtime.model.keys import DetailKey, add_sort_key_version
from runtime.model.status import APPLY_FAILED, FINISHED
from runtime.pipeline.apply import apply
from runtime.pipeline.cursor import CursorStore
from runtime.pipeline.finish import finish, finish_applied
from runtime.pipeline.run_handler import Outcome, run_handler
from runtime.store.dynamodb import ConditionFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.module import CommandModule

__all__ = ["Worker"]

_LONGEST_ERROR: Final = 2000


@dataclass(frozen=True, slots=True)
class _Task:
    """One call: the version it is about, and what the state machine adds to it."""

    module: CommandModule[Any]
    key: DetailKey
    version: int
    input: Mapping[str, Any]
    execution_id: str | None
    is_retry: bool

    @property
    def command_key(self) -> DetailKey:
        return DetailKey(self.key.pk, add_sort_key_version(self.key.sk, self.version))


class Worker:
    """Runs the actions of the state machine.

    Args:
        modules: The app's modules by name.
    """

    def __init__(self, modules: Mapping[str, CommandModule[Any]]) -> None:
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
            UnknownEventError: The action, or the module, is not known here.
        """
        action = self._actions.get(event.get("action", ""))
        reference = event["input"]
        module = self._modules.get(reference.get("module", ""))
        if action is None or module is None:
            msg = f"no action {event.get('action')!r} for the module {reference.get('module')!r} in this app"
            raise UnknownEventError(msg)
        context = event.get("context", {})
        execution = context.get("Execution", {})
        is_retry = int(context.get("State", {}).get("RetryCount") or 0) > 0
        key = DetailKey(reference["pk"], reference["sk"])
        with log_context(
            request_id=reference.get("requestId"),
            execution_id=execution.get("Id"),
            module=module.table_name,
        ):
            version = int(reference["version"])
            return action(_Task(module, key, version, reference, execution.get("Id"), is_retry))


def _apply(task: _Task) -> dict[str, Any]:
    module = task.module
    if not module.disable_default_handler:
        finish_applied(module, apply(module, task.key, task.version))
    return {"handlers": [reference.name for reference in module.handlers]}


def _handle(task: _Task) -> dict[str, Any]:
    reference = task.module.handler(task.input["handler"])
    try:
        outcome = run_handler(task.module, reference, task.key, task.version)
    except PreviousVersionPending:
        raise
    except Exception as error:
        # The error leaves the function without its text: see `runtime.entry.hidden_error`.
        _note(task, reference.name, error)
        raise
    return {"handler": reference.name, "outcome": outcome}


def _note(task: _Task, handler: str, error: Exception) -> None:
    """Keep what a handler says about its failure, for the row that it may be parked with."""
    cursors = CursorStore(task.module.resources.dynamodb, task.module.tables.sync)
    text = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
    try:
        cursors.note_failure(task.key, handler, task.version, text)
    except (BotoCoreError, ClientError) as problem:
        logger.warning("failure not noted", handler=handler, error=type(problem).__name__)


def _park(task: _Task) -> dict[str, Any]:
    handler, error = task.input["handler"], str(task.input.get("error", "unknown"))
    resources = task.module.resources
    cause = cause_text(str(task.input.get("cause", "")))
    cursors = CursorStore(resources.dynamodb, task.module.tables.sync)
    parked = cursors.park(task.key, handler, task.version, error, cause)
    # The attempt before this one may have parked it and died before it could tell.
    if parked or (task.is_retry and cursors.is_parked_at(task.key, handler, task.version)):
        metrics.count(metrics.HANDLERS_PARKED, task.module.table_name)
        resources.notifier.alarm(
            task.module.table_name, *task.command_key, f"{handler} is parked: {error}", task.execution_id
        )
    return {"handler": handler, "outcome": Outcome.PARKED}


def _finish(task: _Task) -> dict[str, Any]:
    parked = tuple(r["handler"] for r in task.input["results"] if r["outcome"] == Outcome.PARKED)
    resources = task.module.resources
    command = resources.dynamodb.get(task.module.tables.command, *task.command_key, consistent=True)
    if command is not None:
        finish(task.module, command, parked=parked)
    return {"parked": list(parked)}


def _fail(task: _Task) -> dict[str, Any]:
    """Every attempt to apply failed: make it visible, on the row and to the operators."""
    resources = task.module.resources
    error = str(task.input.get("error", "unknown"))
    try:
        resources.dynamodb.update(
            task.module.tables.command,
            task.command_key,
            UpdateExpression="SET #status = :status",
            ConditionExpression="attribute_exists(pk) AND NOT #status = :done",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": {"S": APPLY_FAILED}, ":done": {"S": FINISHED}},
        )
    except ConditionFailedError:
        return {"failed": False}
    metrics.count(metrics.COMMANDS_FAILED, task.module.table_name)
    resources.notifier.alarm(
        task.module.table_name, *task.command_key, f"not applied: {error}", task.execution_id
    )
    return {"failed": True}
