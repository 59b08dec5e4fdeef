"""What everything of one domain works with: made once by the domain, never changed."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runtime.event_store.aggregates.aggregate import Aggregate
    from runtime.event_store.aggregates.state_cache import StateCache
    from runtime.event_store.provider import Provider

__all__ = ["DomainContext", "use_provider"]

_instead: ContextVar[Provider | None] = ContextVar("provider", default=None)


@contextmanager
def use_provider(provider: Provider) -> Iterator[None]:
    """Let every domain work on another provider in the block, as tests do: commands keep their domain."""
    token = _instead.set(provider)
    try:
        yield
    finally:
        _instead.reset(token)


@dataclass(frozen=True, slots=True)
class DomainContext:
    """One domain, as its repositories see it.

    Attributes:
        own_provider: Where its events are.
        aggregates: Its aggregates, by stream.
        default_tenant: Whose aggregates are meant where nobody says so.
        own_cache: States that the process keeps; None where it keeps none.
    """

    own_provider: Provider
    aggregates: Mapping[str, Aggregate[Any, Any]]
    default_tenant: str | None
    own_cache: StateCache | None

    @property
    def provider(self) -> Provider:
        """Where to read and write here and now: the domain's own, but in `use_provider`."""
        return _instead.get() or self.own_provider

    @property
    def cache(self) -> StateCache | None:
        """The states that are kept of ``provider``."""
        return self.own_cache if _instead.get() is None else None
