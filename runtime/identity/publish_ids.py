"""The publish ids of one request: one that writes twice to an item has an id for each write.

The first write to an item has the id of the request, and each further one an id with its number. A
repeat of the request, which makes the same writes in the same order, has the same ids.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

__all__ = ["PublishIds", "is_of", "part_of"]

#: No header has it, so that the id of another request is never one with a number.
_SEPARATOR: Final = "\n"


class PublishIds:
    """Which ids a request has used, and where."""

    def __init__(self) -> None:
        self._used: dict[tuple[Hashable, str], object] = {}

    def __len__(self) -> int:
        return len(self._used)

    def use(self, place: Hashable, publish_id: str) -> bool:
        """Note that an id is used; whether it was not before."""
        mine = object()
        # In one step, since a request may write in several threads.
        return self._used.setdefault((place, publish_id), mine) is mine

    def next(self, place: Hashable, own: str) -> str:
        """The id of the next write there, without using it.

        Args:
            place: What is written to.
            own: Id of the request.
        """
        return next(found for found in _numbered(own) if (place, found) not in self._used)

    @contextmanager
    def taken(self, place: Hashable, own: str | None, given: str | None = None) -> Iterator[str | None]:
        """The id of a write that is done in the block. It is free again where nothing was written.

        Args:
            place: What is written to.
            own: Id of the request, or None where it has none.
            given: The id to take. Default: the next one of the request's.
        """
        publish_id, is_new = given, False
        if given is not None:
            is_new = self.use(place, given)
        elif own is not None:
            publish_id = next(found for found in _numbered(own) if self.use(place, found))
            is_new = True
        try:
            yield publish_id
        except BaseException as error:
            # After "unknown" the same write is to be tried again under its id.
            if is_new and getattr(error, "written", None) not in {"everything", "something"}:
                self._used.pop((place, publish_id or ""), None)
            raise


def part_of(own: str, name: str) -> str:
    """The id of a write that a request makes under a name, however many there were before it.

    Args:
        own: Id of the request.
        name: A word for the write.
    """
    return f"{own}{_SEPARATOR}{name}"


def is_of(publish_id: str, own: str | None) -> bool:
    """Whether an id is the request's ``own``, or one of those with a number."""
    return publish_id.partition(_SEPARATOR)[0] == own


def _numbered(own: str) -> Iterator[str]:
    yield own
    for number in count(2):
        yield f"{own}{_SEPARATOR}{number}"
