"""Finding the latest version of an aggregate, however many are pending, and however many have expired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runtime.model.rows import is_same_life, version_of

if TYPE_CHECKING:
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
    """

    version: int
    command: Row | None
    state: Row | None
    also: Row | None = None


def read_latest(context: ModuleContext, key: DetailKey, also: Place | None = None) -> Latest:
    """Read the latest version: what retention does not reach, then the commands that follow it.

    Two calls, and rarely more.

    Args:
        context: Module of the aggregate.
        key: Its key.
        also: Another row to read along.
    """
    state, version = _read_state(context, key)
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
        # Commands of an earlier life may still be there, where that life's data row has expired.
        anchor = row or state or rows.get(places[version + 1])
        found = [v for v, place in places.items() if place in rows and is_same_life(rows[place], anchor)]
        if not found:
            break
        leap, version, row = max(found) - version, max(found), rows[places[max(found)]]
        if leap < _DENSE[offsets]:
            break  # the one after it was asked for, and is not there
    return Latest(version, row, state, extra)


def _read_state(context: ModuleContext, key: DetailKey) -> tuple[Row | None, int]:
    place = context.base_place(key)
    if place is None:
        return None, 0
    if context.keeps_data:
        data = context.store.get(place)
        return data, version_of(data)
    # Without data rows, the handlers' cursors say how far the aggregate is as well.
    cursors = [context.cursor_place(key, name) for name in context.handler_names]
    rows = context.store.batch_get([place, *cursors])
    head = rows.pop(place, None)
    seen = [cursor.get("version") or 0 for cursor in rows.values() if is_same_life(cursor, head)]
    return head, max([version_of(head), *seen])
