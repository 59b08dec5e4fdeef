"""Pulling: a handler asks the provider what has happened, and is shown it. For processes outside of Lambda.

A position says where to go on asking; it is never the truth. What the handler has seen is in its cursors, one
an aggregate, so a position that is old, lost, or written by two processes at once costs reads, and nothing
else.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from runtime.errors import BadRequestError
from runtime.event_store.handlers.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import Commit, Notice
    from runtime.event_store.feed.drain import Drained

__all__ = ["Bell", "Bookmark", "Pull", "Pulled", "Ringer", "Rung", "is_outage"]

_LIMIT: Final = 500
#: So many aggregates, and none of them succeeds: that is not the events' fault.
_OUTAGE_FROM: Final = 3
#: So much may be open before nothing new is asked for.
_MAX_OPEN: Final = 1000


@dataclass(slots=True)
class Bell:
    """An aggregate has come to a version.

    Attributes:
        key: Which one.
        version: The version.
        generation: Of the handler's read model that it rings for.
        commits: Commits that need not be read.
        positions: Of the commits that the provider handed over, by the versions that they begin with.
        events: How many events it tells of; None where that is not known.
        first: Version that the first commit begins with which rang it; None where that is not known.
        is_again: Whether it has rung before, and was left open.
        due: When to ring it again, by the monotonic clock; 0 for the next run.
        goes_on: Whether the turn's time was up while all was well: it goes on in the same run.
        may_come_again: Whether a process that has ended may have rung it before: the turn is claimed.
    """

    key: Key
    version: int
    generation: int = 1
    commits: list[Commit] = field(default_factory=list)
    positions: dict[int, str] = field(default_factory=dict)
    events: int | None = 0
    first: int | None = None
    is_again: bool = False
    due: float = 0.0
    goes_on: bool = False
    may_come_again: bool = False

    @property
    def whose(self) -> tuple[Key, int]:
        """Whose turn it rings for: one generation does not wait for another one that fails."""
        return self.key, self.generation


@dataclass(frozen=True, slots=True)
class Rung:
    """What came of a bell.

    Attributes:
        run: What was done.
        error: What the handler raised; None where it did not, or is parked.
        is_open: Whether it has to be rung again: the handler failed, or somebody else has the turn.
        drained: What came of it, as the drain says it; None where it did not come to that.
    """

    run: Run
    error: Exception | None = None
    is_open: bool = False
    drained: Drained | None = None


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a run did.

    Attributes:
        run: The figures.
        error: The first error of a callback; None where none failed.
        is_outage: Whether of three or more aggregates none succeeded, so that nothing was counted.
    """

    run: Run
    error: Exception | None = None
    is_outage: bool = False


def is_outage(rungs: Sequence[Rung]) -> bool:
    """Whether none of three or more aggregates was shown what it has: not the events' fault."""
    return _OUTAGE_FROM <= len(rungs) == sum(rung.error is not None for rung in rungs)


class Ringer(Protocol):
    """Shows a handler what it has not seen of some aggregates."""

    def generations(self) -> Sequence[int]:
        """The generations that bells ring for, the live one first."""
        ...

    def minds(self, stream: str, types: Sequence[str] | None) -> bool:
        """Whether the handler has to do anything about events of these names; see `FedHandler.minds`."""
        ...

    def begin(self, bells: Iterable[Bell]) -> None:
        """Get ready for these bells, which ring next."""
        ...

    def is_suspect(self, bell: Bell) -> bool:
        """Whether a turn that the bell rings for has died before."""
        ...

    def ring(self, bell: Bell) -> Rung:
        """Show the handler what it has not seen of one aggregate, up to the bell's version at least."""
        ...

    def settle(self, rungs: Sequence[Rung]) -> list[Rung]:
        """Count what has failed side by side, unless it looks like an outage: what came of it with that.

        Where an aggregate is parked now, its bell is not open any more.
        """
        ...


class Bookmark(Protocol):
    """Where a position is kept."""

    def read(self) -> str:
        """The position that was kept; empty where none was."""
        ...

    def write(self, position: str) -> None:
        """Keep a position."""
        ...


