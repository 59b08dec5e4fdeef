"""Whether a handler has seen an aggregate as it was at a version: for those who read what they wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.provider import Provider
    from runtime.model.cursor import Cursor

__all__ = ["Seen", "sight_of"]


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a handler is with an aggregate.

    Attributes:
        is_there: Whether it has seen everything that it was to see, up to the version in question.
        parked_version: The version that it gave up at; None when it is not parked.
    """

    is_there: bool
    parked_version: int | None = None


def sight_of(
    cursor: Cursor, provider: Provider, key: Key, version: int, minds: Callable[[Commit, int], bool]
) -> Seen:
    """Whether a handler has seen a version of an aggregate.

    The cursor is moved only where the handler has something to see. So where it is behind, the events between
    are looked at: one more read, and only then.

    Args:
        cursor: The handler's cursor for the aggregate.
        provider: Where the events are.
        key: Whose.
        version: The version.
        minds: Whether the handler is to be shown an event of a commit.
    """
    if cursor.has_seen(version):
        return Seen(is_there=True)
    done = cursor.version or 0
    for commit in provider.read(key, after=done, until=version):
        for number in range(max(commit.first, done + 1), min(commit.last, version) + 1):
            if minds(commit, number):
                return Seen(is_there=False, parked_version=cursor.parked_version)
    return Seen(is_there=True)
