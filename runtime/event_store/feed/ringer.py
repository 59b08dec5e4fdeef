"""Ringing for one handler where no stream does: for pulls, scans, and who cannot wait."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from runtime import clock
from runtime.backoff import back_off
from runtime.contract import NO_MODULE
from runtime.errors import ContentionError
from runtime.event_store.feed.cursors import CursorKey
from runtime.event_store.feed.drain import EventVersions, drain, is_suspect
from runtime.event_store.feed.failures import park_what_fails
from runtime.event_store.feed.pull import Rung
from runtime.event_store.feed.showing import at_position
from runtime.event_store.handlers.run import Run
from runtime.pipeline.catch_up import RESERVE, Outcome
from runtime.pipeline.repairing import Repair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.feed.drain import Drained
    from runtime.event_store.feed.fed_handler import FedHandler
    from runtime.event_store.feed.probing import Probes
    from runtime.event_store.feed.pull import Bell
    from runtime.event_store.provider import Provider
    from runtime.model.cursor import Cursor
    from runtime.pipeline.repairing import Repaired
    from runtime.pipeline.turn_row import TurnRow

__all__ = ["HandlerRinger"]

_PAGE: Final = 1000
_NOWHERE: Final[Mapping[int, str]] = MappingProxyType({})
#: How often, and how long at most between, somebody who cannot wait asks for a turn that somebody else has.
_MAX_ROUNDS: Final = 12
_FIRST_WAIT: Final = 0.02
_LONGEST_WAIT: Final = 1.0


class HandlerRinger:
    """Shows a handler what it has not seen of some aggregates: a `Ringer`.

    Args:
        handler: The handler.
        provider: Gives where the events are.
        generations: Gives the generations of the handler that the bells are for.
        floor: Gives the time before which the handler passes over everything, whatever its cursors say; None
            for none.
        tell: Told of an error that is no callback's.
        probes: Asks the handler whether it works, where everything fails.
    """

    def __init__(
        self,
        handler: FedHandler,
        provider: Callable[[], Provider],
        generations: Callable[[], Sequence[int]],
        floor: Callable[[], datetime | None],
        tell: Callable[[Exception], None],
        *,
        probes: Probes,
    ) -> None:
        self._handler = handler
        self._provider = provider
        self._generations = generations
        self._floor = floor
        self._tell = tell
        self._probes = probes
        self._rows: dict[CursorKey, TurnRow] = {}

    def minds(self, stream: str, types: Sequence[str] | None) -> bool:
        """See `FedHandler.minds`."""
        return self._handler.minds(stream, types)

    def generations(self) -> Sequence[int]:
        """The generations that bells ring for, the live one first."""
        return self._generations()

    def begin(self, bells: Iterable[Bell]) -> None:
        """Read the cursors of these bells, which ring next: one call for each 100."""
        self._rows = self._read(self._whose(bell.key, bell.generation) for bell in bells)

    def is_suspect(self, bell: Bell) -> bool:
        """Whether a turn that the bell rings for has died before; see `begin`."""
        row = self._rows.get(self._whose(bell.key, bell.generation))
        return row is not None and is_suspect(row)

    def ring(self, bell: Bell) -> Rung:
        """Show the handler what it has not seen of one aggregate, up to the bell's version at least.

        Raises:
            CqrsError: A store is out of reach.
        """
        whose = self._whose(bell.key, bell.generation)
        row = self._rows.get(whose) or self._read([whose])[whose]
        handler = self._from_where_it_begins(bell.first, row, bell.positions)
        exclusive = bell.may_come_again or handler.exclusive
        one = drain(
            self._provider(), handler, whose, bell.version, row, commits=bell.commits, exclusive=exclusive
        )
        if one.error is not None and not one.is_told:
            self._tell(one.error)
        return _rung(one)

    def settle(self, rungs: Sequence[Rung]) -> list[Rung]:
        """Count what has failed side by side, unless it looks like an outage: what came of it with that.

        Generations are read models of their own: what is out of reach of one may be fine for the other.
        """
        self._probes.note(rung.drained for rung in rungs if rung.drained)
        return self._settle(rungs, self._probes)

    def _settle(self, rungs: Sequence[Rung], probes: Probes | None) -> list[Rung]:
        failed = {rung.drained.whose.generation for rung in rungs if rung.drained and rung.drained.error}
        parked: set[CursorKey] = set()
        for generation in failed:
            batch = [
                one.drained for one in rungs if one.drained and one.drained.whose.generation == generation
            ]
            parked |= park_what_fails(batch, self._handler, NO_MODULE, probes=probes)
        return [
            replace(rung, run=rung.run + Run(parked=1), error=None, is_open=False)
            if rung.drained and rung.drained.whose in parked
            else rung
            for rung in rungs
        ]

    def catch_up(self, key: Key) -> Rung:
        """Show the handler what it has not seen of an aggregate, in a turn that nobody else's overlaps.

        Raises:
            ContentionError: Somebody else has the turn, and keeps it.
            CqrsError: A store is out of reach, or refuses.
        """
        last = next(iter(self._provider().read_back(key, likely=1)), None)
        if last is None:
            return Rung(Run())
        owner, total, attempt = f"reader-{uuid4().hex}", Run(), 0
        while attempt < _MAX_ROUNDS:
            whose = self._whose(key, *self._generations())
            row = self._read([whose])[whose]
            handler = self._from_where_it_begins(None, row)
            one = drain(self._provider(), handler, whose, last.last, row, exclusive=True, owner=owner)
            rung = _rung(one)
            if one.outcome in {Outcome.DONE, Outcome.PARKED} or one.error is not None:
                # Nobody asks about other aggregates in here, which may be other tenants'.
                (rung,) = self._settle([rung], None)
                return replace(rung, run=total + rung.run)
            total += rung.run
            if one.outcome is None and one.handled and clock.seconds_left() > RESERVE:
                continue  # the time of its turn was up, and it takes another one
            back_off(attempt, base=_FIRST_WAIT, longest=_LONGEST_WAIT)
            attempt += 1
        msg = f"somebody else shows {self._handler.name} the events of {key.pk}; repeat the call"
        raise ContentionError(msg)

    def repair(self, key: Key, *, skipping: bool) -> Repaired:
        """Show the handler what it has not seen of an aggregate that it is parked at; see `Repair.run`."""
        whose = self._whose(key, *self._generations())
        row = self._read([whose])[whose]
        handler = self._from_where_it_begins(None, row)
        versions = EventVersions(self._provider(), handler, whose, row)
        return Repair(self._handler.name, versions).run(skipping=skipping)

    def cursor(self, key: Key) -> Cursor:
        """Where the handler is with an aggregate, consistently."""
        whose = self._whose(key, *self._generations())
        return self._read([whose])[whose].cursor

    def parked(self, limit: int) -> list[str]:
        """Partition keys of aggregates that the handler is parked at; at most so many."""
        cursors, generations = self._handler.cursors(), self._generations()
        found: list[str] = []
        token: str | None = None
        while len(found) < limit:
            page = cursors.parked(resume_from=token, limit=_PAGE)
            found += [
                one.pk
                for one in page.cursors
                if one.handler == self._handler.name and one.generation in generations
            ]
            token = page.resume_token
            if token is None:
                break
        return found[:limit]

    def _whose(self, key: Key, generation: int) -> CursorKey:
        return CursorKey(self._handler.name, generation, key)

    def _read(self, wanted: Iterable[CursorKey]) -> dict[CursorKey, TurnRow]:
        return dict(self._handler.cursors().rows(wanted))

    def _from_where_it_begins(
        self, first: int | None, row: TurnRow, positions: Mapping[int, str] = _NOWHERE
    ) -> FedHandler:
        """The handler, to which nothing is shown from before it began to follow the aggregate.

        Args:
            first: Version that the first commit begins with which rang for the aggregate; None where that is
                not known.
            row: Its cursor.
            positions: Where commits are in the order of all, by the versions that they begin with.
        """
        floor = self._floor()
        is_known = row.cursor.version is not None or self._handler.since is None
        if floor is None and is_known:
            first = None
            if not positions:
                return self._handler
        return _From(self._handler, first or 1, floor, positions)


class _From:
    """A handler that is shown nothing from before a version and a time, and told where the rest is."""

    def __init__(
        self, handler: FedHandler, first: int, floor: datetime | None, positions: Mapping[int, str]
    ) -> None:
        self._handler = handler
        self._first = first
        self._floor = floor
        self._positions = positions
        self.name = handler.name
        self.attempts = handler.attempts
        self.exclusive = handler.exclusive
        self.is_reaction = handler.is_reaction
        self.since = handler.since
        self.cursors = handler.cursors
        self.generations = handler.generations
        self.minds = handler.minds

    def show(self, commit: Commit, version: int, *, generation: int) -> bool | None:
        if version < self._first or (self._floor is not None and commit.at < self._floor):
            return None
        with at_position(self._positions.get(commit.first)):
            return self._handler.show(commit, version, generation=generation)


def _rung(drained: Drained) -> Rung:
    """What came of one bell."""
    run = Run(
        fetched=sum(max(len(commit.events), 1) for commit in drained.seen),
        handled=drained.handled + drained.passed_over,
        failed=drained.passed_over + (drained.error is not None),
        parked=int(drained.outcome is Outcome.PARKED),
    )
    return Rung(run, drained.error, drained.comes_again, drained)
