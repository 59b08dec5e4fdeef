"""Where a handler begins that is not to see everything: at what is new since it was started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runtime.event_store.address import Key
    from runtime.event_store.provider import Provider

__all__ = ["end_of", "first_since"]

_LIMIT: Final = 1000


def first_since(provider: Provider, key: Key, since: datetime, last: int) -> int:
    """The first version of an aggregate for a handler that begins at a time; behind ``last`` without one.

    By the order of the versions, as `AggregateRepository.get_aggregate` looks at the past: it is behind the
    last commit that is earlier, whatever the clocks said of the ones before that.
    """
    first = last + 1
    for commit in provider.read_back(key):
        if commit.at < since:
            return max(first, commit.last + 1)
        first = commit.first
    return first


def end_of(provider: Provider, streams: Sequence[str]) -> str:
    """The position behind everything that is there now; empty where nothing is.

    It goes over all notices: once where a handler is first started, or each time that one which always begins
    at the end is.
    """
    position: str | None = None
    while notices := provider.notices(streams, position, _LIMIT):
        position = notices[-1].position
    return position or ""
