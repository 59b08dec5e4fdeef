"""A page of data rows, with the reader's own pending writes in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runtime.errors import CorruptRowError
from runtime.model.keys import DetailKey, add_sort_key_version
from runtime.model.rows import data_row, version_of
from runtime.store.dynamodb import Read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.module import CommandModule
    from runtime.queries.paging import Page, PageRequest
    from runtime.queries.sessions import Session
    from runtime.store.codec import Item

__all__ = ["command_read", "data_read", "is_deleted", "merged_rows", "moment_in"]


def merged_rows(
    module: CommandModule[Any], request: PageRequest, page: Page, sessions: Iterable[Session]
) -> list[Item]:
    """The rows of ``page`` as their reader expects them. One call when something may be pending.

    - A pending update stands in the place of its row; a pending deletion takes it away.
    - A pending creation comes first, the newest one before the others, on the first page
      only, and only where the condition on the sort key holds for it.
    - A row that is on another page stays there.
    - A row that came into the table after the page was read gets its place, when that is
      on this page.
    """
    rows = {row["sk"]["S"]: row for row in page.rows}
    versions = _pending_versions(request, page, rows, sessions)
    commands = {sk: command_read(module, DetailKey(request.pk, sk), v) for sk, v in versions.items()}
    others = {sk: data_read(module, DetailKey(request.pk, sk)) for sk in versions if sk not in rows}
    found = module.resources.dynamodb.batch_get([*commands.values(), *others.values()])
    created: list[Item] = []
    for sk, version in versions.items():
        command = found.get(commands[sk])
        row = rows.get(sk) or found.get(others[sk])
        if sk not in rows and row is not None and not request.covers(sk, page.last_sk):
            continue
        if command is not None and version > version_of(row):
            after = None if is_deleted(command) else data_row(command, row)
        else:
            after = row  # overtaken, or the command is gone
        if row is None:
            created += [after] if after and request.start_from_sk is None else []
        elif after is None:
            rows.pop(sk, None)
        else:
            rows[sk] = after
    created.sort(key=lambda row: moment_in(row, "createdAt"), reverse=True)
    # Text in Python has the order of DynamoDB's sort keys; see `SortKeyCondition`.
    return [*created, *(rows[sk] for sk in sorted(rows, reverse=request.order == "desc"))]


def command_read(module: CommandModule[Any], key: DetailKey, version: int) -> Read:
    """Where the command of a version is."""
    return Read(module.tables.command, key.pk, add_sort_key_version(key.sk, version))


def data_read(module: CommandModule[Any], key: DetailKey) -> Read:
    """Where the data row of an aggregate is."""
    return Read(module.tables.data, *key)


def is_deleted(row: Item) -> bool:
    """Whether a row is that of a softly deleted aggregate."""
    return row.get("isDeleted", {}).get("BOOL") is True


def moment_in(row: Item, column: str) -> datetime:
    """The time in a column, whatever offset it is written with; long ago where there is none.

    Raises:
        CorruptRowError: The column has something else in it.
    """
    text = row.get(column, {}).get("S")
    if text is None:
        return datetime.min.replace(tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"the row {row['pk']['S']} {row['sk']['S']} has {column} that is no time; repair it"
        raise CorruptRowError(msg) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _pending_versions(
    request: PageRequest, page: Page, rows: dict[str, Item], sessions: Iterable[Session]
) -> dict[str, int]:
    """What may be pending of what this page is about: versions by sort key."""
    versions: dict[str, int] = {}
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
                versions[sk] = session.version
    return versions
