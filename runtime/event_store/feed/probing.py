"""Telling a read model that is down from events that it does not take: by what it took before.

Where everything fails that a handler is shown, either could be true. So it is shown once more the last event
that it has seen of another aggregate. If that works, the read model is there, and what fails is at fault
itself; if that fails, too, nobody is.

What it is shown is always the newest that it has seen of an aggregate, in a turn that is claimed: no repeat
is older than one after a crash. What callbacks write in the transaction of their cursor is undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import chain, islice
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from runtime import clock
from runtime.errors import CqrsError
from runtime.event_store.address import Key
from runtime.event_store.feed.cursors import CursorKey
from runtime.event_store.feed.drain import LONGEST_TURN, type_of
from runtime.log import error_fields, logger
from runtime.model.cursor import TurnLostError
from runtime.pipeline.catch_up import RESERVE
from runtime.unavailable import is_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.feed.drain import Drained
    from runtime.event_store.feed.fed_handler import FedHandler
    from runtime.event_store.provider import Provider
    from runtime.model.cursor import Cursor
    from runtime.pipeline.turn_row import TurnRow

__all__ = ["Probes", "Verdict"]

#: How long an answer counts, in seconds: less than an event fails before it is parked, so that it had failed
#: before the read model worked.
_FRESH: Final = 45.0
#: How many events are shown once more for one answer, and how many aggregates are looked at for that.
_MOST_ALIKE: Final = 2
_MOST_OTHERS: Final = 2
_MOST_LOOKED_AT: Final = 12
#: So many commits back there should be an event that the handler has to do with.
_MOST_COMMITS: Final = 4
#: Somebody else has the turn.
_NOT_SHOWN: Final = TurnLostError()


class Verdict(Enum):
    """Whether a handler works at all."""

    WORKS = "works"
    """It took an event like the one that fails."""
    WORKS_FOR_OTHERS = "works for others"
    """It took an event of another kind, which may have to do with another part of the read model."""
    FAILS = "fails"
    """It takes nothing: its read model is down, or its code is."""
    UNKNOWN = "unknown"
    """It has seen nothing yet that it could be shown once more."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The last event of an aggregate that a handler has seen."""

    row: TurnRow
    commit: Commit
    version: int

    @property
    def kind(self) -> tuple[str, str | None]:
        return self.commit.key.stream, type_of(self.commit, self.version)


