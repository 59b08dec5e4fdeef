"""How events become a commit that goes on a state, and what is said where somebody was faster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from runtime import clock
from runtime.errors import (
    AggregateErasedError,
    FieldProblem,
    InvalidInputError,
    UnreadableEventError,
    VersionError,
)
from runtime.event_store.aggregates.immutable import is_immutable
from runtime.event_store.aggregates.loaded import advanced
from runtime.event_store.commits.commit import Known, made_commit, new_append_id
from runtime.event_store.events.event import Event
from runtime.event_store.events.recorded import RecordedEvent
from runtime.event_store.metadata import event_meta, gathered, meta_in
from runtime.log import logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runtime.event_store.address import Key
    from runtime.event_store.aggregates.aggregate import Aggregate
    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.commits.commit import CommandRecord, Commit
    from runtime.event_store.domain_context import DomainContext
    from runtime.event_store.provider import AppendRefusedError

__all__ = ["MAX_AGGREGATES", "Prepared", "as_events", "conflict", "prepared", "recorded_in", "send"]

EventT = TypeVar("EventT")
StateT = TypeVar("StateT")

MAX_AGGREGATES: Final = 100
"""How many aggregates one transaction may be about; the id of a command counts as one of them."""


class Prepared(NamedTuple, Generic[StateT]):
    """An append that is ready to be sent.

    Attributes:
        commit: What will be stored.
        after: What the aggregate will be.
    """

    commit: Commit
    after: Loaded[StateT]


def as_events(events: EventT | Sequence[EventT] | None) -> tuple[EventT, ...]:
    """What a command handler returned, as a tuple: none, one or several."""
    if events is None:
        return ()
    if isinstance(events, Event):  # most: told at once, where the question for a Sequence asks around
        return (events,)
    if isinstance(events, Sequence) and not isinstance(events, str | bytes):
        return tuple(events)
    return (events,)


def prepared(
    aggregate: Aggregate[EventT, StateT],
    loaded: Loaded[StateT],
    events: tuple[EventT, ...],
    *,
    command_id: str | None = None,
    source: str | None = None,
) -> Prepared[StateT]:
    """The commit of an append directly behind ``loaded``, and the state behind it. Nothing is sent.

    The fold sees each event as it will be read again.

    Raises:
        InvalidInputError: An event is of another aggregate, or cannot be stored.
        Exception: Whatever the fold raises.
    """
    key, version, state = loaded.key, loaded.version, loaded.folded
    user_id, metadata = gathered(source, command_id)
    at = clock.now()
    stored_events, read_events, is_lasting = [], [], True
    for event in events:
        stored, again = aggregate.types.stored(event)
        version += 1
        meta = event_meta(key, version, stored.type, at=at, user_id=user_id, metadata=metadata)
        state = aggregate.next_state(state, again, meta)
        stored_events.append(stored)
        read_events.append((again, meta))
        is_lasting = is_lasting and is_immutable(again)  # then whoever loads it may have the same one
    kept, must_keep, since = _kept(aggregate, state, loaded)
    commit = made_commit(
        key,
        loaded.version + 1,
        tuple(stored_events),
        new_append_id(),
        at,
        user_id,
        metadata,
        state=kept,
        fold=None if kept is None or aggregate.persist is None else aggregate.persist.version,
        must_keep_state=must_keep,
        known=Known(aggregate.types, tuple(read_events)) if is_lasting else None,
    )
    return Prepared(commit, advanced(loaded, version, state, since))


def _kept(
    aggregate: Aggregate[EventT, StateT], state: StateT, loaded: Loaded[StateT]
) -> tuple[Any, bool, int | None]:
    """The state to offer, whether it must be kept, and how many appends will have followed a kept one."""
    persist = aggregate.persist
    if persist is None:
        return None, False, None
    since = (loaded.commits_since_kept or 0) + 1
    try:
        kept = aggregate.kept(state)
    except ValueError as error:
        # The events are what counts: without a kept state a load only takes longer. `Scenario` fails of it.
        logger.warning("state not kept", stream=aggregate.stream, error=type(error).__name__)
        return None, False, since
    must_keep = since >= persist.every
    return kept, must_keep, 0 if must_keep else since


def send(
    context: DomainContext,
    commits: Sequence[Commit],
    guards: Mapping[Key, int],
    command: CommandRecord | None,
) -> None:
    """Append commits in one transaction, while what is guarded has not moved.

    Raises:
        InvalidInputError: They are too many for one transaction.
        AppendRefusedError: Somebody was faster, or the command was done before.
    """
    count = len(commits) + len(guards) + (command is not None)
    if count > MAX_AGGREGATES:
        message = (
            f"must be about at most {MAX_AGGREGATES} aggregates, the guarded ones and the command id "
            f"counted, got {count}; where a command reads so many others, create them with guard_reads=False"
        )
        raise InvalidInputError([FieldProblem("transaction", message)])
    context.provider.append(commits, unmoved=guards or None, command=command)


def conflict(
    context: DomainContext, refused: AppendRefusedError, versions: Mapping[Key, int]
) -> VersionError:
    """The error for an append that was refused because an aggregate has moved.

    Args:
        context: The domain.
        refused: What the provider says.
        versions: The versions that were expected; the aggregates that were appended to come first.

    Raises:
        AggregateErasedError: An aggregate was erased meanwhile.
    """
    key = next((key for key in versions if key in refused.moved), next(iter(versions)))
    winner = refused.moved.get(key)
    aggregate = context.aggregates.get(key.stream)
    told = () if winner is None or aggregate is None else _told(aggregate, winner, versions[key])
    return VersionError(key.pk, versions[key], told)


def _told(aggregate: Aggregate[Any, Any], winner: Commit, after: int) -> tuple[RecordedEvent[Any], ...]:
    try:
        return tuple(recorded_in(aggregate, winner, after=after))
    except UnreadableEventError:
        # A newer release was faster. That somebody was is what has to be said.
        return ()


def recorded_in(
    aggregate: Aggregate[EventT, Any], commit: Commit, *, after: int = 0, until: int | None = None
) -> Iterator[RecordedEvent[EventT]]:
    """The events of a commit.

    Raises:
        AggregateErasedError: They were erased.
        UnreadableEventError: Nothing in this code reads one of them.
    """
    if commit.is_erased or commit.closes:
        raise AggregateErasedError(commit.key.pk)
    for version, stored in enumerate(commit.events, commit.first):
        if version > after and (until is None or version <= until):
            event = aggregate.types.read(stored, commit.key, version)
            yield RecordedEvent(event, meta_in(commit, version))
