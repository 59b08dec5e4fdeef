"""Domains: several kinds of aggregates on one provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from runtime.errors import ConfigurationError
from runtime.event_store.aggregate import Aggregate
from runtime.event_store.domain_context import DomainContext
from runtime.event_store.repository import AggregateRepository
from runtime.event_store.state_cache import StateCache
from runtime.event_store.transaction import Transaction
from runtime.model.keys import KEY_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.event_store.provider import Provider

__all__ = ["Domain", "create_domain"]

EventT = TypeVar("EventT")
StateT = TypeVar("StateT")


class Domain:
    """Several kinds of aggregates on one provider. Made by `create_domain`."""

    def __init__(self, context: DomainContext) -> None:
        self.context = context
        self._repositories = {
            aggregate: AggregateRepository(context, aggregate) for aggregate in context.aggregates.values()
        }

    @property
    def provider(self) -> Provider:
        """Where its events are."""
        return self.context.provider

    @property
    def aggregates(self) -> Mapping[str, Aggregate[Any, Any]]:
        """The kinds of aggregates, by the names of their streams."""
        return self.context.aggregates

    def __getitem__(self, aggregate: Aggregate[EventT, StateT]) -> AggregateRepository[EventT, StateT]:
        """The aggregates of one kind.

        Raises:
            ConfigurationError: The domain was made without it.
        """
        found = self._repositories.get(aggregate) if isinstance(aggregate, Aggregate) else None
        if found is None:
            name = repr(aggregate.stream) if isinstance(aggregate, Aggregate) else repr(aggregate)
            msg = (
                f"{name} is no aggregate of this domain, which has {sorted(self.context.aggregates)}; "
                "give it to create_domain"
            )
            raise ConfigurationError(msg)
        return found

    def transaction(self, *, source: str | None = None) -> Transaction:
        """Append to several aggregates, all or nothing: a ``with`` block; see `Transaction`.

        Args:
            source: Which code appends, for `EventMeta.source`.
        """
        return Transaction(self.context, source=source)


def create_domain(
    provider: Provider,
    *aggregates: Aggregate[Any, Any],
    default_tenant: str | None = None,
    cache: int = 0,
) -> Domain:
    """Bind aggregates to a provider.

    Example:
        >>> domain = create_domain(MemoryProvider(), user, post)
        >>> domain[user].get_aggregate("u1", tenant="acme").version
        0

    Args:
        provider: Where the events are.
        *aggregates: The kinds of aggregates, each with a stream of its own.
        default_tenant: Whose aggregates are meant where neither the call nor a request says so. Default: such
            a call is refused.
        cache: How many states a process keeps, so that a load reads only newer events; each caller gets a
            copy. Default: 0.

    Raises:
        ConfigurationError: Two aggregates have one stream, there is none, or an argument cannot be used.
    """
    by_stream: dict[str, Aggregate[Any, Any]] = {}
    for aggregate in aggregates:
        if not isinstance(aggregate, Aggregate):
            msg = f"create_domain takes what create_aggregate returns, got {type(aggregate).__name__}"
            raise ConfigurationError(msg)
        if aggregate.stream in by_stream:
            msg = f"two aggregates of the domain have the stream {aggregate.stream!r}; give each its own"
            raise ConfigurationError(msg)
        by_stream[aggregate.stream] = aggregate
    if not by_stream:
        msg = "the domain has no aggregates: create_domain(provider, user, post)"
        raise ConfigurationError(msg)
    if default_tenant is not None and (
        not isinstance(default_tenant, str) or not default_tenant or KEY_SEPARATOR in default_tenant
    ):
        msg = f"default_tenant must be a code without {KEY_SEPARATOR}, or None, got {default_tenant!r}"
        raise ConfigurationError(msg)
    if not isinstance(cache, int) or isinstance(cache, bool) or cache < 0:
        msg = f"cache must be a number of states, 0 or more, got {cache!r}"
        raise ConfigurationError(msg)
    states = StateCache(cache) if cache else None
    return Domain(DomainContext(provider, by_stream, default_tenant, states))