class Probes:
    """Asks handlers whether they work, and remembers what they have worked for in this process.

    Args:
        provider: Gives where the events are.
    """

    def __init__(self, provider: Callable[[], Provider]) -> None:
        self._provider = provider
        #: The newest success with each kind of event, by handler and generation.
        self._successes: dict[tuple[str, int], dict[tuple[str, str], Key]] = {}
        self._answers: dict[tuple[str, int, str, str | None], tuple[float, Verdict]] = {}

    def note(self, batch: Iterable[Drained]) -> None:
        """Remember what has worked."""
        for one in batch:
            if one.succeeded_with is not None and one.error is None:
                whose = one.whose
                mine = self._successes.setdefault((whose.handler, whose.generation), {})
                mine[whose.key.stream, one.succeeded_with] = whose.key

    def ask(self, handler: FedHandler, failed: Drained, batch: Iterable[Drained]) -> Verdict:
        """Whether a handler works for anything but what has failed. An answer counts for 45 seconds.

        Args:
            handler: The handler.
            failed: What came of the aggregate whose event fails.
            batch: What came of all the aggregates that it was shown, of the same generation.
        """
        whose = failed.whose
        question = (whose.handler, whose.generation, whose.key.stream, failed.failed_with)
        now = clock.seconds()
        asked_at, answer = self._answers.get(question, (0.0, Verdict.UNKNOWN))
        if 0 <= now - asked_at < _FRESH:
            return answer
        try:
            answer = self._find_out(handler, failed, batch)
        except CqrsError as problem:
            logger.warning("handler not asked", handler=handler.name, **error_fields(problem))
            return Verdict.FAILS if is_unavailable(problem) else Verdict.UNKNOWN
        logger.info("handler asked whether it works", handler=handler.name, verdict=answer.value)
        self._answers[question] = now, answer
        return answer

    def _find_out(self, handler: FedHandler, failed: Drained, batch: Iterable[Drained]) -> Verdict:
        """Show it something like what has failed, or else something of each other kind."""
        generation = failed.whose.generation
        kind = (failed.whose.key.stream, failed.failed_with)
        others: dict[tuple[str, str | None], _Seen] = {}
        shown = 0
        for seen in self._candidates(handler, failed, batch):
            if failed.failed_with is not None and seen.kind != kind:
                others.setdefault(seen.kind, seen)
            elif (error := self._show(handler, generation, seen)) is not _NOT_SHOWN:
                if error is None:
                    return Verdict.WORKS
                shown += 1
                if is_unavailable(error):
                    return Verdict.FAILS
                if shown == _MOST_ALIKE:
                    break
        for seen in islice(others.values(), _MOST_OTHERS):
            error = self._show(handler, generation, seen)
            if error is None:
                return Verdict.WORKS_FOR_OTHERS
            shown += error is not _NOT_SHOWN
        return Verdict.FAILS if shown else Verdict.UNKNOWN

    def _candidates(self, handler: FedHandler, failed: Drained, batch: Iterable[Drained]) -> Iterator[_Seen]:
        """What the handler has seen last of some aggregates."""
        generation = failed.whose.generation
        known = self._successes.get((handler.name, generation), {})
        stream, name = failed.whose.key.stream, failed.failed_with
        like_it = [known[stream, name]] if name is not None and (stream, name) in known else []
        keys = chain(
            like_it,
            known.values(),
            (one.whose.key for one in batch if one.row.cursor.version is not None),
            self._some_seen(handler, generation),
        )
        for key in islice(dict.fromkeys(keys), _MOST_LOOKED_AT):
            if clock.seconds_left() < RESERVE:
                return
            seen = self._last_seen(handler, CursorKey(handler.name, generation, key))
            if seen is not None:
                yield seen

    def _some_seen(self, handler: FedHandler, generation: int) -> Iterator[Key]:
        try:
            yield from map(Key.of_pk, handler.cursors().some_seen(handler.name, generation))
        except CqrsError as problem:  # a role of one's own may not allow to look for them
            logger.warning("cursors not read", handler=handler.name, **error_fields(problem))

    def _last_seen(self, handler: FedHandler, whose: CursorKey) -> _Seen | None:
        row = handler.cursors().rows([whose])[whose]
        cursor = row.cursor
        if cursor.version is None or not _is_at_rest(cursor):
            return None
        since = handler.since
        back = self._provider().read_back(whose.key, until=cursor.version)
        for commit in islice(back, _MOST_COMMITS):
            if commit.is_erased or commit.closes or (since is not None and commit.at < since):
                return None
            for version in range(min(commit.last, cursor.version), commit.first - 1, -1):
                name = type_of(commit, version)
                if name is not None and handler.minds(whose.key.stream, (name,)):
                    return _Seen(row, commit, version)
        return None

    def _show(self, handler: FedHandler, generation: int, seen: _Seen) -> Exception | None:
        """Show it an event once more: why that fails, or None. Its cursor stays where it is."""
        row, token = seen.row, f"probe-{uuid4().hex}/"
        if not row.claim(token, min(clock.seconds_left(), LONGEST_TURN)):
            return _NOT_SHOWN
        try:
            with row.showing():
                worked = handler.show(seen.commit, seen.version, generation=generation)
        except TurnLostError:
            return _NOT_SHOWN
        except Exception as error:  # noqa: BLE001 - that is the question
            return error
        finally:
            row.close()
            _let_go(row, token)
        return None if worked else _NOT_SHOWN


def _is_at_rest(cursor: Cursor) -> bool:
    # Where a version was passed over, the last one may be what the read model is not to have.
    return cursor.parked_version is None and not cursor.is_claimed() and not cursor.has_skipped


def _let_go(row: TurnRow, token: str) -> None:
    try:
        row.let_go(token, None)
    except (CqrsError, TurnLostError) as problem:
        logger.warning("turn not let go", error=type(problem).__name__)
