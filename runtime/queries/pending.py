"""A page of data rows, with the reader's own pending writes in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runtime.model.keys import DetailKey
from runtime.model.rows import (
    data_row,
    is_deleted,
    is_left_behind,
    is_of_life,
    moment_in,
    version_of,
    was_applied,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runtime.module_context import ModuleContext
    from runtime.queries.paging import PageRequest, PartitionPage
    from runtime.queries.sessions import Session
    from runtime.store.values import Row

__all__ = ["Merged", "has_been_applied", "is_to_come", "merged_rows"]


class Merged(NamedTuple):
    """Rows of a page: those that are not applied yet, the newest first, and the others in their order."""

    created: Sequence[Row]
    rows: Sequence[Row]


def has_been_applied(context: ModuleContext, command: Row) -> bool:
    """Whether the data row tells all of a reader's own command: where it is gone, the item has expired."""
    return context.keeps_data and was_applied(command)


def is_to_come(command: Row, row: Row | None) -> bool:
    """Whether a command that was not applied is still to be: no other life of its item has begun.

    Args:
        command: The command.
        row: The data row, if there is one.
    """
    return is_of_life(command, row) and not is_left_behind(command)


def merged_rows(
    context: ModuleContext, request: PageRequest, page: PartitionPage, sessions: Iterable[Session]
) -> Merged:
    """The rows of ``page`` as their reader expects them. One call when something may be pending.

    One more where something of that was applied since the page was read.

    - A pending update stands in the place of its row; a pending deletion takes it away.
    - A pending creation comes first, the newest one before the others, on the first page
      only, and only where the condition on the sort key holds for it.
    - A row that is on another page stays there.
    - A row that came into the table after the page was read gets its place, when that is
      on this page.
    """
    rows = {row["sk"]: row for row in page.rows}
    pending = _pending_sessions(request, page, rows, sessions)
    keys = {sk: DetailKey(request.pk, sk) for sk in pending}
    commands = {sk: context.command_place(keys[sk], session.version) for sk, session in pending.items()}
    others = {sk: context.data_place(keys[sk]) for sk in pending if sk not in rows}
    found = context.store.batch_get([*commands.values(), *others.values()])
    present = {sk: rows[sk] if sk in rows else found.get(others[sk]) for sk in pending}
    behind = {
        sk: command
        for sk, session in pending.items()
        if (command := found.get(commands[sk])) is not None
        and session.is_about(command)
        and session.version > version_of(present[sk])
    }
    # What was applied meanwhile is read again: it may be there by now, or have expired since.
    again = {sk: context.data_place(keys[sk]) for sk in behind if has_been_applied(context, behind[sk])}
    fresh = context.store.batch_get(again.values()) if again else {}
    present |= {sk: fresh.get(place) for sk, place in again.items()}
    created: list[Row] = []
    for sk, row in present.items():
        if sk not in rows and row is not None and not request.covers(sk, page.last_sk):
            continue
        command = behind.get(sk)
        if command is not None and sk not in again and is_to_come(command, row):
            after = None if is_deleted(command) else data_row(command, row)
        else:
            after = row  # overtaken, or applied, or the command is gone
        if row is None and sk not in rows:
            created += [after] if after and request.start_from_sk is None else []
        elif after is None:
            rows.pop(sk, None)
        else:
            rows[sk] = after
    created.sort(key=lambda row: moment_in(row, "createdAt"), reverse=True)
    # Text in Python has the order of DynamoDB's sort keys; see `SortKeyCondition`.
    return Merged(created, [rows[sk] for sk in sorted(rows, reverse=request.order == "desc")])


def _pending_sessions(
    request: PageRequest, page: PartitionPage, rows: Mapping[str, Row], sessions: Iterable[Session]
) -> dict[str, Session]:
    """What may be pending of what this page is about, by sort key."""
    pending: dict[str, Session] = {}
    for session in sessions:
        for pk, sk in session.keys:
            if pk != request.pk:
                continue
            if sk in rows:
                is_wanted = session.version > version_of(rows[sk])
            else:
                is_first = request.start_from_sk is None
                is_wanted = request.condition.matches(sk) and (is_first or request.covers(sk, page.last_sk))
            if is_wanted:
                pending[sk] = session
    return pending
