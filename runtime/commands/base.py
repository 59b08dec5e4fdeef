"""What a publish builds on, and the version rules.

Version N is accepted when N is the latest; 0 when there is nothing yet, or nothing any more. Both
the command rows and the data row count, since either may be alone: commands expire, and data may
not be written yet. Rows of an earlier life of the aggregate do not count; where they are still
kept, the next life begins behind them, so that none is written over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runtime.errors import InvalidVersionError, VersionConflictError
from runtime.model.keys import VERSION_FIRST, VERSION_LATEST
from runtime.model.rows import is_same_life, life_of, version_of
from runtime.pipeline.apply import was_applied
from runtime.pipeline.latest import read_latest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.values import Place, Row

__all__ = ["Base", "Found", "checked_base", "read_base"]


@dataclass(frozen=True, slots=True)
class Base:
    """What the next version is built on.

    Attributes:
        version: The latest version; 0 when there is none.
        row: The command or data row of that version; None when there is none.
        life: The life of the aggregate; None for none yet, or where its rows do not tell.

    Where an aggregate has expired, the versions go on and the life does not: there is a version, and
    no row.
    """

    version: int
    row: Row | None
    life: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What is stored about the version that a caller builds on.

    Attributes:
        key: Key of the aggregate.
        version: The version as the caller gave it, `VERSION_LATEST` resolved.
        commands: The command rows at and after it that exist, by version.
        state: The data row; or, in a module without data rows, the last command that is kept.
        also: Another row that was asked for in the same read.
        has_expired: Whether the state is gone, though its commands are not.
    """

    key: DetailKey
    version: int
    commands: dict[int, Row]
    state: Row | None
    also: Row | None = None
    has_expired: bool = False

    def base(self) -> Base:
        """The version to build on.

        Raises:
            VersionConflictError: There is a later version.
            InvalidVersionError: There is no such version.
        """
        base = checked_base(self.key, self.version, self.commands, self.state)
        return Base(base.version, None) if self.has_expired else base


def read_base(context: ModuleContext, key: DetailKey, version: int, also: Place | None = None) -> Found:
    """Read what ``version`` refers to: one call, or two and rarely more for the latest.

    Version 0 of an aggregate that has expired while its commands are kept is its last version.
    """
    if version == VERSION_LATEST:
        return _read_latest(context, key, also)
    state = context.base_place(key)
    places = {v: context.command_place(key, v) for v in (version, version + 1) if v > 0}
    others = [place for place in (state, also) if place]
    rows = context.store.batch_get([*others, *places.values()])
    found = {v: rows[place] for v, place in places.items() if place in rows}
    read = _settled(
        context,
        Found(key, version, found, rows.get(state) if state else None, rows.get(also) if also else None),
    )
    if version == VERSION_FIRST and context.keeps_data and read.state is None:
        first = found.get(version + 1)
        if first is not None and was_applied(first):
            latest = _read_latest(context, key, also)
            return latest if latest.has_expired else read
    return read


def _read_latest(context: ModuleContext, key: DetailKey, also: Place | None) -> Found:
    latest = read_latest(context, key, also)
    commands = {latest.version: latest.command} if latest.command else {}
    found = _settled(context, Found(key, latest.version, commands, latest.state, latest.also))
    if latest.state is None and found.state is not None:
        # It was applied meanwhile. With the data row, orphans of an earlier life are told from its commands.
        return _read_latest(context, key, also)
    return found


def _settled(context: ModuleContext, found: Found) -> Found:
    """Tell an aggregate that has expired from one that was not applied when its data row was read."""
    command = found.commands.get(found.version)
    if not context.keeps_data or found.state is not None or command is None or not was_applied(command):
        return found
    # A batch is no snapshot: the row may have been written between its two reads.
    state = context.store.get(context.data_place(found.key))
    return replace(found, state=state, has_expired=state is None)


def checked_base(key: DetailKey, version: int, commands: Mapping[int, Row], state: Row | None) -> Base:
    """Check an explicit version against what is stored.

    Args:
        key: Key of the aggregate.
        version: Version that the caller builds on, 0 or more.
        commands: The command rows of ``version`` and ``version + 1`` that exist.
        state: The data row, or what stands for it, if it exists.

    Raises:
        VersionConflictError: There is a later version, or, for version 0, any version.
        InvalidVersionError: There is no such version.
    """
    at_version = state if version_of(state) == version else None
    command = commands.get(version)
    # What is built on a command of another life than the data row's would never be applied.
    row = command if command is not None and is_same_life(command, state) else at_version
    later = commands.get(version + 1)
    if later is not None and version and not is_same_life(later, row or state):
        # It is an orphan, unless the version has expired: then it has begun the next life.
        has_expired = state is None and row is not None and was_applied(row)
        later = later if has_expired else None
    if later is not None or version_of(state) > version or (version == 0 and state is not None):
        raise VersionConflictError(*key, version)
    if version == 0:
        return Base(0, None)
    if row is None:
        raise InvalidVersionError(version)
    return Base(version, row, life_of(row, state))
