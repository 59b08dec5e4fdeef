"""What every append to one kind of aggregate comes through: what it goes on, and what a lost one becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from runtime.errors import FieldProblem, GapError, InvalidInputError, VersionError
from runtime.event_store.aggregates.appending import recorded_in, send
from runtime.event_store.aggregates.checks import check_current
from runtime.event_store.aggregates.tenants import check_access
from runtime.event_store.commands.command_ids import check_same, record_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.event_store.address import Key
    from runtime.event_store.aggregates.aggregate import Aggregate
    from runtime.event_store.aggregates.appending import Prepared
    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.aggregates.rehydrate import Rehydrator
    from runtime.event_store.commits.commit import CommandRecord
    from runtime.event_store.domain_context import DomainContext
    from runtime.event_store.events.recorded import RecordedEvent
    from runtime.event_store.provider import AppendRefusedError

__all__ = ["Appender"]

EventT = TypeVar("EventT")
StateT = TypeVar("StateT")


class Appender(Generic[EventT, StateT]):
    """What appends, commands and transactions of one kind of aggregate are made of.

    Args:
        context: The domain.
        aggregate: The kind.
        states: Makes its states.
    """

    def __init__(
        self,
        context: DomainContext,
        aggregate: Aggregate[EventT, StateT],
        states: Rehydrator[EventT, StateT],
    ) -> None:
        self._context = context
        self._aggregate = aggregate
        self._states = states

    def load(self, key: Key) -> Loaded[StateT]:
        """An aggregate as it is now, for a key that was checked. It is no read of the command."""
        return self._states.load(key)

    def handed_out(self, loaded: Loaded[StateT]) -> Loaded[StateT]:
        """An aggregate for a caller, who may do to its state whatever they like."""
        return self._states.handed_out(loaded)

    def appendable(self, loaded: Loaded[StateT]) -> Loaded[StateT]:
        """What an append goes on: ``loaded``, or what is stored where the provider has not told it.

        Raises:
            InvalidInputError: It is of the past or of another kind of aggregate, or was never read.
            VersionError: It was made by hand, or is another provider's, and is not what is stored; `GapError`
                where it is beyond that.
            ForbiddenError: The caller may not write there.
        """
        check_current("loaded", loaded)
        if loaded.key.stream != self._aggregate.stream:
            message = f"must be an aggregate of {self._aggregate.stream!r}, got {loaded.key.pk}"
            raise InvalidInputError([FieldProblem("loaded", message)])
        check_access(loaded.key, write=True)
        if loaded.is_proof_for(self._context.provider):
            return loaded
        stored = self._states.load(loaded.key)
        self.check_expected(loaded.version, stored)
        return self._states.handed_out(stored)

    def check_expected(self, expected: int, stored: Loaded[StateT]) -> None:
        """Refuse a version that was told, and is not the one that is stored.

        Raises:
            VersionError: It has passed; the error carries what came next. `GapError`: it is still to come.
        """
        pk = stored.key.pk
        if expected > stored.version:
            raise GapError(pk, expected, stored.version)
        if expected < stored.version:
            raise VersionError(pk, expected, self._behind(stored.key, expected))

    def send(
        self, ready: Prepared[StateT], unmoved: Mapping[Key, int], record: CommandRecord | None
    ) -> Loaded[StateT]:
        """Send a prepared append; the aggregate behind it.

        Raises:
            AppendRefusedError: Somebody was faster, or the command was done before.
        """
        send(self._context, (ready.commit,), unmoved, record)
        return self.appended(ready)

    def appended(self, ready: Prepared[StateT]) -> Loaded[StateT]:
        """What to return for an append that has been done."""
        cache = self._context.cache
        if cache is not None:
            cache.put(ready.after)
        return self._states.handed_out(ready.after)

    def record_of(self, ready: Prepared[StateT], command_id: str, digest: str) -> CommandRecord:
        """What is recorded with an append that has a command id."""
        commit = ready.commit
        return record_of(commit.key, command_id, digest, commit.first, commit.last)

    def done_before(
        self, loaded: Loaded[StateT], command_id: str, digest: str, found: CommandRecord | None = None
    ) -> Loaded[StateT] | None:
        """What a repeated command returns, by its id; None where it was not done before.

        Args:
            loaded: The aggregate.
            command_id: Id of the command.
            digest: Fingerprint of the command.
            found: Its record, where it is known. Default: it is looked up.

        Raises:
            CommandReusedError: Something else was done under the id.
        """
        record = found or self._context.provider.command(loaded.key, command_id)
        if record is None:
            return None
        check_same(record, digest)
        if loaded.version == record.last:
            return self._states.handed_out(loaded)
        now = self._states.load(loaded.key)
        return self._states.handed_out(
            now if now.version == record.last else self._states.load_at(loaded.key, record.last)
        )

    def after_conflict(self, loaded: Loaded[StateT], refused: AppendRefusedError) -> Loaded[StateT]:
        """The aggregate to decide on anew: the winner's events are at hand, so nothing is read.

        Raises:
            AggregateErasedError: It was erased meanwhile.
        """
        if refused.moved and loaded.key not in refused.moved:
            return loaded  # it is another one, which is guarded, that has moved
        winner = refused.moved.get(loaded.key)
        if winner is None or winner.first > loaded.version + 1:
            return self._states.load(loaded.key)
        found = self._states.follow(loaded, [winner])
        if self._context.cache is not None:
            self._context.cache.put(found)
        return found

    def _behind(self, key: Key, version: int) -> tuple[RecordedEvent[EventT], ...]:
        """What was appended directly behind a version, in one append; nothing where it is the last one."""
        for commit in self._context.provider.read(key, after=version, until=version + 1):
            found = tuple(recorded_in(self._aggregate, commit, after=version))
            if found:
                return found
        return ()
