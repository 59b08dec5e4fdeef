"""A tenant's items of one type, spread over several partition keys.

A partition key takes 1 000 write units a second, some 250 updates, in each table: that is the most for one
type and tenant. With shards it is that many times more; what is listed is then read of all of them.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from runtime.model.keys import KEY_SEPARATOR

__all__ = ["MOST_SHARDS", "shard_of", "sharded_type"]

MOST_SHARDS: Final = 100


def shard_of(sk: str, shards: int) -> int:
    """Which of so many shards an item belongs to, from 0: always the same one.

    >>> shard_of("A1", 16)
    1
    """
    return crc32(sk.encode()) % shards


def sharded_type(type: str, shard: int) -> str:  # noqa: A002 - the name of the field of a command
    """The first parts of the partition key of a shard; the tenant stays the last one.

    >>> sharded_type("CLICK", 7)
    'CLICK#07'
    """
    return f"{type}{KEY_SEPARATOR}{shard:02}"
