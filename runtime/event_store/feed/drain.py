"""Drain: let one handler see every event of one aggregate that it has not seen, in order.

How that is done is in `runtime.pipeline.catch_up`, which commands and events share. Here is what a
version is: an event, which stands in a commit beside others. What doorbells bring along is not read
again; where it does not go on directly behind the cursor, one query reads what does, to the end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from runtime.errors import (
    BadRequestError,
    ContentionError,
    CorruptRowError,
    CorruptStreamError,
    CqrsError,
    PreviousVersionPending,
    StoreRefusedError,
)
from runtime.event_store.feed.tail import first_since
from runtime.event_store.feed.tries import has_failed_enough
from runtime.log import error_fields, logger
from runtime.model.cursor import TurnDiedError, TurnLostError
from runtime.pipeline.catch_up import Outcome, Turn, catch_up
from runtime.pipeline.repairing import Repair, check_parked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.feed.cursors import CursorKey
    from runtime.event_store.feed.fed_handler import FedHandler
    from runtime.event_store.provider import Provider
    from runtime.pipeline.turn_row import TurnRow

__all__ = ["LONGEST_TURN", "Drained", "EventVersions", "drain", "is_suspect", "type_of"]

LONGEST_TURN: Final = 60.0
"""Seconds that a turn takes at most: so long an aggregate waits for whoever claimed it and died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What came of an attempt to catch up.

    Attributes:
        whose: Whose turn it was.
        row: The cursor, as the turn has left it.
        outcome: How the turn ended; None where it did not come to the version: `error` is what the handler
            raised then, or None where the time was up, or others were always faster.
        handled: Events that the handler's callbacks have seen now.
        passed_over: Events that failed, and were passed over.
        seen: Commits that the turn went over, and the version that it began behind.
        error: What the handler raised at last, or why nothing more of the aggregate can be shown; or None.
        is_told: Whether the provider was told of that: it is what a callback raised.
        failed_at: When it did, by the monotonic clock; 0 where it did not.
        succeeded_at: When the last call began in which it succeeded, by the monotonic clock; 0 without one.
        has_failed_before: Whether the row said already, when the turn began, that the same event had failed.
        succeeded_with: Type of the last event in which it succeeded; None without one.
        failed_with: Type of the event that failed; None where none did, or that is not known.
    """

    whose: CursorKey
    row: TurnRow
    outcome: Outcome | None
    handled: int = 0
    passed_over: int = 0
    seen: tuple[Commit, ...] = ()
    error: Exception | None = None
    is_told: bool = False
    failed_at: float = 0.0
    succeeded_at: float = 0.0
    has_failed_before: bool = False
    succeeded_with: str | None = None
    failed_with: str | None = None

    @property
    def comes_again(self) -> bool:
        """Whether the doorbell has to ring again: the handler is behind, and not parked."""
        # Whoever has the turn may have died: then nobody comes to what was left to them.
        return self.outcome in {None, Outcome.LEFT}


def drain(
    provider: Provider,
    handler: FedHandler,
    whose: CursorKey,
    version: int,
    row: TurnRow,
    *,
    commits: Iterable[Commit] = (),
    exclusive: bool | None = None,
    owner: str | None = None,
) -> Drained:
    """Bring a handler to ``version`` of an aggregate, or beyond.

    An aggregate that has lost commits, or has one that nobody can read, fails as if its next event did.

    So does one at which turns die, that is, end with their process: a callback never returns, or takes more
    memory than there is. A claimed turn that died is seen by its claim, and from then on turns at the
    aggregate are claimed, whatever the handler says, and note each step.

    Where the commits at hand go on behind the cursor: no read, and one write however many events that are;
    two where the turn is claimed. Nothing where the handler has seen the version, or is parked.

    Args:
        provider: Where the events are.
        handler: The handler.
        whose: Whose cursor: the handler's, for a generation and an aggregate.
        version: Version that the doorbell rang for.
        row: That cursor, as it was just read.
        commits: Commits of the aggregate that the doorbells brought along.
        exclusive: Whether to claim the turn. Default: as the handler says.
        owner: Who takes it. Default: somebody new.

    Raises:
        CqrsError: The store of the events or of the cursors is out of reach. What was shown by then is noted
            where that can be done.
    """
    versions = EventVersions(provider, handler, whose, row, commits)
    if row.cursor.has_died_again() and has_failed_enough(
        row.cursor, died := TurnDiedError(), handler.attempts
    ):
        logger.error("turns die at an event", handler=handler.name)
        versions.fail(died)
        return versions.drained(None)
    is_exclusive = handler.exclusive if exclusive is None else exclusive
    is_exclusive = is_exclusive or is_suspect(row)
    turn = Turn(
        handler.name,
        owner or f"feed-{uuid4().hex}",
        versions,
        exclusive=is_exclusive,
        longest=LONGEST_TURN,
        counts_deaths=True,
    )
    outcome: Outcome | None = None
    try:
        outcome = catch_up(turn, version)
        if row.cursor.parked_version is not None and versions.ends():
            outcome = _released(handler, versions)
    except PreviousVersionPending as error:
        logger.info("event handler has more to see", handler=handler.name, **error_fields(error))
    except Exception as error:
        if error is not versions.error:
            if not isinstance(error, CorruptRowError | StoreRefusedError):
                _let_go(turn)
                raise
            # Trying again does not help, and whatever holds up its records would hold up others'.
            versions.fail(error)
            _note(turn, version, error)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        _let_go(turn)  # an orderly end, as by the handler of a signal: the event has nothing to do with that
        raise
    finally:
        row.close()
    return versions.drained(outcome)


def is_suspect(row: TurnRow) -> bool:
    """Whether a turn at an aggregate has died, so that the next one may do so, too."""
    return row.cursor.has_died() or row.cursor.has_died_before()


def _released(handler: FedHandler, versions: EventVersions) -> Outcome:
    """What a handler was parked at is blanked, and so no obstacle any more: it only has to hear of that."""
    try:
        repaired = Repair(handler.name, versions).run()
    except BadRequestError:
        return Outcome.DONE  # somebody else has done it
    except ContentionError:
        return Outcome.LEFT
    return Outcome.DONE if repaired.parked_version is None else Outcome.PARKED


def _let_go(turn: Turn[tuple[Commit, int]]) -> None:
    try:
        turn.let_go()
    except CqrsError as problem:
        logger.warning("turn not let go", handler=turn.name, error=type(problem).__name__)


def _note(turn: Turn[tuple[Commit, int]], version: int, error: Exception) -> None:
    logger.error("events cannot be shown", handler=turn.name, **error_fields(error))
    # Where a database refuses what callbacks have written, its own words say what it does not take.
    own = error.__cause__ if isinstance(error.__cause__, Exception) else error
    try:
        turn.fail(version, own)
    except (CqrsError, TurnLostError) as problem:
        logger.warning("failure not noted", handler=turn.name, error=type(problem).__name__)


def type_of(commit: Commit, version: int) -> str | None:
    """Type of an event of a commit; None for one that closes an erased aggregate, which has no event."""
    return None if commit.closes else commit.events[version - commit.first].type


class _PassedOverError(Exception):
    """An event has failed, and the handler goes on behind it."""


class EventVersions:
    """The events of one aggregate, as one handler is to see them; also for the repair of a parked one.

    Args:
        provider: Where the events are.
        handler: The handler.
        whose: Whose cursor.
        row: The cursor, as it was just read.
        commits: Commits that need not be read.

    Attributes:
        error: What the handler raised; None where it did not.
    """

    def __init__(
        self,
        provider: Provider,
        handler: FedHandler,
        whose: CursorKey,
        row: TurnRow,
        commits: Iterable[Commit] = (),
    ) -> None:
        self._provider = provider
        self._handler = handler
        self._whose = whose
        self._row = row
        self._at_hand = {commit.first: commit for commit in commits}
        self._reads_on = False
        self._seen: list[Commit] = []
        self._handled = self._passed_over = 0
        self._failed_at = self._succeeded_at = 0.0
        self._failed_before = row.cursor.failed_version
        self._succeeded_with: str | None = None
        self._failed_with: str | None = None
        self._is_told = False
        self.error: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Take note of why nothing more can be shown."""
        self.error, self._failed_at = error, time.monotonic()

    def drained(self, outcome: Outcome | None) -> Drained:
        """What came of it all."""
        return Drained(
            whose=self._whose,
            row=self._row,
            outcome=outcome,
            handled=self._handled,
            passed_over=self._passed_over,
            seen=tuple(self._seen),
            error=self.error,
            is_told=self._is_told,
            failed_at=self._failed_at,
            succeeded_at=self._succeeded_at,
            has_failed_before=self._failed_before is not None
            and self._failed_before == self._row.cursor.failed_version,
            succeeded_with=self._succeeded_with,
            failed_with=self._failed_with,
        )

    def ends(self) -> bool:
        """Whether the aggregate was erased: one read where the doorbells have brought nothing along."""
        if self._at_hand:
            return any(commit.closes for commit in self._at_hand.values())
        newest = next(iter(self._provider.read_back(self._whose.key, likely=1)), None)
        return newest is not None and newest.closes

    @property
    def row(self) -> TurnRow:
        """The handler's cursor for the aggregate."""
        return self._row

    @property
    def last(self) -> int:
        """Nothing is known beyond what the doorbell says; `behind` goes on to the end by itself."""
        return 0

    @property
    def witness(self) -> None:
        """Nothing: events are never deleted, so nothing can be late for an aggregate that is gone."""
        return

    @property
    def is_checked(self) -> bool:
        """No: cursors may be kept elsewhere than events. Whoever meets a repair leaves it the version."""
        return False

    def is_over(self) -> bool:
        """Never: an aggregate has one life."""
        return False

    def first(self, last: int) -> int:
        """The first event; for a handler that begins at a time, the first one that was appended since."""
        since = self._handler.since
        if since is None:
            return 1
        return first_since(self._provider, self._whose.key, since, last)

    def behind(self, done: int, last: int) -> Iterator[tuple[int, tuple[Commit, int] | None]]:
        """The events behind a version; None for those that the handler has nothing to do about.

        Raises:
            CorruptStreamError: Commits are missing.
        """
        for commit in self._commits(done, last):
            self._seen.append(commit)
            for version in range(max(commit.first, done + 1), commit.last + 1):
                yield version, (commit, version) if self._is_minded(commit, version) else None
            done = commit.last
        if done < last:
            msg = f"{self._pk} has come to version {last}, and ends at {done}; restore what is gone"
            raise CorruptStreamError(msg)

    def _commits(self, done: int, last: int) -> Iterator[Commit]:
        """The commits behind a version: those at hand, and what is not among them in one query."""
        first = self.resume(done) or done + 1
        while (commit := self._at_hand.get(first)) is not None:
            yield commit
            first = commit.last + 1
        if first > last and not self._reads_on:
            return
        for commit in self._provider.read(self._whose.key, after=first - 1):
            if not commit.first <= first <= commit.last:
                msg = f"{self._pk} has no version {first}, and goes on with {commit.first}; restore it"
                raise CorruptStreamError(msg)
            yield commit
            first = commit.last + 1

    @property
    def _pk(self) -> str:
        return self._whose.key.pk

    def _is_minded(self, commit: Commit, version: int) -> bool:
        if commit.closes:
            return self._handler.minds(commit.key.stream, None)
        if commit.is_erased:
            return False  # what it said is gone
        return self._handler.minds(commit.key.stream, (commit.events[version - commit.first].type,))

    def show(self, found: tuple[Commit, int]) -> None:
        """Show the handler one event.

        Raises:
            Exception: Whatever it raises.
        """
        commit, version = found
        began = time.monotonic()
        try:
            with self._row.showing():
                worked = self._show(commit, version)
        except _PassedOverError:
            self._passed_over += 1
            return
        if worked:
            self._handled += 1
            self._succeeded_at = began
            self._succeeded_with = type_of(commit, version) or self._succeeded_with

    def _show(self, commit: Commit, version: int) -> bool | None:
        try:
            worked = self._handler.show(commit, version, generation=self._whose.generation)
        except Exception as error:
            self.fail(error)
            self._failed_with = type_of(commit, version)
            self._is_told = True
            raise
        if worked is False:
            raise _PassedOverError  # what the callback has written goes with it
        return worked

    def resume(self, version: int) -> int | None:
        """Where the commit begins that a version is in the middle of, or None."""
        for commit in reversed(self._seen):
            if commit.first <= version <= commit.last:
                return commit.first if version < commit.last else None
        cursor = self._row.cursor
        return cursor.resume if cursor.version == version else None

    # --- repairs ----------------------------------------------------------------------------------

    def read_parked(self, *, is_first: bool) -> bool:
        """Read the cursor.

        Raises:
            ItemNotFoundError: See `check_parked`.
            BadRequestError: See `check_parked`.
        """
        cursor = self._row.read()
        if is_first:
            check_parked(self._handler.name, cursor)
        # Whoever met the handler parked before the repair claimed its row has left no word of it; and what
        # doorbells brought along may have been blanked since.
        self._reads_on = True
        self._at_hand.clear()
        self._seen.clear()
        return True

    def up_to(self, parked: int) -> tuple[int, None]:
        """Up to the end: who comes later leaves word on the row, since it is claimed meanwhile."""
        return parked, None

    def settle(self, begin: int, done: int) -> None:
        """Nothing: nobody was told that the events have failed."""
