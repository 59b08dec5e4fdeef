"""The events table's stream: new commits ring for their aggregates, and bring themselves along."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runtime import clock, metrics
from runtime.errors import CorruptRowError
from runtime.event_store.address import Key
from runtime.event_store.commits.commit_row import LAST, is_closing, types_in
from runtime.event_store.feed.cursors import CursorKey
from runtime.event_store.feed.drain import LONGEST_TURN, drain, is_suspect
from runtime.event_store.feed.failures import park_what_fails
from runtime.event_store.feed.probing import Probes
from runtime.log import error_fields, logger
from runtime.pipeline.doorbells import read_doorbells, response, side_by_side
from runtime.store.codec import image_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.feed.cursors import Cursors
    from runtime.event_store.feed.drain import Drained
    from runtime.event_store.feed.fed_handler import FedHandler
    from runtime.event_store.provider import Provider
    from runtime.pipeline.turn_row import TurnRow
    from runtime.store.values import Row

__all__ = ["EventProcessor"]


@dataclass(frozen=True, slots=True)
class _Bell:
    """The row of a new commit, and whether its record may have been delivered before."""

    row: Row
    may_come_again: bool


@dataclass(frozen=True, slots=True)
class _Turn:
    """One handler's turn at one aggregate, for one generation."""

    handler: FedHandler
    whose: CursorKey
    version: int
    row: TurnRow
    exclusive: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of the doorbells of one aggregate."""

    drained: tuple[Drained, ...]
    has_failed: bool


class EventProcessor:
    """Handles batches of one events table's stream.

    Aggregates are worked on side by side, and each is shown to one handler after the other. What a handler
    fails at stops its own aggregate, for itself alone. Records come twice, late and in any order: the
    cursors decide. A commit that no handler has anything to do about costs nothing.

    A callback may end the process, or outlast it, and then no error tells of it. So a record that is a minute
    old may have been delivered before: its turn is claimed, whatever the handler says, and one that died is
    known by its claim. Such aggregates are shown one at a time behind the others, so that each of them can
    only end its own turn.

    Args:
        module: Name of the module, for metrics.
        provider: Where the events are.
        handlers: The handlers.
        commit_in: The commit in a row of the table. It may read: events that are too large for a row are
            elsewhere.
        exclusive: Whether every handler claims its turns, since several invocations may work on one aggregate
            at a time. Default: those that say so.
        on_parked: Told of each handler that is parked at an aggregate: its cursor, the version, the error.
    """

    def __init__(
        self,
        module: str,
        provider: Provider,
        handlers: Sequence[FedHandler],
        commit_in: Callable[[Row], Commit],
        *,
        exclusive: bool = False,
        on_parked: Callable[[CursorKey, int, Exception], None] | None = None,
    ) -> None:
        self._module = module
        self._provider = provider
        self._handlers = handlers
        self._commit_in = commit_in
        self._exclusive = exclusive
        self._on_parked = on_parked
        self._probes = Probes(lambda: provider)

    def process(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Ring the doorbells of a batch.

        One read of the cursors for each 100 aggregates, handlers and generations; and what `drain` takes. One
        write more for each turn at records that are a minute old.

        Returns:
            The partial batch response: the records that have to be delivered again. Where a handler's cursors
            are out of reach, those that ring for it: the others have nothing to do with that.
        """
        rung = read_doorbells(records, self._doorbell)
        turns, waiting = self._turns(rung.bells)
        answers = self._answers(rung.bells, turns)
        drained = [one for answer in answers.values() for one in answer.drained]
        self._measure(drained)
        parked = self._park(drained)
        # A record comes again as long as one of the handlers needs it.
        again = {one.whose.key for one in drained if one.comes_again and one.whose not in parked}
        again |= {key for key, answer in answers.items() if answer.has_failed}
        again |= waiting
        return response(rung, again)

    def _answers(
        self, bells: Mapping[Key, Sequence[_Bell]], turns: Mapping[Key, Sequence[_Turn]]
    ) -> dict[Key, _Answer]:
        """What comes of the turns: side by side, and then, one by one, where one has died before."""
        suspects = {key for key, mine in turns.items() if any(is_suspect(turn.row) for turn in mine)}
        fine = [key for key in turns if key not in suspects]
        answers = side_by_side(lambda key: self._answer(bells[key], turns[key]), fine)
        found = dict(zip(fine, answers, strict=True))
        # Those that have died least come first: whoever dies now takes the rest with it.
        for key in sorted(suspects, key=lambda key: max(turn.row.cursor.attempts for turn in turns[key])):
            found[key] = self._answer(bells[key], turns[key])
        return found

    def _doorbell(self, record: Mapping[str, Any]) -> tuple[Key, _Bell] | None:
        """The row of a new commit, by its aggregate; None for anything else."""
        # The mapping's filter says the same of the records of commands. What is changed later is blanked, and
        # the commit that closes the aggregate rings for that.
        change = record["dynamodb"]
        if record["eventName"] != "INSERT" or LAST not in change["NewImage"]:
            return None
        row = image_row(change["NewImage"])
        written_at = change.get("ApproximateCreationDateTime")
        is_old = written_at is not None and clock.seconds() - written_at >= LONGEST_TURN
        return Key.of_pk(row["pk"]), _Bell(row, is_old)

    def _turns(self, bells: Mapping[Key, Sequence[_Bell]]) -> tuple[dict[Key, list[_Turn]], set[Key]]:
        """The turns that handlers are to take, and those that wait as cursors are out of reach."""
        versions: dict[int, dict[Key, int]] = defaultdict(dict)
        at: dict[int, str] = {}
        for key, rung in bells.items():
            for row in (bell.row for bell in rung):
                types = None if is_closing(row) else types_in(row)
                for number, handler in enumerate(self._handlers):
                    if handler.minds(key.stream, types):
                        mine = versions[number]
                        mine[key] = max(row[LAST], mine.get(key, 0))
                        at[number] = min(row["at"], at.get(number, row["at"]))
        wanted: dict[int, dict[CursorKey, int]] = {}
        for number, mine in versions.items():
            handler = self._handlers[number]
            try:
                generations = handler.generations(datetime.fromisoformat(at[number]))
            except Exception as error:  # noqa: BLE001 - the handlers have nothing to do with each other
                logger.error("generations not read", handler=handler.name, **error_fields(error))
            else:
                wanted[number] = {
                    CursorKey(handler.name, generation, key): version
                    for key, version in mine.items()
                    for generation in generations
                }
        found = self._rows(wanted)
        turns: dict[Key, list[_Turn]] = defaultdict(list)
        for number, row_of in found.items():
            for whose, cursor in row_of.items():
                handler = self._handlers[number]
                may_come_again = any(bell.may_come_again for bell in bells[whose.key])
                exclusive = self._exclusive or handler.exclusive or may_come_again
                turn = _Turn(handler, whose, wanted[number][whose], cursor, exclusive)
                turns[whose.key].append(turn)
        return turns, {key for number, mine in versions.items() if number not in found for key in mine}

    def _rows(self, wanted: Mapping[int, Mapping[CursorKey, int]]) -> dict[int, dict[CursorKey, TurnRow]]:
        """The cursors, by handler; without those that are out of reach.

        Handlers that keep theirs in one place are read together.
        """
        places: dict[Cursors, list[int]] = defaultdict(list)
        for number in wanted:
            places[self._handlers[number].cursors()].append(number)
        found: dict[int, dict[CursorKey, TurnRow]] = {}
        for cursors, numbers in places.items():
            try:
                rows = cursors.rows([whose for number in numbers for whose in wanted[number]])
            except Exception as error:  # noqa: BLE001 - others may keep theirs elsewhere
                names = ", ".join(self._handlers[number].name for number in numbers)
                logger.error("cursors not read", handlers=names, **error_fields(error))
                continue
            for number in numbers:
                found[number] = {whose: rows[whose] for whose in wanted[number]}
        return found

    def _answer(self, bells: Sequence[_Bell], turns: Sequence[_Turn]) -> _Answer:
        """Let the handlers take their turns at one aggregate, one after the other."""
        drained: list[Drained] = []
        commits: list[Commit] = []
        has_failed = False
        for bell in bells:
            try:
                commits.append(self._commit_in(bell.row))
            except CorruptRowError:  # whoever gets there reads it once more, and fails at it
                logger.warning("commit not readable")
            except Exception as error:  # noqa: BLE001 - out of reach: it comes again
                logger.error("commit not read", **error_fields(error))
                return _Answer((), has_failed=True)
        for turn in turns:
            try:
                one = drain(
                    self._provider,
                    turn.handler,
                    turn.whose,
                    turn.version,
                    turn.row,
                    commits=commits,
                    exclusive=turn.exclusive,
                )
            except Exception as error:  # noqa: BLE001 - the handlers have nothing to do with each other
                logger.error("events not handled", handler=turn.handler.name, **error_fields(error))
                has_failed = True
            else:
                drained.append(one)
        return _Answer(tuple(drained), has_failed)

    def _measure(self, drained: Iterable[Drained]) -> None:
        now = clock.now()
        for one in drained:
            metrics.count(metrics.EVENTS_HANDLED, self._module, one.handled)
            if one.handled:
                lags = ((now - commit.at).total_seconds() * 1000 for commit in one.seen)
                metrics.observe(metrics.EVENT_LAG, self._module, (max(lag, 0.0) for lag in lags))

    def _park(self, drained: Iterable[Drained]) -> set[CursorKey]:
        """Count what has failed, for each handler and generation; what is parked now."""
        batches: dict[tuple[str, int], list[Drained]] = defaultdict(list)
        for one in drained:
            batches[one.whose.handler, one.whose.generation].append(one)
        handlers = {handler.name: handler for handler in self._handlers}
        parked: set[CursorKey] = set()
        for (name, _), batch in batches.items():
            self._probes.note(batch)
            parked |= park_what_fails(
                batch, handlers[name], self._module, self._on_parked, probes=self._probes
            )
        return parked
