"""Where a handler begins that is not to see everything: at what is new since it was started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.event_store.provider import Provider

__all__ = ["end_of"]

_LIMIT: Final = 1000


def end_of(provider: Provider, streams: Sequence[str]) -> str:
    """The position behind everything that is there now; empty where nothing is.

    It goes over all notices: once where a handler is first started, or each time that one which always begins
    at the end is.
    """
    position: str | None = None
    while notices := provider.notices(streams, position, _LIMIT):
        position = notices[-1].position
    return position or ""
