"""Domains: several kinds of aggregates on one provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from runtime.errors import ConfigurationError
from runtime.event_store.aggregates.aggregate import Aggregate
from runtime.event_store.aggregates.repository import AggregateRepository
from runtime.event_store.aggregates.state_cache import StateCache
from runtime.event_store.aggregates.transaction import Transaction
from runtime.event_store.domain_context import DomainContext
from runtime.event_store.provider import check_provider
from runtime.model.keys import KEY_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.event_store.feed.cursors import Cursors
    from runtime.event_store.handlers.bookmark import MemoryBookmark
    from runtime.event_store.handlers.handler import EventHandler
    from runtime.event_store.provider import Provider

__all__ = ["Domain", "create_domain"]

EventT = TypeVar("EventT")
StateT = TypeVar("StateT")


class Domain:
    """Several kinds of aggregates on one provider. Made by `create_domain`."""

    def __init__(self, context: DomainContext) -> None:
        self.context = context
        self.handlers: dict[str, EventHandler] = {}
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

    def create_handler(
        self,
        bookmark: str | MemoryBookmark,
        streams: Sequence[Aggregate[Any, Any] | str],
        *,
        tail_stream: bool = False,
        always_tail_stream: bool = False,
        continue_on_error: bool = False,
        attempts: int = 10,
        exclusive: bool = False,
        reaction: bool = False,
        cursors: Cursors | None = None,
    ) -> EventHandler:
        """Make a handler, which fills a read model or reacts to events; then `EventHandler.handle`.

        Example:
            >>> posts_model = domain.create_handler("posts-model", [post, user])

        Args:
            bookmark: The name that its progress is kept under, or a `MemoryBookmark`.
            streams: The aggregates whose events it is shown, or the names of their streams.
            tail_stream: Begin behind what is there when it is started for the very first time.
            always_tail_stream: Begin behind what is there each time that a process starts it. Refused in
                Lambda.
            continue_on_error: Tell ``provider.on_error`` what a callback raises, and go on behind the event.
                Default: the event is tried again, and stays in front of its own aggregate.
            attempts: So often one event fails, over a minute at least, before its aggregate is parked.
                Default: 10.
            exclusive: Never two turns at a time at one aggregate, at one more write unit a turn. No callback
                may take longer than a minute then: so long a turn is kept for whoever has it. Default: two
                may overlap where several processes or several invocations work on one aggregate.
            reaction: It executes commands: it has one generation, is left out of rebuilds, and the ids of its
                commands do not expire.
            cursors: Where its progress is kept by aggregate, such as in the read model's own database.
                Default: where the provider keeps it.

        Raises:
            ConfigurationError: No streams, an unknown one, a name that cannot be used or is taken, or
                ``attempts`` is below 1.
        """
        from runtime.event_store.handlers.handler import create_handler  # noqa: PLC0415 - a writer needs none
        from runtime.event_store.handlers.options import HandlerOptions  # noqa: PLC0415

        options = HandlerOptions(
            tail_stream=tail_stream,
            always_tail_stream=always_tail_stream,
            continue_on_error=continue_on_error,
            attempts=attempts,
            exclusive=exclusive,
            reaction=reaction,
        )
        return create_handler(self.context, self.handlers, bookmark, streams, options, cursors=cursors)

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
        ConfigurationError: Two aggregates have one stream, there is none, the provider is none, or an
            argument cannot be used.
    """
    check_provider(provider, "create_domain")
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
