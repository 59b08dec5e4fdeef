"""The writes that move one aggregate forward by one version, all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.conditions import Attr

from runtime.contract import OPEN_COLUMN
from runtime.model.keys import get_tenant_code
from runtime.model.rows import (
    APPLIED_TTL,
    LEFT_BEHIND,
    LIFE,
    PUBLISH_ID,
    data_row,
    history_row,
    life_of,
    version_of,
    was_applied,
)
from runtime.model.status import FINISHED, HANDLERS_FAILED, HANDLERS_STARTED, is_of_pipeline
from runtime.store.port import Check, Put, Set
from runtime.store.values import Place

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

    from runtime.module_context import ModuleContext
    from runtime.store.port import Write
    from runtime.store.values import Row

__all__ = [
    "COMMAND",
    "DATA",
    "advance_writes",
    "applied_ttl",
    "insert_command",
    "is_command",
    "status_set",
    "status_write",
]

DATA: Final = "data row"
COMMAND: Final = "command"
"""Labels of the writes that may fail."""

_SETTLED: Final = (FINISHED, HANDLERS_FAILED)


def advance_writes(context: ModuleContext, existing: Row | None, command: Row) -> list[Put]:
    """Put the data row of ``command``, and keep the one that it replaces in the history.

    The first write holds only while the data row is still ``existing``: whoever read an
    older one loses, and nothing is written.
    """
    tables, tenant = context.tables, get_tenant_code(command["pk"])
    data = data_row(command, existing, context.retention.calculate_ttl("data", tenant))
    writes = [Put(table=tables.data, row=data, condition=_unchanged(existing), label=DATA)]
    if existing is not None:
        history = history_row(existing, context.retention.calculate_ttl("history", tenant))
        writes.append(Put(table=tables.history, row=history))
    return writes


def insert_command(context: ModuleContext, command: Row, in_place_of: Row | None = None) -> Put:
    """Put a command whose version nobody has taken, or only ``in_place_of``: of an earlier life."""
    free = Attr("pk").not_exists() if in_place_of is None else is_command(in_place_of)
    return Put(table=context.tables.command, row=command, condition=free, label=COMMAND)


def status_write(context: ModuleContext, command: Row, status: str, data: Row) -> Write:
    """What a transaction that applies ``command`` does to its row: set the status, or only look at it.

    It holds only while the row is this very command: one that was erased, or published anew
    in a later life, must not be applied from an image of the earlier one; nor one whose data row
    was written since the image was taken, and has expired. A final status stays, and so does a
    service's own: the command was applied, and the data row is only made anew.

    Args:
        context: Module of the command.
        command: The command.
        status: Its status from now on.
        data: The data row that is written with it.
    """
    place = Place(context.tables.command, command["pk"], command["sk"])
    known = command.get("status")
    is_own = APPLIED_TTL in command and not is_of_pipeline(str(known))
    if known in _SETTLED or is_own:
        return Check(place=place, condition=is_command(command), label=COMMAND)
    columns, remove = status_set(context, command["pk"], status)
    is_known = was_applied(command) or PUBLISH_ID not in command
    condition = is_command(command) & ~Attr("status").is_in(
        list(_SETTLED if is_known else (*_SETTLED, HANDLERS_STARTED))
    )
    if not was_applied(command):
        condition &= Attr(APPLIED_TTL).not_exists() & Attr(LEFT_BEHIND).not_exists()
    return Set(
        place=place,
        columns=columns | applied_ttl(data),
        remove=remove,
        condition=condition,
        label=COMMAND,
    )


def applied_ttl(data: Row) -> Row:
    """The column of a command that says it was applied, and until when its data row is kept."""
    ttl = data.get("ttl")
    return {APPLIED_TTL: ttl if isinstance(ttl, int) else 0}


def is_command(command: Row) -> ConditionBase:
    """The condition that a row is this very command, and exists."""
    if command.get(PUBLISH_ID) is None:  # the reference system's
        return Attr("pk").exists() & Attr(PUBLISH_ID).not_exists()
    return Attr(PUBLISH_ID).eq(command[PUBLISH_ID])


def status_set(context: ModuleContext, pk: str, status: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The columns that a status sets, and those that it takes away.

    With `FINISHED`, retention begins. A status that the handlers are done with, or parked, takes the
    command out of the index of what is under way; one that was not applied stays there, and is
    tried again from there.
    """
    columns: dict[str, Any] = {"status": status}
    if status == FINISHED:
        ttl = context.retention.calculate_ttl("command", get_tenant_code(pk))
        if ttl is not None:
            columns["ttl"] = ttl
    is_indexed = context.tables.has_open_index and status in _SETTLED
    return columns, (OPEN_COLUMN,) if is_indexed else ()


def _unchanged(existing: Row | None) -> ConditionBase:
    if existing is None:
        return Attr("pk").not_exists()
    if "version" not in existing:
        return Attr("pk").exists() & Attr("version").not_exists()
    condition: ConditionBase = Attr("version").eq(version_of(existing))
    life = life_of(existing)
    # The same version of another life is another state.
    return condition & (Attr(LIFE).not_exists() if life is None else Attr(LIFE).eq(life))
