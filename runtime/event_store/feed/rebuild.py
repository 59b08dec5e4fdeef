"""Rebuilding: a scan of all commits rings for one generation, page by page, beside whatever rings live.

A page is over when everything on it was shown, or is parked. Until then its token comes back, and whoever
goes on with it rings for what failed once more; what was shown costs one read.

An aggregate with a commit that makes no sense is shown up to there, fails and is parked as at any event that
fails: the others of the page, and of the segment, have nothing to do with that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from runtime import clock
from runtime.backoff import back_off
from runtime.errors import BadRequestError, FieldProblem, InvalidInputError
from runtime.event_store.commits.commit import UnreadableCommit
from runtime.event_store.feed.pull import Bell
from runtime.event_store.handlers.registration import Segment
from runtime.event_store.handlers.run import Run
from runtime.log import logger
from runtime.pipeline.catch_up import Outcome
from runtime.pipeline.doorbells import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.feed.pull import Ringer, Rung
    from runtime.event_store.handlers.generations import Generations
    from runtime.event_store.handlers.registration import Registration
    from runtime.event_store.provider import Provider

__all__ = ["Rebuild", "Rebuilt"]

_LIMIT: Final = 500
_PAGE_OF: Final = "page:"
#: How long whoever goes on with a page waits in front of it where it failed before, in seconds.
_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What became of one page of a scan.

    Attributes:
        generation: The generation that it was for.
        aggregates: Aggregates on the page.
        events: Events that a callback was called for.
        failed: Aggregates that were not shown what is on the page: going on tries them again.
        parked: Aggregates that the handler has given up on this page.
        unreadable: Partition keys of aggregates of which the handler is missing something, as a commit on
            this page makes no sense.
        resume_token: Goes on: with the same page where something failed, else behind it. None when the
            segment is through.
    """

    generation: int
    aggregates: int
    events: int
    failed: int
    parked: int
    resume_token: str | None
    unreadable: tuple[str, ...] = ()


class Rebuild:
    """The scans of one handler in this process.

    Args:
        name: The handler's.
        streams: Its streams.
        provider: Gives where the commits are.
        generations: Its registration.
        ringer: Makes what shows commits to one generation.
        first: Makes the registration, where the handler was never started.
    """

    def __init__(
        self,
        name: str,
        streams: Sequence[str],
        provider: Callable[[], Provider],
        generations: Generations,
        *,
        ringer: Callable[[int], Ringer],
        first: Callable[[], Registration],
    ) -> None:
        self._name = name
        self._streams = streams
        self._provider = provider
        self._generations = generations
        self._ringer = ringer
        self._first = first
        self._tries: dict[str, int] = {}
        #: Whether the page is the first of this process: the process before may have died at it.
        self._is_first = True

    def page(self, segment: int, total_segments: int, resume_from: str | None) -> Rebuilt:
        """Show one page of a segment.

        Raises:
            BadRequestError: The generation was begun so shortly ago that a function may not know of it yet;
                it was given up; or ``resume_from`` is of another scan.
            InvalidInputError: An argument is out of range.
        """
        start = _start(resume_from)
        self._generations.registered(self._first)
        found = self._generations.fresh()
        generation = found.check_scan(self._name, clock.now())
        here = f"{_PAGE_OF}{start or ''}"
        tries = self._tries.pop(f"{generation}/{total_segments}/{segment}/{here}", 0)
        if tries:
            back_off(tries - 1, base=_FIRST_WAIT, longest=_LONGEST_WAIT)
        commits, after = self._provider().everything(
            self._streams, segment=segment, total_segments=total_segments, start=start, limit=_LIMIT
        )
        if resume_from is not None:
            found.check_begun(self._name, segment, total_segments)
        bells, aggregates, damaged = self._bells(commits, generation)
        rungs = self._ring(self._ringer(generation), bells)
        self._is_first = False
        unreadable = _still_unread(damaged, rungs)
        failed = sum(rung.is_open for rung in rungs)
        done = sum((rung.run for rung in rungs), Run())
        if failed:
            self._tries[f"{generation}/{total_segments}/{segment}/{here}"] = tries + 1
        token = here if failed else after and f"{_PAGE_OF}{after}"
        page = Segment(token, 0, done.handled)
        if not failed:
            page = replace(page, aggregates=aggregates, unreadable=len(unreadable), named=unreadable)
        self._note(generation, segment, total_segments, page, is_first=not start and not tries)
        return Rebuilt(generation, aggregates, done.handled, failed, done.parked, token, unreadable)

    def _bells(
        self, commits: Iterable[Commit | UnreadableCommit], generation: int
    ) -> tuple[list[Bell], int, dict[str, Key | None]]:
        """A bell for each aggregate that has something for the handler.

        Returns:
            The bells, how many aggregates there are, and those of which something that the handler minds
            cannot be read, by their partition keys.
        """
        ringer = self._ringer(generation)
        bells: dict[Key, Bell] = {}
        damaged: dict[str, Key | None] = {}
        for commit in commits:
            if isinstance(commit, UnreadableCommit):
                key = commit.key
                logger.error("commit not readable", handler=self._name, error=type(commit.error).__name__)
                if key is None:  # no aggregate's: nothing can be shown of it, and nothing parked
                    damaged[commit.pk] = None
                    continue
                bell = bells.setdefault(key, Bell(key, 0, generation))
                if commit.types is None or ringer.minds(key.stream, commit.types):
                    damaged[commit.pk] = key
                    bell.version = max(bell.version, commit.version)
            else:
                bell = bells.setdefault(commit.key, Bell(commit.key, 0, generation))
                bell.commits.append(commit)
                if ringer.minds(commit.key.stream, None if commit.closes else commit.types):
                    bell.version = max(bell.version, commit.last)
        for bell in bells.values():
            bell.may_come_again = self._is_first
        return [bell for bell in bells.values() if bell.version], len(bells), damaged

    def _ring(self, ringer: Ringer, bells: Sequence[Bell]) -> list[Rung]:
        ringer.begin(bells)
        # Where a turn has died before, it can only end itself: the others are done by then.
        suspects = [bell for bell in bells if ringer.is_suspect(bell)]
        fine = [bell for bell in bells if not ringer.is_suspect(bell)]
        rungs = side_by_side(ringer.ring, fine)
        return ringer.settle([*rungs, *map(ringer.ring, suspects)])

    def _note(
        self, generation: int, segment: int, total_segments: int, page: Segment, *, is_first: bool
    ) -> None:
        def noted(found: Registration) -> Registration:
            if generation not in found.generations:
                msg = f"{self._name}: generation {generation} is not fed any more; it was retired meanwhile"
                raise BadRequestError(msg)
            return found.scanned(segment, total_segments, page, is_first=is_first)

        self._generations.change(noted)


def _still_unread(damaged: Mapping[str, Key | None], rungs: Iterable[Rung]) -> tuple[str, ...]:
    """The partition keys of those that the handler has not come to the end of."""
    shown = {
        rung.drained.whose.key for rung in rungs if rung.drained and rung.drained.outcome is Outcome.DONE
    }
    return tuple(sorted(pk for pk, key in damaged.items() if key not in shown))


def _start(token: str | None) -> str | None:
    """Where the provider goes on, as a token of this module says."""
    if token is None:
        return None
    if not isinstance(token, str) or not token.startswith(_PAGE_OF):
        message = f"must be the resume_token of an earlier page, got {token!r}"
        raise InvalidInputError([FieldProblem("resume_from", message)])
    return token.removeprefix(_PAGE_OF) or None
