"""Saying of a command that it was not applied: on its row, to the operators, and to whoever waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr

from runtime import metrics
from runtime.contract import OPEN_COLUMN
from runtime.model.rows import APPLIED_TTL, LEFT_BEHIND, PUBLISH_ID
from runtime.model.status import APPLY_FAILED, FINISHED, HANDLERS_FAILED, HANDLERS_STARTED
from runtime.pipeline.transactions import is_command, status_set
from runtime.store.port import ConditionFailedError, Set
from runtime.store.values import Place

if TYPE_CHECKING:
    from runtime.module_context import ModuleContext
    from runtime.store.values import Row

__all__ = ["leave_behind", "set_failed"]


def set_failed(context: ModuleContext, place: Place, publish_id: str | None) -> bool:
    """Say of a command that it could not be applied; False where somebody has applied it after all.

    It stays in the index of what is under way, and is tried again from there.

    Args:
        context: Its module.
        place: Where it is.
        publish_id: Its publish id; None for one of the reference system's.
    """
    columns, remove = status_set(context, place.pk, APPLY_FAILED)
    if publish_id is None:  # of the reference system's statuses only one says that it was applied
        condition = Attr("pk").exists() & ~Attr("status").is_in([FINISHED])
    else:
        applied = Attr("status").is_in([FINISHED, HANDLERS_STARTED, HANDLERS_FAILED])
        condition = Attr(PUBLISH_ID).eq(publish_id) & Attr(APPLIED_TTL).not_exists() & ~applied
    try:
        context.store.write(Set(place=place, columns=columns, remove=remove, condition=condition))
    except ConditionFailedError:
        return False
    return True


def leave_behind(context: ModuleContext, command: Row) -> bool:
    """Say of a command that it never will be applied: another life of its aggregate has begun meanwhile.

    Operators and clients are told once. Nobody tries again, not even when the other life is over: what
    was told to have failed must not come true after weeks.

    Args:
        context: Its module.
        command: The command, as it was read.

    Returns:
        Whether it was said now. False where somebody else has, or has applied it after all.
    """
    status = command.get("status")
    columns, _ = status_set(context, command["pk"], APPLY_FAILED)
    as_read = Attr("status").not_exists() if status is None else Attr("status").eq(status)
    write = Set(
        place=Place(context.tables.command, command["pk"], command["sk"]),
        columns=columns | {LEFT_BEHIND: True},
        remove=(OPEN_COLUMN,) if context.tables.has_open_index else (),
        condition=is_command(command)
        & as_read
        & Attr(LEFT_BEHIND).not_exists()
        & Attr(APPLIED_TTL).not_exists(),
    )
    try:
        context.store.write(write)
    except ConditionFailedError:
        return False
    if status != APPLY_FAILED:
        metrics.count(metrics.COMMANDS_FAILED, context.name)
        error = "not applied: another life of the item has begun"
        context.notifier.alarm(context.name, command["pk"], command["sk"], error, None)
    context.notifier.command_status(context.tables.command, command, APPLY_FAILED)
    return True
