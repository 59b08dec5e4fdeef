"""The end of a command: its handlers, its final status, one notification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.log import logger
from runtime.model.keys import DetailKey, get_sort_key_version, remove_sort_key_version
from runtime.model.status import FINISHED, HANDLERS_FAILED
from runtime.pipeline.cursor import Cursor, CursorStore
from runtime.pipeline.run_handler import Outcome, run_handler
from runtime.pipeline.transactions import final_columns
from runtime.store.dynamodb import ConditionFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.module import CommandModule
    from runtime.pipeline.apply import Applied
    from runtime.store.codec import Item

__all__ = ["Handled", "behind", "finish", "finish_applied", "run_handlers", "set_final"]


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a command's handlers.

    Attributes:
        pending: Names of those that failed, or wait for an earlier version.
        parked: Names of those that are parked.
    """

    pending: tuple[str, ...]
    parked: tuple[str, ...]


def run_handlers(module: CommandModule[Any], key: DetailKey, version: int, command: Item) -> Handled:
    """Run every handler of the module once, in this process; an exception means pending."""
    pending: list[str] = []
    parked: list[str] = []
    for reference in module.handlers:
        try:
            outcome = run_handler(module, reference, key, version, command)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything; the workflow takes over
            logger.warning("handler pending", handler=reference.name, error=type(error).__name__)
            pending.append(reference.name)
        else:
            if outcome is Outcome.PARKED:
                parked.append(reference.name)
    return Handled(tuple(pending), tuple(parked))


def finish(module: CommandModule[Any], command: Item, *, parked: tuple[str, ...] = ()) -> None:
    """Write the final status of a command whose handlers had their turn, and notify once.

    Without handlers the status is final already, written by the transaction that applied.
    A handler that was parked may have been repaired meanwhile: its cursor decides.
    """
    if parked:
        parked = behind(module, command, parked)
    status = HANDLERS_FAILED if parked else FINISHED
    if not module.handlers or set_final(module, command, status):
        module.resources.notifier.command_status(module.tables.command, command, status)


def finish_applied(module: CommandModule[Any], applied: Applied) -> None:
    """Finish what a call of `apply` has applied, where the module has no handlers to wait for.

    Whoever applies a command tells of it: its own doorbell finds it applied, and says nothing.
    """
    if not module.handlers:
        for command in applied.commands:
            finish(module, command)


def behind(module: CommandModule[Any], command: Item, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the handlers ``names`` that are yet to see a command: one consistent read."""
    key = DetailKey(command["pk"]["S"], remove_sort_key_version(command["sk"]["S"]))
    version = get_sort_key_version(command["sk"]["S"])
    store = CursorStore(module.resources.dynamodb, module.tables.sync)
    reads = {name: store.read(key, name) for name in names}
    rows = module.resources.dynamodb.batch_get(reads.values())
    return tuple(name for name, read in reads.items() if (Cursor.of(rows.get(read)).version or 0) < version)


def set_final(module: CommandModule[Any], command: Item, status: str) -> bool:
    """Write a final status; False when the command has it already: a repeated delivery."""
    columns = final_columns(module, command["pk"]["S"], status)
    try:
        module.resources.dynamodb.update(
            module.tables.command,
            DetailKey(command["pk"]["S"], command["sk"]["S"]),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in columns),
            ConditionExpression="attribute_exists(pk) AND NOT #status IN (:status, :finished)",
            ExpressionAttributeNames={f"#{name}": name for name in columns},
            ExpressionAttributeValues={
                ":finished": {"S": FINISHED},
                **{f":{name}": value for name, value in columns.items()},
            },
        )
    except ConditionFailedError:
        return False
    return True
