"""A provider over the store port: the same in DynamoDB and in memory.

An append is one put, on the condition that its key is free; with guards, a command's record or further
aggregates it is one transaction. The row that stood in the way comes back with the refusal, so a loser has
the winner's events without another call, and an append whose answer was lost finds itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtime.errors import FieldProblem, InvalidInputError
from runtime.event_store.commits.command_row import command_in, command_place_key
from runtime.event_store.providers.appending import append
from runtime.event_store.providers.erasing import erase
from runtime.event_store.providers.listing import list_ids
from runtime.event_store.providers.notices import Listener
from runtime.event_store.providers.reading import Reader
from runtime.event_store.providers.scanning import scan
from runtime.log import error_fields, logger
from runtime.store.scan import Scan
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import CommandRecord, Commit, Notice, UnreadableCommit
    from runtime.event_store.events.recorded import RecordedEvent
    from runtime.event_store.feed.cursors import Cursors
    from runtime.event_store.providers.storage import EventStorage
    from runtime.store.unreferenced import Collected
    from runtime.store.values import Row

__all__ = ["StoreProvider"]


class StoreProvider:
    """Commits in the tables of a store: a `Provider`.

    Threads may share it.

    Args:
        storage: Gives the store and its tables; called once, when they are first needed.
        page_size: The most commits that are read with one call, 1 or more. Default: what fits into 1 MB.

    Raises:
        InvalidInputError: The page size is below 1.
    """

    def __init__(self, storage: Callable[[], EventStorage], *, page_size: int | None = None) -> None:
        if page_size is not None and (not isinstance(page_size, int) or page_size < 1):
            message = f"must be a number of commits from 1 on, got {page_size!r}"
            raise InvalidInputError([FieldProblem("page_size", message)])
        self._make_storage = storage
        self._page_size = page_size

    @cached_property
    def storage(self) -> EventStorage:
        """Where its commits are, and how: for what works on rows."""
        return self._make_storage()

    @cached_property
    def _listener(self) -> Listener:
        return Listener(self.storage, self._page_size)

    def append(
        self,
        commits: Sequence[Commit],
        *,
        unmoved: Mapping[Key, int] | None = None,
        command: CommandRecord | None = None,
    ) -> None:
        """See `Provider.append`. One put, or one transaction where there is more than one row to write.

        Raises:
            AppendRefusedError: One of the conditions does not hold.
            InvalidInputError: Something cannot be stored, or is too much for one transaction.
        """
        append(self.storage, commits, unmoved or {}, command)

    def read(self, key: Key, *, after: int = 0, until: int | None = None) -> Iterator[Commit]:
        """See `Provider.read`. One query a page.

        One more where nothing stands behind ``after``: it may be in the middle of the last commit.
        """
        return Reader(self.storage, key, self._page_size).forwards(after, until)

    def read_back(self, key: Key, *, until: int | None = None, likely: int = 4) -> Iterator[Commit]:
        """See `Provider.read_back`. Pages have ``likely`` commits, then four times as many, then the rest."""
        return Reader(self.storage, key, self._page_size).backwards(until, likely)

    def command(self, key: Key, command_id: str) -> CommandRecord | None:
        """See `Provider.command`. One read."""
        place = Place(self.storage.tables.events, key.pk, command_place_key(command_id))
        return command_in(self.storage.store.get(place), key, command_id)

    def aggregate_ids(
        self, stream: str, tenant: str, *, start: str | None = None, limit: int = 100
    ) -> tuple[Sequence[str], str | None]:
        """One page of the ids of a tenant's aggregates, and where to go on; None behind the last page.

        One query of the index ``aggregates``, which is up to date within a second or so. An erased aggregate
        is left out.

        Args:
            stream: Name of their stream.
            tenant: Code of the tenant. Check it with `runtime.identity.access.check_tenant` where it is told.
            start: What the page before has returned.
            limit: The most to return.

        Raises:
            ConfigurationError: The table has no such index.
            InvalidInputError: ``start`` is none of an earlier page.
        """
        return list_ids(self.storage, stream, tenant, start, limit)

    def erase(self, key: Key, closing: Commit) -> int:
        """See `Provider.erase`. It needs to update rows, which no function of the stack may.

        Args:
            key: Whose commits.
            closing: Who erases it, and when. Its version becomes the one behind the last.

        Raises:
            ContentionError: Others appended to it for as long as this call tried to close it.
        """
        return erase(self.storage, replace(closing, key=key))

    def collect_large_events(
        self,
        *,
        older_than: timedelta = timedelta(days=1),
        dry_run: bool = False,
        on_object: Callable[[str], None] | None = None,
    ) -> Collected:
        """Delete the objects of the attributes bucket that no commit refers to.

        An append writes its object before its row: one that is refused leaves the object behind. Run it now
        and then, from a schedule or a shell. Two requests for each aggregate with objects that are old
        enough, two more for each that is deleted.

        Args:
            older_than: Age from which on an object may be deleted. Leave it well above the longest time that
                an append takes. Default: a day.
            dry_run: Delete nothing.
            on_object: Called with the key of each object that is deleted, or would be.

        Raises:
            InvalidInputError: ``older_than`` is negative.
            ConfigurationError: There is no attributes bucket.
        """
        return self.storage.large.collect(
            self.storage.references, older_than=older_than, dry_run=dry_run, on_object=on_object
        )

    def notices(self, streams: Sequence[str], after: str | None, limit: int) -> Sequence[Notice]:
        """See `Provider.notices`. One query for each slice of the pull index, and for each further page."""
        return self._listener.notices(streams, after, limit)

    def everything(
        self, streams: Sequence[str], *, segment: int, total_segments: int, start: str | None, limit: int
    ) -> tuple[Sequence[Commit | UnreadableCommit], str | None]:
        """See `Provider.everything`. One scan of ``limit`` rows, at most 1000; a page may have no commits.

        Raises:
            InvalidInputError: An argument is out of range; the message names it.
        """
        page = Scan.checked(segment=segment, total_segments=total_segments, resume_from=start, limit=limit)
        return scan(self.storage, streams, page)

    def commit_in(self, row: Row) -> Commit:
        """The commit in a row of the events table, such as its stream brings.

        One call where its events are in the bucket.

        Raises:
            CorruptRowError: It makes no sense, or the bucket does not have its events.
        """
        return self.storage.commit(row)

    def cursors(self) -> Cursors:
        """See `Provider.cursors`: rows of the module's sync table.

        The same ones each time, so that whoever has several handlers reads their cursors with one call.
        """
        return self._cursors

    @cached_property
    def _cursors(self) -> Cursors:
        from runtime.event_store.feed.cursors import StoreCursors  # noqa: PLC0415 - a writer needs none

        return StoreCursors(self.storage.store, self.storage.tables.sync)

    def on_error(
        self, error: Exception, stream: str, bookmark: str, event: RecordedEvent[Any] | None
    ) -> None:
        """See `Provider.on_error`. It is a line of the log; where it is deployed, without texts of errors."""
        what: dict[str, Any] = error_fields(error)
        if event is not None:
            what["event_type"] = event.meta.event_type  # ids may be personal data
        logger.error("event handler failed", handler=bookmark, streams=stream, **what)
