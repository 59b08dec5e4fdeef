"""Finding the latest version of an aggregate, however many are pending, and however many have expired."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from runtime import clock
from runtime.model.keys import get_sort_key_version
from runtime.model.rows import APPLIED_TTL, has_expired, is_of_life, is_pending, is_same_life, version_of
from runtime.pipeline.versions import version_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.values import Place, Row

__all__ = ["Latest", "read_latest"]

# How far beyond the last known version to look. Nearly always there are few commands more,
# so the first batch is small; where all of it exists, the next ones also leap ahead.
_NEAR: Final = tuple(range(1, 9))
_FAR: Final = (*range(1, 33), *(2**power for power in range(6, 31)))
_DENSE: Final = {_NEAR: 8, _FAR: 32}


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest version of an aggregate.

    Attributes:
        version: The version; 0 when there is none.
        command: Its command; None where only the state below tells of it.
        state: The data row; or, in a module without data rows, the last command that is kept.
        also: Another row that was asked for in the same read.
        has_expired: Whether there are commands, all applied, and no data row any more.
    """

    version: int
    command: Row | None
    state: Row | None
    also: Row | None = None
    has_expired: bool = False


def read_latest(context: ModuleContext, key: DetailKey, also: Place | None = None) -> Latest:
    """Read the latest version: what retention does not reach, then the commands that follow it.

    Two calls, and rarely more. Where there is no data row, the second one reads all commands that are
    kept: any of them may have expired, so that none tells how far the others go.

    Args:
        context: Module of the aggregate.
        key: Its key.
        also: Another row to read along.
    """
    if not context.keeps_data:
        state, version = _read_head(context, key)
        return _read_behind(context, key, state, version, also)
    place = context.data_place(key)
    if also is None:
        data, extra = context.store.get(place), None
    else:
        rows = context.store.batch_get([place, also])
        data, extra = rows.get(place), rows.get(also)
    if data is None:
        return _last_command(version_rows(context, context.tables.command, key), extra)
    return replace(_read_behind(context, key, data, version_of(data), None), also=extra)


def _last_command(commands: Sequence[Row], also: Row | None) -> Latest:
    """The latest version of an aggregate without a data row.

    It is the last one of those that are still to be applied. Where there is none, all have expired, and
    whatever comes next goes behind all that are kept; unless the row was not to expire yet.
    """
    pending = [row for row in commands if is_pending(row)]
    last = next(reversed(pending or commands), None)
    if last is None:
        return Latest(0, None, None, also)
    is_over = not pending and (APPLIED_TTL not in last or has_expired(last, clock.seconds()))
    return Latest(get_sort_key_version(last["sk"]), last, None, also, has_expired=is_over)


def _read_behind(
    context: ModuleContext, key: DetailKey, state: Row | None, version: int, also: Place | None
) -> Latest:
    """The latest version, where the state is known that the commands build on."""
    # A version that only a cursor tells of: its command is what the next one builds on.
    own = context.command_place(key, version) if version > version_of(state) else None
    row: Row | None = None
    extra: Row | None = None
    for offsets in (_NEAR, *[_FAR] * 64):
        places = {version + offset: context.command_place(key, version + offset) for offset in offsets}
        others = [place for place in (own, also) if place] if offsets is _NEAR else []
        rows = context.store.batch_get([*places.values(), *others])
        if offsets is _NEAR:
            row, extra = (rows.get(place) if place else None for place in (own, also))
        found = {v: rows[place] for v, place in places.items() if place in rows}
        first = row or state or found.get(version + 1)
        behind = [
            v for v, command in found.items() if is_same_life(command, first) and is_of_life(command, state)
        ]
        if not behind:
            break
        leap, version, row = behind[-1] - version, behind[-1], found[behind[-1]]
        if leap < _DENSE[offsets]:
            break  # the one after it was asked for, and is not there
    return Latest(version, row, state, extra)


def _read_head(context: ModuleContext, key: DetailKey) -> tuple[Row | None, int]:
    """The last finished command that is kept where there are no data rows, and how far its handlers are."""
    place = context.base_place(key)
    if place is None:
        return None, 0
    cursors = [context.cursor_place(key, name) for name in context.handler_names]
    rows = context.store.batch_get([place, *cursors])
    head = rows.pop(place, None)
    seen = [cursor.get("version") or 0 for cursor in rows.values() if is_same_life(cursor, head)]
    return head, max([version_of(head), *seen])
