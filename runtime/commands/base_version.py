"""Finding what a publish builds on: one consistent read, or two for the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.commands.decision import Base, decide
from runtime.keys import VERSION_LATEST, add_sort_key_version
from runtime.storage.dynamodb import Read
from runtime.storage.rows import version_of

if TYPE_CHECKING:
    from runtime.keys import DetailKey
    from runtime.settings import ModuleTables
    from runtime.storage.codec import Item
    from runtime.storage.dynamodb import DynamoDb

__all__ = ["read_base"]

_LOOK_AHEAD: Final = 8  # versions beyond the data row that one batch looks for


def read_base(
    dynamodb: DynamoDb, tables: ModuleTables, key: DetailKey, version: int
) -> tuple[Base, Item | None]:
    """What ``version`` refers to, and the data row.

    Raises:
        VersionConflictError: There is a later version.
        InvalidVersionError: There is no such version.
    """
    if version == VERSION_LATEST:
        return _latest(dynamodb, tables, key)
    data = Read(tables.data, *key)
    commands = {v: _command(tables, key, v) for v in (version, version + 1) if v > 0}
    rows = dynamodb.batch_get([data, *commands.values()])
    found = {v: rows[read] for v, read in commands.items() if read in rows}
    return decide(key, version, found, rows.get(data)), rows.get(data)


def _latest(dynamodb: DynamoDb, tables: ModuleTables, key: DetailKey) -> tuple[Base, Item | None]:
    data = dynamodb.get(tables.data, *key, consistent=True)
    latest = Base(version_of(data), data)
    while True:
        following = range(latest.version + 1, latest.version + 1 + _LOOK_AHEAD)
        commands = {v: _command(tables, key, v) for v in following}
        rows = dynamodb.batch_get(commands.values())
        found = {v: rows[read] for v, read in commands.items() if read in rows}
        if found:
            latest = Base(max(found), found[max(found)])
        if len(found) < _LOOK_AHEAD:
            return latest, data


def _command(tables: ModuleTables, key: DetailKey, version: int) -> Read:
    return Read(tables.command, key.pk, add_sort_key_version(key.sk, version))
