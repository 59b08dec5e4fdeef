"""How a state is made of what is stored: from the beginning, from a kept state, or on from what is known."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from runtime.errors import AggregateErasedError, CorruptStreamError
from runtime.event_store.aggregates.immutable import handed_out, is_immutable
from runtime.event_store.aggregates.loaded import Loaded, advanced, go_on_proof_of, told
from runtime.event_store.metadata import meta_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from runtime.event_store.address import Key
    from runtime.event_store.aggregates.aggregate import Aggregate
    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.domain_context import DomainContext
    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.provider import Provider

__all__ = ["Rehydrator", "last_seen", "last_version", "unerased"]

EventT = TypeVar("EventT")
StateT = TypeVar("StateT")

#: So many commits are read at once where it has to be known that nobody has begun to erase them.
_AHEAD: Final = 100
_FURTHER_AHEAD: Final = 1000


class Rehydrator(Generic[EventT, StateT]):
    """Makes the states of one kind of aggregate.

    Args:
        context: The domain.
        aggregate: The kind.
    """

    def __init__(self, context: DomainContext, aggregate: Aggregate[EventT, StateT]) -> None:
        self._context = context
        self._aggregate = aggregate

    def load(self, key: Key) -> Loaded[StateT]:
        """An aggregate as it is now.

        Raises:
            AggregateErasedError: It was erased.
            CorruptStreamError: Commits are missing.
            UnreadableEventError: Nothing in this code reads one of its events.
        """
        cache = self._context.cache
        if cache is None:
            return self._load(key)
        known = cache.get(key)
        try:
            found = None if known is None else self._brought_up_to_date(known)
            if found is None:
                cache.drop(key)
                found = self._load(key)
        except AggregateErasedError:
            cache.drop(key)  # what was erased stays nowhere
            raise
        cache.put(found)
        return found

    def _load(self, key: Key) -> Loaded[StateT]:
        if self._aggregate.persist is None:
            provider = self._context.provider
            return self.follow(told(provider, key, 0, self._aggregate.create()), provider.read(key))
        return self._from_kept(key, None)

    def _brought_up_to_date(self, known: Loaded[StateT]) -> Loaded[StateT] | None:
        """What is known and what is newer, with one call where that is one append at most.

        Returns:
            The aggregate; None where what is known is no beginning of what is stored, as after the table was
            restored.
        """
        newer: list[Commit] = []
        version = 0
        for commit in self._context.provider.read_back(known.key, likely=2):
            if commit.last <= known.version:
                version = commit.last
                break
            newer.append(commit)
        return self.follow(known, reversed(newer)) if version == known.version else None

    def load_at(self, key: Key, version: int) -> Loaded[StateT]:
        """An aggregate as it was, which nobody may append to.

        Returns:
            What it was at ``version``, or at its last one where that is lower.
        """
        provider = self._context.provider
        if version == 0:
            found = self._unwritten(key)
        elif self._aggregate.persist is None:
            found = self.follow(self._unwritten(key), provider.read(key, until=version), until=version)
        else:
            found = self._from_kept(key, version)
        past = Loaded(key, found.version, found.state, is_past=True, persisted=found.persisted)
        return go_on_proof_of(found, past)

    def version_at(self, key: Key, time: datetime) -> int:
        """The version that an aggregate had come to at a time; 0 before its first event.

        By the order of the versions: everything up to the last commit whose time is not later. Times are
        those of their writers' clocks, which differ. But whoever appends has seen what stands in front: a
        commit that says to be later than one behind it was made before that one all the same. So an aggregate
        never goes back while time goes on, and is read from its end, as far as need be.
        """
        for commit in self._context.provider.read_back(key):
            _refuse_erased(commit)
            if commit.at <= time:
                return commit.last
        return 0

    def follow(
        self, loaded: Loaded[StateT], commits: Iterable[Commit], *, until: int | None = None
    ) -> Loaded[StateT]:
        """An aggregate after more commits.

        Args:
            loaded: The aggregate before them.
            commits: What is stored behind it, the oldest first. What it has of the first one is passed over.
            until: The last version to fold. Default: the last one that is there.

        Raises:
            AggregateErasedError: One of them was erased.
            CorruptStreamError: One is missing between ``loaded`` and them, or among them.
            Exception: Whatever the fold raises.
        """
        key, version, state = loaded.key, loaded.version, loaded.folded
        types, next_state = self._aggregate.types, self._aggregate.next_state
        since, end = loaded.commits_since_kept, None
        for commit in commits:
            if commit.is_erased or commit.closes:
                raise AggregateErasedError(key.pk)
            begin = version + 1 - commit.first
            if begin < 0:
                msg = (
                    f"{key.pk} goes from version {version} to {commit.first}: commits are missing; "
                    "restore their rows"
                )
                raise CorruptStreamError(msg)
            if until is not None:
                end = max(until + 1 - commit.first, 0)
            known = commit.known
            events: Iterable[tuple[EventT, EventMeta]]
            if known is not None and known.reader is types:
                events = known.events[begin:end]
            else:
                events = self._read(commit, begin, end)
            for event, meta in events:
                state = next_state(state, event, meta)
                version += 1
            if since is not None:
                since = 0 if self._is_kept_in(commit) else since + 1
        if version == loaded.version:
            return loaded
        return advanced(loaded, version, state, since)

    def _read(self, commit: Commit, begin: int, end: int | None) -> Iterator[tuple[EventT, EventMeta]]:
        """Some events of a commit by their places in it, each one read when it is asked for."""
        read, key = self._aggregate.types.read, commit.key
        for version, stored in enumerate(commit.events[begin:end], commit.first + begin):
            yield read(stored, key, version), meta_in(commit, version)

    def handed_out(self, loaded: Loaded[StateT]) -> Loaded[StateT]:
        """An aggregate for a caller, who may do to its state whatever they like."""
        own = loaded.folded
        if is_immutable(own):
            return loaded
        copied = Loaded(
            loaded.key,
            loaded.version,
            handed_out(own),
            loaded.is_past,
            loaded.persisted,
            loaded.commits_since_kept,
            _own=own,
        )
        return go_on_proof_of(loaded, copied)

    def _unwritten(self, key: Key) -> Loaded[StateT]:
        since = None if self._aggregate.persist is None else 0
        return told(self._context.provider, key, 0, self._aggregate.create(), commits_since_kept=since)

    def _from_kept(self, key: Key, until: int | None) -> Loaded[StateT]:
        """Back to the newest kept state of today's fold, then forward from there."""
        newer: list[Commit] = []
        for commit in self._context.provider.read_back(key, until=until):
            _refuse_erased(commit)
            if self._is_kept_in(commit) and (until is None or commit.last <= until):
                found = self._kept_in(commit)
                if found is not None:
                    return self.follow(found, reversed(newer), until=until)
            newer.append(commit)
        return self.follow(self._unwritten(key), reversed(newer), until=until)

    def _is_kept_in(self, commit: Commit) -> bool:
        persist = self._aggregate.persist
        return persist is not None and commit.state is not None and commit.fold == persist.version

    def _kept_in(self, commit: Commit) -> Loaded[StateT] | None:
        """What a commit keeps; None where the class of the state has changed since, and its stamp has not."""
        try:
            state = self._aggregate.restored(commit.state)
        except ValueError:
            return None
        return told(
            self._context.provider,
            commit.key,
            commit.last,
            state,
            persisted=commit.fold,
            commits_since_kept=0,
        )


