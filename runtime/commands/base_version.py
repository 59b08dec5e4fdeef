"""Finding what a publish builds on: one consistent read, or two for the latest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.commands.decision import Base, decide
from runtime.model.keys import VERSION_LATEST, add_sort_key_version
from runtime.model.rows import version_of
from runtime.pipeline.cursor import Cursor, CursorStore
from runtime.store.dynamodb import Read

if TYPE_CHECKING:
    from runtime.model.keys import DetailKey
    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["Found", "read_base", "read_latest"]

# How far beyond the last known version to look. Nearly always there are few commands more,
# so the first batch is small; where all of it exists, the next ones also leap ahead.
_NEAR: Final = tuple(range(1, 9))
_FAR: Final = (*range(1, 33), *(2**power for power in range(6, 31)))
_DENSE: Final = {_NEAR: 8, _FAR: 32}


@dataclass(frozen=True, slots=True)
class Found:
    """What is stored about the version that a caller builds on.

    Attributes:
        key: Key of the aggregate.
        version: The version as the caller gave it, `VERSION_LATEST` resolved.
        commands: The command rows at and after it that exist, by version.
        data: The data row.
        also: Another row that was asked for in the same read.
    """

    key: DetailKey
    version: int
    commands: dict[int, Item]
    data: Item | None
    also: Item | None = None

    def base(self) -> Base:
        """The version to build on.

        Raises:
            VersionConflictError: There is a later version.
            InvalidVersionError: There is no such version.
        """
        return decide(self.key, self.version, self.commands, self.data)


def read_base(module: CommandModule[Any], key: DetailKey, version: int, also: Read | None = None) -> Found:
    """Read what ``version`` refers to: one call, or two and rarely more for the latest."""
    if version == VERSION_LATEST:
        return read_latest(module, key, also)
    data = Read(module.tables.data, *key)
    commands = {v: _command(module, key, v) for v in (version, version + 1) if v > 0}
    rows = module.resources.dynamodb.batch_get([data, *commands.values(), *([also] if also else [])])
    found = {v: rows[read] for v, read in commands.items() if read in rows}
    return Found(key, version, found, rows.get(data), rows.get(also) if also else None)


def read_latest(module: CommandModule[Any], key: DetailKey, also: Read | None = None) -> Found:
    """Read the latest version: the data row, then the commands that follow it.

    A handful of calls however many versions are pending, and however many have expired.
    """
    data, version = _last_applied(module, key)
    row: Item | None = None
    extra: Item | None = None
    for offsets in (_NEAR, *[_FAR] * 64):
        reads = {version + offset: _command(module, key, version + offset) for offset in offsets}
        first = also if offsets is _NEAR else None
        rows = module.resources.dynamodb.batch_get([*reads.values(), *([first] if first else [])])
        extra = rows.get(first) if first else extra
        found = [v for v, read in reads.items() if read in rows]
        if not found:
            break
        leap, version, row = max(found) - version, max(found), rows[reads[max(found)]]
        if leap < _DENSE[offsets]:
            break  # the one after it was asked for, and is not there
    return Found(key, version, {version: row} if row else {}, data, extra)


def _last_applied(module: CommandModule[Any], key: DetailKey) -> tuple[Item | None, int]:
    dynamodb = module.resources.dynamodb
    if not module.disable_default_handler:
        data = dynamodb.get(module.tables.data, *key, consistent=True)
        return data, version_of(data)
    if not module.handlers:
        return None, 0
    # Without data rows the handlers' cursors say how far the aggregate is.
    store = CursorStore(dynamodb, module.tables.sync)
    rows = dynamodb.batch_get(store.read(key, handler.name) for handler in module.handlers)
    return None, max((Cursor.of(row).version or 0 for row in rows.values()), default=0)


def _command(module: CommandModule[Any], key: DetailKey, version: int) -> Read:
    return Read(module.tables.command, key.pk, add_sort_key_version(key.sk, version))
