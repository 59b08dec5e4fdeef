"""Finding the latest version of an aggregate, however many are pending, and however many have expired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runtime.model.rows import is_same_life, version_of
from runtime.pipeline.apply import was_applied

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        behind = {v: rows[place] for v, place in places.items() if place in rows}
        last = _last(
            behind, row or state, behind.get(version + 1), may_expire=context.keeps_data and not state
        )
        if last is None:
            break
        leap, version, row = last - version, last, behind[last]
        if leap < _DENSE[offsets]:
            break  # the one after it was asked for, and is not there
    return Latest(version, row, state, extra)


def _last(behind: Mapping[int, Row], base: Row | None, first: Row | None, *, may_expire: bool) -> int | None:
    """The last of the commands behind a version that go on from it; None where none does.

    Commands of an earlier life may be among them, where that life's data row has expired. They are
    passed over behind a version that is still to be applied: then its life has begun again at 1. Where
    that version was applied as well, and there is no data row, all of them have expired but those of
    a life that has begun behind them.

    Args:
        behind: The commands, by version in order.
        base: The row of the version; None where it is 0, or gone.
        first: The command right behind it, if it is there.
        may_expire: Whether there is no data row, in a module that has them.
    """
    before, anchor, last = base, base or first, None
    for version, command in behind.items():
        if not is_same_life(command, anchor):
            if not may_expire or before is None or not was_applied(before):
                continue
            anchor = command
        before, last = command, version
    return last


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
