"""What a domain needs of a store of events. `runtime.testing.ProviderContract` tells whether one does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import CommandRecord, Commit, Notice, UnreadableCommit
    from runtime.event_store.events.recorded import RecordedEvent
    from runtime.event_store.feed.cursors import Cursors

__all__ = ["AppendRefusedError", "ListsAggregates", "Provider", "check_provider"]


class AppendRefusedError(Exception):
    """Somebody was faster, or the command was done before: nothing was appended. It never leaves a domain.

    Attributes:
        moved: The aggregates that were appended to since they were read, each with the commit that stands
            directly behind the expected version; None where the provider cannot tell it.
        command: The record of the command's id that was there already; None where that is not the reason.
    """

    def __init__(self, moved: Mapping[Key, Commit | None], command: CommandRecord | None = None) -> None:
        super().__init__("nothing was appended: somebody was faster, or the command was done before")
        self.moved = dict(moved)
        self.command = command


@runtime_checkable
class ListsAggregates(Protocol):
    """What a provider does besides that can list the aggregates of a tenant."""

    def aggregate_ids(
        self, stream: str, tenant: str, *, start: str | None, limit: int
    ) -> tuple[Sequence[str], str | None]:
        """One page of ids, and where to go on; None behind the last page."""
        ...


class Provider(Protocol):
    """Where commits are kept.

    Besides what is said of each method, all of them raise `StoreUnavailableError` where the store is busy or
    out of reach, and nothing was written; and `append` `OutcomeUnknownError` where no answer came at all.
    A store that is out of reach is never told as a conflict.
    """

    def append(
        self,
        commits: Sequence[Commit],
        *,
        unmoved: Mapping[Key, int] | None = None,
        command: CommandRecord | None = None,
    ) -> None:
        """Append all or nothing: each commit on the condition that nothing stands at its first version.

        A commit that stands there with the same ``append_id`` is this append's own, whose answer was lost: it
        is a success.

        Args:
            commits: At most one for each aggregate.
            unmoved: Aggregates that must still be at these versions.
            command: What to record in the same transaction, unless a record of the same id is there.

        Raises:
            AppendRefusedError: One of the conditions does not hold.
        """
        ...

    def read(self, key: Key, *, after: int = 0, until: int | None = None) -> Iterator[Commit]:
        """Commits of an aggregate, consistently, the oldest first; pages are read as they are needed.

        Args:
            key: Whose.
            after: Version behind which to begin. Where it is in the middle of a commit, that one comes first.
            until: Version up to which to read. The commit that it is in comes whole. Default: the last one.

        Raises:
            CorruptStreamError: A commit is missing between two others, or at the beginning.
        """
        ...

    def read_back(self, key: Key, *, until: int | None = None, likely: int = 4) -> Iterator[Commit]:
        """The same, the newest first: for kept states, and for the last version.

        Args:
            key: Whose.
            until: Version to begin at; the commit that it is in comes whole. Default: the last one.
            likely: How many commits the caller will probably take: the first page has so many.

        Raises:
            CorruptStreamError: A commit is missing between two others.
        """
        ...

    def command(self, key: Key, command_id: str) -> CommandRecord | None:
        """What was recorded of a command's id, or None; what is older than a day only where it is kept."""
        ...

    def erase(self, key: Key, closing: Commit) -> int:
        """Blank all commits of an aggregate, and append ``closing`` behind them; how many were blanked.

        Keys, versions and types stay, so that nobody appends to what was erased; bodies, states, users,
        metadata, append ids, large objects and records of commands go. Safe to repeat after a failure: what
        was done already is not done again, and nothing follows a commit that closes.

        Args:
            key: Whose commits.
            closing: Who erases them, and when. Its version becomes the one behind the last.
        """
        ...

    def notices(self, streams: Sequence[str], after: str | None, limit: int) -> Sequence[Notice]:
        """What has happened behind a position, about in order. It may repeat; it must not leave out.

        An answer whose last position is ``after`` again is taken for the end: nothing in it is new.

        Args:
            streams: Which streams.
            after: `Notice.position` of the last one that was seen; None from the beginning.
            limit: The most to return.
        """
        ...

    def everything(
        self, streams: Sequence[str], *, segment: int, total_segments: int, start: str | None, limit: int
    ) -> tuple[Sequence[Commit | UnreadableCommit], str | None]:
        """One page of all commits, consistently, and where to go on; None behind the last page.

        All commits of an aggregate are in one segment, the oldest first. One that makes no sense does not
        hold up the others: an `UnreadableCommit` is in its place.
        """
        ...

    def cursors(self) -> Cursors:
        """Where the handlers' progress is kept."""
        ...

    def on_error(
        self, error: Exception, stream: str, bookmark: str, event: RecordedEvent[Any] | None
    ) -> None:
        """Called with what a handler raised, or what stopped a run; for logs and alarms.

        Args:
            error: What was raised.
            stream: Names of the handler's streams, ``"posts, users"``.
            bookmark: The handler's name.
            event: The event that failed; None where none did.
        """
        ...


_METHODS: Final = tuple(name for name in vars(Provider) if not name.startswith("_"))


def check_provider(provider: object, who: str) -> None:
    """Refuse what is no `Provider`, where it is given and not where it is first asked.

    Args:
        provider: What was given.
        who: Who takes it, for the error: "create_domain".

    Raises:
        ConfigurationError: It is a class, or has not all of a provider's methods.
    """
    missing = [name for name in _METHODS if not callable(getattr(provider, name, None))]
    if isinstance(provider, type):
        msg = f"{who} takes a provider, and {provider.__name__} is a class: call it, {provider.__name__}(...)"
        raise ConfigurationError(msg)
    if missing:
        msg = (
            f'{who} takes a provider first, such as MemoryProvider() or DynamoProvider("blog"); '
            f"{type(provider).__name__} is none, as it has no {', '.join(missing)}"
        )
        raise ConfigurationError(msg)
