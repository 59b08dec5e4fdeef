"""What a publish builds on: the version rules, apart from any reading or writing.

Version N is accepted when N is the latest; 0 when there is nothing yet. Both the command
rows and the data row count, since either may be alone: commands expire, and data may not
be written yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.errors import InvalidVersionError, VersionConflictError
from runtime.model.rows import version_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.model.keys import DetailKey
    from runtime.store.codec import Item

__all__ = ["Base", "decide"]


@dataclass(frozen=True, slots=True)
class Base:
    """What the next version is built on.

    Attributes:
        version: The latest version; 0 when there is none.
        row: The command or data row of that version; None when there is none.
    """

    version: int
    row: Item | None


def decide(key: DetailKey, version: int, commands: Mapping[int, Item], data: Item | None) -> Base:
    """Check an explicit version against what is stored.

    Args:
        key: Key of the aggregate.
        version: Version that the caller builds on, 0 or more.
        commands: The command rows of ``version`` and ``version + 1`` that exist.
        data: The data row, if it exists.

    Raises:
        VersionConflictError: There is a later version, or, for version 0, any version.
        InvalidVersionError: There is no such version.
    """
    if version + 1 in commands or version_of(data) > version or (version == 0 and data is not None):
        raise VersionConflictError(*key, version)
    if version == 0:
        return Base(0, None)
    row = commands.get(version) or (data if version_of(data) == version else None)
    if row is None:
        raise InvalidVersionError(version)
    return Base(version, row)
