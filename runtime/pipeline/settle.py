"""Settling commands: those that every handler has seen by another way than their execution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime.model.keys import add_sort_key_version
from runtime.model.status import FINISHED, HANDLERS_FAILED
from runtime.pipeline.finish import behind, set_final
from runtime.store.dynamodb import Read

if TYPE_CHECKING:
    from runtime.model.keys import DetailKey
    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["settle", "settle_versions"]

_WINDOW: Final = 25


def settle(module: CommandModule[Any], command: Item) -> bool:
    """Give a command the final status that its handlers' cursors say it has, and notify once.

    Returns:
        Whether it got one; False where it had it already.
    """
    late = behind(module, command, [reference.name for reference in module.handlers])
    status = HANDLERS_FAILED if late else FINISHED
    if not set_final(module, command, status):
        return False
    module.resources.notifier.command_status(module.tables.command, command, status)
    return True


def settle_versions(module: CommandModule[Any], key: DetailKey, first: int, last: int) -> None:
    """Settle the commands ``first`` to ``last`` of an aggregate that say that a handler failed."""
    for start in range(first, last + 1, _WINDOW):
        versions = range(start, min(start + _WINDOW, last + 1))
        reads = [Read(module.tables.command, key.pk, add_sort_key_version(key.sk, v)) for v in versions]
        rows = module.resources.dynamodb.batch_get(reads)
        for read in reads:
            command = rows.get(read)
            if command is not None and command.get("status", {}).get("S") == HANDLERS_FAILED:
                settle(module, command)
