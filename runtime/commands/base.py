"""What a publish builds on, and the version rules.

Version N is accepted when N is the latest; 0 when there is nothing yet, or nothing any more. Both
the command rows and the data row count, since either may be alone: commands expire, and data may
not be written yet. Rows of an earlier life of the aggregate do not count; where they are still
kept, the next life begins behind them, so that none is written over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runtime.errors import InvalidVersionError, StoreRefusedError, StoreUnavailableError, VersionConflictError
from runtime.model.keys import VERSION_FIRST, VERSION_LATEST, get_tenant_code
from runtime.model.rows import is_of_life, is_same_life, life_of, version_of, was_applied
from runtime.pipeline.latest import read_latest
from runtime.pipeline.versions import has_versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.commands.tally import Tally
    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.values import Place, Row

__all__ = ["Base", "Found", "checked_base", "nothing_there", "read_base", "read_many"]


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
        is_overtaken: Whether there is a later version, whatever the rows above say.
        is_assumed: Whether nobody has looked, and the writes have to hold only where there is nothing.
    """

    key: DetailKey
    version: int
    commands: dict[int, Row]
    state: Row | None
    also: Row | None = None
    has_expired: bool = False
    is_overtaken: bool = False
    is_assumed: bool = False

    def base(self) -> Base:
        """The version to build on.

        Raises:
            VersionConflictError: There is a later version.
            InvalidVersionError: There is no such version.
        """
        if self.is_overtaken:
            raise VersionConflictError(*self.key, self.version)
        if self.has_expired:
            return Base(self.version, None)
        return checked_base(self.key, self.version, self.commands, self.state)


def read_base(context: ModuleContext, key: DetailKey, version: int, also: Place | None = None) -> Found:
    """Read what ``version`` refers to: one call, or two and rarely more for the latest.

    Where an aggregate has expired while commands of it are kept, each publisher goes behind the last of
    them, whether they give its version, 0 or the latest: so that they meet on one row.
    """
    if version == VERSION_LATEST:
        return _read_latest(context, key, also)
    state = context.base_place(key)
    places = {v: context.command_place(key, v) for v in (version, version + 1) if v > 0}
    others = [place for place in (state, also) if place]
    rows = context.store.batch_get([*others, *places.values()])
    commands = {v: rows[place] for v, place in places.items() if place in rows}
    found = Found(
        key, version, commands, rows.get(state) if state else None, rows.get(also) if also else None
    )
    if not context.keeps_data or found.state is not None or not _may_have_expired(context, found):
        return found
    latest = _read_latest(context, key, also)
    if latest.has_expired and version in {VERSION_FIRST, latest.version}:
        return latest
    # A batch is no snapshot: rows may have been written between its reads.
    return replace(found, state=latest.state, is_overtaken=latest.version != version)


def read_many(
    context: ModuleContext,
    asked: Mapping[DetailKey, int],
    also: Mapping[DetailKey, Place],
    tally: Tally | None = None,
) -> dict[DetailKey, Found]:
    """What is stored about many aggregates, as far as their data rows tell: one call for 100 rows.

    Nobody looks for commands: where there is one behind the data row, the insert of the next fails.

    Args:
        context: Module of the aggregates.
        asked: The version that is built on of each; `VERSION_LATEST` for whatever is the latest.
        also: Another row to read along with some of them.
        tally: What goes along with them: it begins with its rows, as they are now.

    Returns:
        Those whose data row is of that version, and those that are not there and need not be. The others
        are for `read_base`, one by one.
    """
    if not context.keeps_data:
        return {}
    states = {key: context.data_place(key) for key in asked}
    others = tally.places if tally is not None else ()
    rows = context.store.batch_get([*states.values(), *also.values(), *others])
    if tally is not None:
        tally.begin(rows)
    found: dict[DetailKey, Found] = {}
    for key, version in asked.items():
        state, other = rows.get(states[key]), rows.get(also[key]) if key in also else None
        at = version_of(state)
        if version not in {VERSION_LATEST, at} or (state is not None and not at):
            continue
        if state is None and _do_commands_expire(context, key):
            continue
        found[key] = Found(key, at, {}, state, other)
    return found


def nothing_there(context: ModuleContext, key: DetailKey) -> Found | None:
    """What a new aggregate is built on where nobody has looked; None where somebody has to.

    No call, or one where commands expire.
    """
    if not context.keeps_data:
        # Whoever publishes may not check the rows of cursors, only read them.
        is_to_look = context.base_place(key) is not None
    else:
        is_to_look = _do_commands_expire(context, key) and has_versions(context, key)
    return None if is_to_look else Found(key, VERSION_FIRST, {}, None, is_assumed=True)


def _may_have_expired(context: ModuleContext, found: Found) -> bool:
    """Whether an aggregate without a data row may have had one."""
    built_on = found.commands.get(found.version or 1)
    if built_on is not None:
        return was_applied(built_on)
    # The first command may have expired before the others: then the next life goes behind those.
    return (
        found.version == VERSION_FIRST
        and _do_commands_expire(context, found.key)
        and has_versions(context, found.key)
    )


def _do_commands_expire(context: ModuleContext, key: DetailKey) -> bool:
    try:
        ttl = context.retention.calculate_ttl("command", get_tenant_code(key.pk), must_know=True)
    except (StoreRefusedError, StoreUnavailableError):
        return True  # nobody knows
    return ttl is not None


def _read_latest(context: ModuleContext, key: DetailKey, also: Place | None) -> Found:
    latest = read_latest(context, key, also)
    if latest.has_expired and context.store.get(context.data_place(key)) is not None:
        # It was applied between the two reads.
        return _read_latest(context, key, also)
    commands = {latest.version: latest.command} if latest.command else {}
    return Found(key, latest.version, commands, latest.state, latest.also, has_expired=latest.has_expired)


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
    row = command if command is not None and is_of_life(command, state) else at_version
    later = commands.get(version + 1)
    if later is not None and version and _is_orphan(later, row, state):
        later = None
    if later is not None or version_of(state) > version or (version == 0 and state is not None):
        raise VersionConflictError(*key, version)
    if version == 0:
        return Base(0, None)
    if row is None:
        raise InvalidVersionError(version)
    return Base(version, row, life_of(row, state))


def _is_orphan(command: Row, before: Row | None, state: Row | None) -> bool:
    """Whether a command is left from another life than the version before it, and the data row."""
    if not is_same_life(command, before) or not is_of_life(command, state):
        return True
    # Versions are applied in order: what was applied before the one that it follows is of an earlier life.
    return state is None and before is not None and not was_applied(before) and was_applied(command)