def last_version(provider: Provider, key: Key) -> int:
    """The version that an aggregate has come to.

    Raises:
        AggregateErasedError: It was erased.
    """
    for commit in provider.read_back(key, likely=1):
        _refuse_erased(commit)
        return commit.last
    return 0


def unerased(provider: Provider, key: Key, after: int, until: int | None) -> Iterator[Commit]:
    """The commits of an aggregate, see `Provider.read`, unless somebody has begun to erase it.

    What is to be blanked still says what it said, and what closes the aggregate stands at its end. So some
    commits are read ahead, and looked at together: with that end, or with one more read of it.

    Raises:
        AggregateErasedError: It was erased, or is being erased.
    """
    commits, most = iter(provider.read(key, after=after, until=until)), _AHEAD
    while found := list(islice(commits, most)):
        for commit in found:
            _refuse_erased(commit)
        is_to_its_end = len(found) < most and (until is None or found[-1].last < until)
        if not is_to_its_end:
            last_version(provider, key)
        yield from found
        most = _FURTHER_AHEAD


def last_seen(provider: Provider, key: Key, version: int) -> int:
    """The version to guard, where nothing was found behind ``version``: the last one.

    Where something has come behind ``version`` since, that was not seen: then the version that it stands
    behind, so that the guard fails.

    Raises:
        AggregateErasedError: It was erased.
    """
    for commit in provider.read_back(key, likely=1):
        _refuse_erased(commit)
        return commit.last if commit.last <= version else commit.first - 1
    return 0


def _refuse_erased(commit: Commit) -> None:
    if commit.is_erased or commit.closes:
        raise AggregateErasedError(commit.key.pk)
