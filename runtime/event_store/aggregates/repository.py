"""The aggregates of one kind in a domain: read as they are, read as they were, appended to."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from runtime import clock
from runtime.errors import (
    ConfigurationError,
    CorruptRowError,
    FieldProblem,
    InvalidInputError,
    VersionError,
)
from runtime.event_store.aggregates.appender import Appender
from runtime.event_store.aggregates.appending import as_events, conflict, prepared, recorded_in
from runtime.event_store.aggregates.checks import check_version, guarded_versions
from runtime.event_store.aggregates.guards import current_decision, note_read
from runtime.event_store.aggregates.rehydrate import Rehydrator, last_seen, last_version, unerased
from runtime.event_store.aggregates.tenants import key_of, tenant_of
from runtime.event_store.commands.command_ids import check_command_id, fingerprint
from runtime.event_store.commits.commit import Commit, new_append_id
from runtime.event_store.metadata import gathered
from runtime.event_store.provider import AppendRefusedError, ListsAggregates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime.event_store.address import Key
    from runtime.event_store.aggregates.aggregate import Aggregate
    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.commits.commit import StoredEvent
    from runtime.event_store.domain_context import DomainContext
    from runtime.event_store.events.recorded import RecordedEvent
    from runtime.event_store.provider import Provider

__all__ = ["AggregateRepository"]

EventT = TypeVar("EventT")
StateT = TypeVar("StateT")

#: How many ids are read at once.
_PAGE: Final = 100


class AggregateRepository(Generic[EventT, StateT]):
    """The aggregates of one kind: ``domain[user]``.

    ``tenant`` of each method is whose aggregate is meant. Default: in a command handler that of its command,
    in an event handler that of its event, in a request the one that it acts in; otherwise the domain's
    ``default_tenant``. Within a request each call is refused where its caller may not act in that tenant.

    Attributes:
        aggregate: The kind.
        context: What everything in the domain works with.
        appender: What commands and transactions are made of.
    """

    def __init__(self, context: DomainContext, aggregate: Aggregate[EventT, StateT]) -> None:
        self.aggregate = aggregate
        self.context = context
        self._states = Rehydrator(context, aggregate)
        self.appender = Appender(context, aggregate, self._states)

    def get_aggregate(
        self,
        aggregate_id: str,
        *,
        tenant: str | None = None,
        at_version: int | None = None,
        at_time: datetime | None = None,
    ) -> Loaded[StateT]:
        """The aggregate as it is now, or as it was. An id that is not used is no error: its version is 0.

        Args:
            aggregate_id: Its id.
            tenant: Whose it is.
            at_version: As it was directly after this event; 0 is before the first one.
            at_time: As it was at this time, which has a timezone: behind the last append whose time is not
                later. Those are times of their writers' clocks. Where the clocks differ, what stands in front
                of it belongs to it, too, whatever its own time: it was there before.

        Raises:
            InvalidInputError: There is no such version yet, or an argument cannot be used.
            ForbiddenError: The caller may not read there.
            AggregateErasedError: It was erased.
            UnreadableEventError: Nothing in this code reads one of its events.
            StoreUnavailableError: The store is busy or out of reach.
        """
        key = self.key_of(aggregate_id, tenant, write=False)
        if at_version is None and at_time is None:
            loaded = self._states.load(key)
            note_read(self.context.provider, key, loaded.version)
            return self._states.handed_out(loaded)
        version = self._past_version(key, at_version, at_time)
        if at_time is not None and at_time > clock.now():
            note_read(self.context.provider, key, version)  # what comes until then belongs to it
        return self._states.load_at(key, version)

    def events(
        self, aggregate_id: str, *, after: int = 0, until: int | None = None, tenant: str | None = None
    ) -> Iterator[RecordedEvent[EventT]]:
        """Its events, the oldest first; pages are read as they are needed.

        Where it ends before what is asked for, it is also known that it was not erased. Otherwise that takes
        one more read: from the moment on that somebody begins to erase it, nothing of it is given out.

        Args:
            aggregate_id: Its id.
            after: Version behind which to begin. Default: at the first event.
            until: Version up to which to read. Default: the last one.
            tenant: Whose it is.

        Raises:
            InvalidInputError: An argument cannot be used.
            ForbiddenError: The caller may not read there.
            AggregateErasedError: It was erased. This and what follows is raised when the events are read.
            UnreadableEventError: Nothing in this code reads one of them.
            StoreUnavailableError: The store is busy or out of reach.
        """
        check_version("after", after)
        if until is not None:
            check_version("until", until)
        key = self.key_of(aggregate_id, tenant, write=False)
        return self._events(self.context.provider, key, after, until)

    def append(
        self,
        loaded: Loaded[StateT],
        events: EventT | Sequence[EventT],
        *,
        command_id: str | None = None,
        guards: Sequence[Loaded[Any]] = (),
        source: str | None = None,
    ) -> Loaded[StateT]:
        """Append all or nothing, directly behind ``loaded``: one conditional write.

        Args:
            loaded: The aggregate as it was read, or as an append or a command returned it.
            events: What happened. An empty list appends nothing.
            command_id: Makes a repeated call return what the first one did, for a day; it takes a second
                row and a transaction. Default: a repeated call is a conflict.
            guards: Other aggregates of the same provider that must not have moved since they were read, in
                the same transaction; at most 99.
            source: Which code appends, for `EventMeta.source`.

        Returns:
            The aggregate behind the events.

        Raises:
            VersionError: Somebody else appended first; it carries what they appended.
            CommandReusedError: The command id was used for other events.
            InvalidInputError: An event is of another aggregate or cannot be stored, or an aggregate was read
                with ``at_version`` or ``at_time``. Nothing was appended, as with all of these.
            ForbiddenError: The caller may not write there.
            AggregateErasedError: It was erased.
            StoreUnavailableError: The store is busy or out of reach.
            OutcomeUnknownError: The store gave no answer: the events may have been appended.
        """
        check_command_id(command_id)
        appender = self.appender
        what = as_events(events)
        try:
            loaded = appender.appendable(loaded)
        except VersionError:
            # A version that was told, which this very call may have passed when it was made before.
            if command_id is None or not what:
                raise
            stored = [self.aggregate.types.stored(event)[0] for event in what]
            done = appender.done_before(appender.load(loaded.key), command_id, _digest(command_id, stored))
            if done is None:
                raise
            return done
        if not what:
            return loaded
        ready = prepared(self.aggregate, loaded, what, command_id=command_id, source=source)
        unmoved = guarded_versions(self.context.provider, guards, {loaded.key: loaded.version})
        record = None
        if command_id is not None:
            record = appender.record_of(ready, command_id, _digest(command_id, ready.commit.events))
        try:
            return appender.send(ready, unmoved, record)
        except AppendRefusedError as refused:
            if record is not None:
                done = appender.done_before(loaded, record.command_id, record.fingerprint, refused.command)
                if done is not None:
                    return done
            raise conflict(self.context, refused, {loaded.key: loaded.version, **unmoved}) from None

    def erase(self, aggregate_id: str, *, tenant: str | None = None, source: str | None = None) -> int:
        """Erase an aggregate for good: what was said goes, and who said it; its id is never used again.

        Keys, versions and the names of the events stay. From the first write on nobody appends to it, and no
        reader is given anything of it, even if whoever erases it dies half-way: they get
        `AggregateErasedError`. Two are told of what they have at hand, though it may not be blanked yet: who
        loses a conflict, of the append that won it; and a handler that has not seen all, until it is told
        that the aggregate was erased.

        In DynamoDB it needs the right to update rows, ``grants.erase``, which no function of the stack has;
        where events are in a bucket, ``grants.collect`` of that as well. Interrupted, it is called again, and
        goes on. Handlers are told by `EventHandler.handle_erased`.

        Args:
            aggregate_id: Its id.
            tenant: Whose it is.
            source: Which code erases, for the row that closes it.

        Returns:
            How many appends were blanked by this call: 0 for an id that was never used, which stays unused.

        Raises:
            InvalidInputError: An argument cannot be used.
            ForbiddenError: The caller may not write there.
            ContentionError: Others appended to it all the time; nothing was erased.
            StoreUnavailableError: The store is busy or out of reach; ``written`` says whether it was begun.
        """
        key = self.key_of(aggregate_id, tenant, write=True)
        if not _is_used(self.context.provider, key):
            return 0
        user_id, metadata = gathered(source, None)
        closing = Commit(
            key=key,
            first=1,
            events=(),
            append_id=new_append_id(),
            at=clock.now(),
            user_id=user_id,
            metadata=metadata,
            closes=True,
        )
        try:
            return self.context.provider.erase(key, closing)
        finally:
            if self.context.cache is not None:
                self.context.cache.drop(key)

    def ids(self, *, tenant: str | None = None) -> Iterator[str]:
        """Ids of the aggregates of a tenant, in no order to count on; those that were erased are left out.

        An aggregate that was written a moment ago may be missing. In DynamoDB the table needs its index of
        aggregates: ``aggregates_index=True``.

        Args:
            tenant: Whose.

        Raises:
            InvalidInputError: No tenant is known.
            ForbiddenError: The caller may not read there.
            ConfigurationError: The provider has no such list, or the table not its index.
            StoreUnavailableError: The store is busy or out of reach. This is raised when the ids are read.
        """
        stream = self.aggregate.stream
        whose = tenant_of(stream, tenant, self.context.default_tenant)
        provider = self.context.provider
        if not isinstance(provider, ListsAggregates):
            msg = f"{type(provider).__name__} lists no aggregates: it needs a method aggregate_ids"
            raise ConfigurationError(msg)
        return _ids(provider, stream, whose)

    def key_of(self, aggregate_id: str, tenant: str | None, *, write: bool) -> Key:
        """The key of an aggregate that a call names; see `tenants.key_of`."""
        return key_of(self.aggregate.stream, aggregate_id, tenant, self.context.default_tenant, write=write)

    def _past_version(self, key: Key, at_version: int | None, at_time: datetime | None) -> int:
        if at_time is None:
            assert at_version is not None  # noqa: S101 - one of them is given
            check_version("at_version", at_version)
            # Also because the past of what is being erased may still be there.
            last = last_version(self.context.provider, key)
            if at_version > last:
                message = f"must be at most {last}, which {key.pk} has come to, got {at_version}"
                raise InvalidInputError([FieldProblem("at_version", message)])
            return at_version
        if at_version is not None:
            message = "cannot be given together with at_version"
            raise InvalidInputError([FieldProblem("at_time", message)])
        if not isinstance(at_time, datetime) or at_time.tzinfo is None:
            message = f"must be a datetime with a timezone, such as datetime.now(UTC), got {at_time!r}"
            raise InvalidInputError([FieldProblem("at_time", message)])
        return self._states.version_at(key, at_time)

    def _events(
        self, provider: Provider, key: Key, after: int, until: int | None
    ) -> Iterator[RecordedEvent[EventT]]:
        version = after
        for commit in unerased(provider, key, after, until):
            for recorded in recorded_in(self.aggregate, commit, after=after, until=until):
                version = recorded.meta.version
                yield recorded
        if current_decision() is not None and (until is None or version < until):
            # It was read to its end. Whoever stops earlier has seen what never changes.
            is_known = version > after or after == 0
            note_read(provider, key, version if is_known else last_seen(provider, key, after))


def _digest(command_id: str, events: Sequence[StoredEvent]) -> str:
    return fingerprint(command_id, "append", [(stored.type, stored.body) for stored in events])


def _is_used(provider: Provider, key: Key) -> bool:
    try:
        return any(True for _ in provider.read_back(key, likely=1))
    except CorruptRowError:  # it cannot be read, and is there
        return True


def _ids(provider: ListsAggregates, stream: str, tenant: str) -> Iterator[str]:
    start: str | None = None
    while True:
        page, start = provider.aggregate_ids(stream, tenant, start=start, limit=_PAGE)
        yield from page
        if start is None:
            return
