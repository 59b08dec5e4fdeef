"""How a handler follows its streams in this process: where it begins, its runs, generations and scans."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

from runtime import clock
from runtime.errors import BadRequestError, ConfigurationError, FieldProblem, InvalidInputError
from runtime.event_store.feed.probing import Probes
from runtime.event_store.feed.pull import Pull
from runtime.event_store.feed.rebuild import Rebuild
from runtime.event_store.feed.ringer import HandlerRinger
from runtime.event_store.feed.seen import sight_of
from runtime.event_store.feed.tail import end_of, first_since
from runtime.event_store.handlers.registration import Registration
from runtime.in_lambda import is_in_lambda

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import Commit, Notice
    from runtime.event_store.feed.fed_handler import FedHandler
    from runtime.event_store.feed.memory_progress import MemoryProgress
    from runtime.event_store.feed.pull import Rung
    from runtime.event_store.feed.seen import Seen
    from runtime.event_store.handlers.generations import Generations
    from runtime.event_store.handlers.options import HandlerOptions
    from runtime.event_store.provider import Provider
    from runtime.pipeline.repairing import Repaired

__all__ = ["Follower"]

_MAX_TOLD: Final = 5


class Follower:
    """How one handler follows its streams.

    Args:
        handler: The handler, as the feed knows it.
        streams: Its streams.
        options: How it goes about its events.
        provider: Gives where the events are.
        generations: Its registration.
        memory: Its progress, where that is kept nowhere else.
        tell: Told of an error that is no callback's.
    """

    def __init__(
        self,
        handler: FedHandler,
        streams: Sequence[str],
        options: HandlerOptions,
        provider: Callable[[], Provider],
        *,
        generations: Generations,
        memory: MemoryProgress | None,
        tell: Callable[[Exception], None],
    ) -> None:
        self.name = handler.name
        self.generations = generations
        self._handler = handler
        self._streams = streams
        self._options = options
        self._provider = provider
        self._memory = memory
        self._tell = tell
        self._always_since: datetime | None = None
        self._probes = Probes(provider)
        #: Its runs. There is one of these, whichever thread asks first: it keeps runs from overlapping.
        self.pull = Pull(self.name, self._fetch, self.ringer(), _RowBookmark(generations), begin=self._begin)
        #: Its scans.
        self.rebuild = Rebuild(
            self.name,
            streams,
            provider,
            generations,
            ringer=lambda number: self.ringer([number]),
            first=self._first,
        )

    @property
    def since(self) -> datetime | None:
        """The time before which events are passed over, for aggregates that are new to it; None for none."""
        if self._options.always_tail_stream:
            return self._always_since
        return self.generations.registered().started_at if self._options.tail_stream else None

    def ringer(self, generations: Iterable[int] | None = None) -> HandlerRinger:
        """What shows commits to generations of the handler; by default to all that are fed."""
        fed = self.fed if generations is None else partial(tuple, generations)
        return HandlerRinger(
            self._handler,
            self._provider,
            fed,
            lambda: self._always_since,
            self._tell,
            probes=self._probes,
        )

    def fed(self) -> Sequence[int]:
        """The generations that are fed. The first call of all registers the handler."""
        return self.generations.registered(self._first).generations

    def fed_by_stream(self, at: datetime) -> Sequence[int]:
        """The generations that are fed, where the table's stream rings; see `FedHandler.generations`."""
        if self._options.always_tail_stream:
            self._refuse_in_functions("always_tail_stream")
        if self._memory is not None:
            self._refuse_in_functions("a MemoryBookmark")
        return self.generations.registered(partial(Registration, started_at=at)).generations

    def _refuse_in_functions(self, what: str) -> NoReturn:
        msg = (
            f"handler {self.name}: {what} is for processes that go on, and functions of Lambda begin anew "
            "all the time; give it a name, and tail_stream=True where it is to begin behind what is there"
        )
        raise ConfigurationError(msg)

    def _fetch(self, after: str | None, limit: int) -> Sequence[Notice]:
        return self._provider().notices(self._streams, after, limit)

    def _begin(self) -> str:
        """The position to begin at, where none is known in this process."""
        if self._options.always_tail_stream:
            if is_in_lambda():
                self._refuse_in_functions("always_tail_stream")
            self.generations.registered()
            position = end_of(self._provider(), self._streams)
            # Behind the look: what is appended meanwhile is told of by notices, or is earlier than this.
            self._always_since = clock.now()
            return position
        return self.generations.registered(self._first).position

    def _first(self) -> Registration:
        """The registration of a handler that is started now for the first time."""
        position = ""
        if self._options.tail_stream:
            # Without a pull index nobody can pull, so that the position is nobody's; the time says the same.
            with suppress(ConfigurationError):
                position = end_of(self._provider(), self._streams)
        return Registration(started_at=clock.now(), position=position)

    def forget(self) -> None:
        """Forget the position in memory, and whatever is kept nowhere else."""
        self.pull.forget(None if self._memory is None else self._clear)

    def start_anew(self) -> None:
        """Forget all that was read: the provider is on other tables from now on."""
        self.forget()
        self.generations.forget()

    def _clear(self) -> None:
        assert self._memory is not None  # noqa: S101 - see above
        self._memory.clear()
        self.generations.forget()

    # --- generations ------------------------------------------------------------------------------

    def begin_generation(self) -> int:
        """Begin the next generation; see `EventHandler.build`."""
        self.refuse_reaction("build")
        begun = self.generations.change(lambda found: found.begin(self.name, clock.now()), self._first)
        building = begun.building
        assert building is not None  # noqa: S101 - it has just been begun
        return building

    def switch(self, *, incomplete: bool) -> int:
        """Make the generation that was built the live one; see `EventHandler.switch`."""

        def switched(found: Registration) -> Registration:
            after = found.switched(self.name)
            left = [] if incomplete else self.ringer([after.live]).parked(_MAX_TOLD)
            if left:
                some = ", ".join(left)
                msg = (
                    f"{self.name}: generation {after.live} is parked at {some}"
                    f"{' and more' if len(left) == _MAX_TOLD else ''}; redrive or skip them first; where "
                    "something stored makes no sense restore it, or switch without it: incomplete=True"
                )
                raise BadRequestError(msg)
            return after

        return self.generations.change(switched).live

    def refuse_reaction(self, what: str) -> None:
        """Refuse what would let a reaction react once more to everything.

        Raises:
            BadRequestError: The handler is one.
        """
        if self._options.reaction:
            msg = (
                f"{self.name}: {what} is for read models, and this is a reaction, which would execute its "
                "commands for every event anew: it has one generation, and is left out of rebuilds"
            )
            raise BadRequestError(msg)

    # --- one aggregate ----------------------------------------------------------------------------

    def sight(self, key: Key, version: int) -> Seen:
        """How far the live generation is with an aggregate."""
        current = self.generations.current()
        live = 1 if current is None else current.live
        cursor = self.ringer([live]).cursor(key)
        first = 1
        since = None if cursor.has_seen(version) or cursor.version is not None else self.since
        if since is not None:
            first = first_since(self._provider(), key, since, version)
        return sight_of(cursor, self._provider(), key, version, partial(self._is_shown, first))

    def _is_shown(self, first: int, commit: Commit, version: int) -> bool:
        """Whether an event is one for the handler, to which nothing is shown that is before ``first``."""
        types = None if commit.closes else (commit.events[version - commit.first].type,)
        if (commit.is_erased and not commit.closes) or not self._handler.minds(commit.key.stream, types):
            return False
        floor = self._always_since
        return version >= first and (floor is None or commit.at >= floor)

    def catch_up(self, key: Key) -> Rung:
        """Show the live generation what it has not seen of an aggregate."""
        return self.ringer([self.generations.registered(self._first).live]).catch_up(key)

    def repair(self, key: Key, generation: int | None, *, skipping: bool) -> Repaired:
        """Run a generation of the handler again where it is parked; see `EventHandler.redrive`."""
        return self.ringer([self._fed_one(generation)]).repair(key, skipping=skipping)

    def parked(self, generation: int | None, limit: int) -> list[str]:
        """Partition keys of aggregates that a generation is parked at."""
        return self.ringer([self._fed_one(generation)]).parked(limit)

    def _fed_one(self, generation: int | None) -> int:
        """A generation that is fed: the live one, or the one that is named.

        Raises:
            InvalidInputError: It is not fed.
        """
        found = self.generations.registered(self._first)
        if generation is None:
            return found.live
        if generation not in found.generations:
            message = f"must be one of those that are fed, {list(found.generations)}, got {generation!r}"
            raise InvalidInputError([FieldProblem("generation", message)])
        return generation


class _RowBookmark:
    """The position in the registration."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    def read(self) -> str:
        return self._generations.fresh().position

    def write(self, position: str) -> None:
        self._generations.move(position)