class Pull:
    """The runs of one handler in this process: one at a time.

    Args:
        name: The handler's, for messages.
        fetch: Gives what has happened behind a position, None for the beginning, and at most so much of it.
        ringer: Shows the handler what it has not seen.
        bookmark: Where the position is kept.
        begin: Gives the position to begin at where none is known in this process. Default: the bookmark's.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[str | None, int], Sequence[Notice]],
        ringer: Ringer,
        bookmark: Bookmark,
        begin: Callable[[], str] | None = None,
    ) -> None:
        self._name = name
        self._fetch = fetch
        self._ringer = ringer
        self._bookmark = bookmark
        self._begin = begin or bookmark.read
        self._turn = threading.Lock()
        self._holder: int | None = None
        #: Where to go on, and what the bookmark says; None while that is not known.
        self._position: str | None = None
        self._kept: str | None = None
        #: What has to be rung again. While there is anything, the bookmark stays in front of it.
        self._open: dict[tuple[Key, int], Bell] = {}

    def run(
        self,
        *,
        before: Callable[[], None],
        after: Callable[[Run], None],
        retry_after: float = 0.0,
        only_due: bool = False,
    ) -> Pulled:
        """Show the handler everything that is there: pages, until one is empty.

        What fails stays in front of its own aggregate; the others go on.

        Args:
            before: Called in front of each page.
            after: Called behind each page, with what was done.
            retry_after: Seconds until what fails now is due again.
            only_due: Leave out what has failed before and is not due yet.

        Raises:
            BadRequestError: One of the handler's own callbacks has called it.
            Exception: What the provider or a hook raises.
        """
        with self.in_turn():
            now = time.monotonic()
            self._forget_retired()
            again = [bell for bell in self._open.values() if not only_due or bell.due <= now]
            total, error = Run(), None
            while True:
                before()
                page, is_last = self._page(again, retry_after)
                after(page.run)
                total, error = total + page.run, error or page.error
                again = [bell for bell in self._open.values() if bell.goes_on]
                if page.is_outage or (is_last and not again):
                    return Pulled(total, error, page.is_outage)

    def seconds_until_due(self) -> float | None:
        """How long until what has failed is due again; None where nothing waits."""
        dues = [bell.due for bell in tuple(self._open.values()) if bell.due]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Wait for the run in progress, and keep others from beginning one.

        Raises:
            BadRequestError: The run in progress is the caller's own.
        """
        if self.is_run_here():
            msg = f"handler {self._name}: a callback or a hook must not run, move or reset its own handler"
            raise BadRequestError(msg)
        with self._turn:
            self._holder = threading.get_ident()
            try:
                yield
            finally:
                self._holder = None

    def is_run_here(self) -> bool:
        """Whether this thread is in a run: a callback or a hook asks."""
        return self._holder == threading.get_ident()

    def position(self) -> str:
        """Where the next run goes on; empty for the beginning."""
        known = self._position
        return self._bookmark.read() if known is None else known

    def move(self, position: str) -> None:
        """Go on elsewhere, and keep that."""
        with self.in_turn():
            self._bookmark.write(position)
            self._position = self._kept = position
            self._open.clear()

    def forget(self, also: Callable[[], None] | None = None) -> None:
        """Forget the position in memory: the next run reads it again.

        Args:
            also: What else is to be forgotten while no run is in progress.
        """
        with self.in_turn():
            if also is not None:
                also()
            self._position = self._kept = None
            self._open.clear()

    def _page(self, again: list[Bell], retry_after: float) -> tuple[Pulled, bool]:
        # What comes first may be what the process before has died at.
        is_first = self._position is None
        if self._position is None:
            self._position = self._begin()
            self._keep()
        is_full = len(self._open) >= _MAX_OPEN
        notices = [] if is_full else self._fetch(self._position or None, _LIMIT)
        bells, passed_over = self._bells(notices)
        for bell in bells:
            bell.may_come_again = is_first
        rungs, left_behind = self._ring([*again, *bells])
        done = Run(fetched=passed_over + left_behind)
        error: Exception | None = None
        is_all_down = is_outage([rung for _, rung in rungs])
        settled = self._ringer.settle([rung for _, rung in rungs])
        for (bell, _), rung in zip(rungs, settled, strict=True):
            done += rung.run
            error = error or rung.error
            if rung.is_open:
                # What somebody else has the turn at is looked at with each run.
                bell.due = 0.0 if rung.error is None else time.monotonic() + retry_after
                bell.goes_on = rung.error is None and rung.run.handled > 0
                self._open[bell.whose] = bell
            else:
                self._open.pop(bell.whose, None)
        # A provider may repeat what it has told: where it does nothing else, that was all.
        is_last = not notices or notices[-1].position == self._position
        if notices:
            self._position = notices[-1].position
        self._keep()
        return Pulled(done, error, is_all_down), is_last

    def _keep(self) -> None:
        """Write the position down, unless something in front of it is open."""
        if not self._open and self._position is not None and self._position != self._kept:
            self._bookmark.write(self._position)
            self._kept = self._position

    def _bells(self, notices: Sequence[Notice]) -> tuple[list[Bell], int]:
        """The bells that notices ring, in order, and how many events are none of the handler's.

        Where the provider hands over the commits themselves, their order is kept between aggregates, too: a
        bell is a run of one aggregate's commits. Where it does not, an aggregate is read up to its end at
        its first bell, so that it needs one.
        """
        bells: list[Bell] = []
        newest: dict[Key, Bell] = {}
        passed_over = 0
        generations = self._ringer.generations() if notices else ()
        for notice in notices:
            if notice.types is not None and not self._ringer.minds(notice.key.stream, notice.types):
                passed_over += len(notice.types)
                continue
            bell = newest.get(notice.key)
            if bell is None or (notice.commit is not None and bell is not bells[-1]):
                bell = newest[notice.key] = Bell(notice.key, 0)
                bell.first = notice.commit.first if notice.commit else None
                bells.append(bell)
            if notice.commit is not None:
                bell.commits.append(notice.commit)
                bell.positions[notice.commit.first] = notice.position
            bell.version = max(bell.version, notice.version)
            if bell.events is not None:
                bell.events = None if notice.types is None else bell.events + len(notice.types)
        # What it tells of counts once, however many generations it rings for.
        return [
            replace(
                bell, generation=number, positions=dict(bell.positions), events=0 if other else bell.events
            )
            for bell in bells
            for other, number in enumerate(generations)
        ], passed_over

    def _forget_retired(self) -> None:
        if self._open:
            fed = self._ringer.generations()
            self._open = {whose: bell for whose, bell in self._open.items() if bell.generation in fed}

    def _ring(self, bells: Sequence[Bell]) -> tuple[list[tuple[Bell, Rung]], int]:
        """Ring bells in order; what came of them, and how many events were left behind one that is open."""
        again = {id(bell) for bell in bells}
        stuck = {whose: bell for whose, bell in self._open.items() if id(bell) not in again}
        self._ringer.begin(bell for bell in bells if bell.whose not in stuck)
        rungs: list[tuple[Bell, Rung]] = []
        left_behind = 0
        for bell in bells:
            front = stuck.get(bell.whose)
            if front is not None:
                front.version = max(front.version, bell.version)
                front.positions |= bell.positions
                left_behind += bell.events or 0
                continue
            rung = self._ringer.ring(bell)
            if bell.events is not None and (bell.goes_on or not bell.is_again):
                # What it tells of is counted where it rings first.
                fetched = 0 if bell.goes_on else bell.events
                rung = replace(rung, run=replace(rung.run, fetched=fetched))
            if rung.is_open:
                # It may wait for long, and more may come behind it: what it has to show is read then.
                bell.commits, bell.is_again = [], True
                stuck[bell.whose] = bell
            rungs.append((bell, rung))
        return rungs, left_behind
