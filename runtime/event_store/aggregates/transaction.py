"""Appends to several aggregates at once, all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.event_store.aggregates.appending import conflict, prepared, send
from runtime.event_store.aggregates.checks import guarded_versions
from runtime.event_store.aggregates.repository import AggregateRepository
from runtime.event_store.provider import AppendRefusedError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from runtime.event_store.address import Key
    from runtime.event_store.aggregates.appending import Prepared
    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.domain_context import DomainContext

__all__ = ["Transaction"]

EventT = TypeVar("EventT")
StateT = TypeVar("StateT")


class Transaction:
    """Appends to up to 100 aggregates of a domain, all or nothing, at twice the write units.

    It is a ``with`` block: nothing is sent before its end, and nothing at all where it raises.

    Example:
        >>> with domain.transaction() as both:
        ...     both.append(domain[user], ann, UserDisabled(reason="abuse"))
        ...     both.append(domain[post], first, PostArchived())
        >>> both.after(ann).state.enabled
        False

    Args:
        context: The domain.
        source: Which code appends, for `EventMeta.source`.
    """

    def __init__(self, context: DomainContext, *, source: str | None = None) -> None:
        self._context = context
        self._source = source
        self._parts: dict[Key, _Part[Any, Any]] = {}
        self._guards: list[Loaded[Any]] = []
        self._after: dict[Key, Loaded[Any]] | None = None
        self._is_open = False
        self._was_entered = False

    def append(
        self,
        repository: AggregateRepository[EventT, StateT],
        loaded: Loaded[StateT],
        *events: EventT,
    ) -> None:
        """Append to an aggregate, directly behind ``loaded``, at the end of the block.

        Further events of the same aggregate go behind the earlier ones: ``loaded`` stays the same.

        Args:
            repository: The aggregates: ``domain[user]``.
            loaded: The aggregate as it was read.
            *events: What happened. Without one, nothing is appended to it.

        Raises:
            InvalidInputError: The aggregate is of the past, of another kind or domain, or was given before at
                another version; or an event is of another aggregate.
            ForbiddenError: The caller may not write there.
            ConfigurationError: The block is not entered, or has ended.
        """
        self._check_open()
        if not isinstance(repository, AggregateRepository) or repository.context is not self._context:
            is_one = isinstance(repository, AggregateRepository)
            what = f"{repository.aggregate.stream!r} of another one" if is_one else type(repository).__name__
            message = f"must be of the transaction's own domain, such as domain[user], got {what}"
            raise InvalidInputError([FieldProblem("repository", message)])
        for event in events:
            repository.aggregate.types.check(event)
        loaded = repository.appender.appendable(loaded)
        if not events:
            return
        part = self._parts.setdefault(loaded.key, _Part(repository, loaded))
        if part.loaded.version != loaded.version:
            message = (
                f"{loaded.key.pk} is given at version {loaded.version}, and was at {part.loaded.version} "
                "before; read it once"
            )
            raise InvalidInputError([FieldProblem("loaded", message)])
        part.events += events

    def guard(self, *loaded: Loaded[Any]) -> None:
        """Append only if these have not moved since they were read.

        Raises:
            InvalidInputError: One is of the past.
            ForbiddenError: The caller may not read it.
            ConfigurationError: The block is not entered, or has ended.
        """
        self._check_open()
        guarded_versions(self._context.provider, loaded, {})
        self._guards += loaded

    def after(self, loaded: Loaded[StateT]) -> Loaded[StateT]:
        """An aggregate as the transaction left it, for what was given to `append`.

        Raises:
            ConfigurationError: The block has not ended, or has failed.
        """
        if self._after is None:
            msg = "the transaction has appended nothing: after(...) is for behind its with block"
            raise ConfigurationError(msg)
        return self._after.get(loaded.key, loaded)

    def __enter__(self) -> Self:
        if self._was_entered:  # also where its block has failed: what that was to append must stay away
            msg = "a transaction is for one with block; call domain.transaction() for each"
            raise ConfigurationError(msg)
        self._is_open = self._was_entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Append.

        Raises:
            VersionError: Somebody else appended to one of the aggregates first; it carries what.
            InvalidInputError: These are more than 100 aggregates, or an event is of another aggregate or
                cannot be stored. Nothing was appended, as with all of these.
            AggregateErasedError: One was erased.
            StoreUnavailableError: The store is busy or out of reach.
            OutcomeUnknownError: The store gave no answer: all may have been appended.
        """
        self._is_open = False
        if kind is None:
            self._after = self._appended()

    def _appended(self) -> dict[Key, Loaded[Any]]:
        if not self._parts:
            return {}
        ready = {key: part.prepared(self._source) for key, part in self._parts.items()}
        versions = {key: part.loaded.version for key, part in self._parts.items()}
        unmoved = guarded_versions(self._context.provider, self._guards, versions)
        try:
            send(self._context, [one.commit for one in ready.values()], unmoved, None)
        except AppendRefusedError as refused:
            raise conflict(self._context, refused, {**versions, **unmoved}) from None
        return {key: part.repository.appender.appended(ready[key]) for key, part in self._parts.items()}

    def _check_open(self) -> None:
        if not self._is_open:
            msg = "the transaction is not open: use it in its own block, with domain.transaction() as ..."
            raise ConfigurationError(msg)


class _Part(Generic[EventT, StateT]):
    """What is appended to one aggregate."""

    def __init__(self, repository: AggregateRepository[EventT, StateT], loaded: Loaded[StateT]) -> None:
        self.repository = repository
        self.loaded = loaded
        self.events: list[EventT] = []

    def prepared(self, source: str | None) -> Prepared[StateT]:
        return prepared(self.repository.aggregate, self.loaded, tuple(self.events), source=source)
