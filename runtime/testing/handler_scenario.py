"""Given a handler, deliver events as a feed does: in order by aggregate, and otherwise as it comes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final, TypeVar

from runtime import clock
from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.event_store.address import Key
from runtime.event_store.aggregates.repository import AggregateRepository
from runtime.event_store.commits.commit import Commit, new_append_id
from runtime.event_store.domain_context import use_provider
from runtime.event_store.handlers.run import Run
from runtime.event_store.providers.memory_provider import MemoryProvider

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from runtime.event_store.aggregates.aggregate import Aggregate
    from runtime.event_store.handlers.handler import EventHandler

__all__ = ["HandlerScenario"]

EventT = TypeVar("EventT")

_PAGE: Final = 1000
_MAX_ROUNDS: Final = 100


class HandlerScenario:
    """Given a handler and what has happened, deliver it as a feed does. It needs no store.

    A feed shows each aggregate's events in order. It may show what it has shown once more: a whole turn, from
    its beginning to its end. Between aggregates it keeps no order. A read model has to come out the same.

    What a reaction appends stays in the scenario, whichever provider its commands have, and is delivered as
    well.

    Example:
        >>> scenario = HandlerScenario(posts_model).given(post, "p1", PostCreated("u1", "hi"), PostArchived())
        >>> scenario.delivered(times=3, shuffled=True)
        Run(fetched=6, handled=6, failed=0, parked=0)
        >>> assert titles == {"p1": "hi"}

    Args:
        handler: The handler.
        tenant: Whose aggregates these are. Default: "acme".
    """

    def __init__(self, handler: EventHandler, *, tenant: str = "acme") -> None:
        self._handler = handler
        self._tenant = tenant
        self._provider = MemoryProvider()

    def given(self, aggregate: Aggregate[EventT, Any], aggregate_id: str, *events: EventT) -> Self:
        """What has happened to an aggregate, behind what was given of it before.

        Of a stream that the handler is not over nothing is delivered; commands of a reaction may read it.

        Args:
            aggregate: Its kind.
            aggregate_id: Its id.
            *events: What has happened: one append.

        Raises:
            InvalidInputError: They cannot be stored.
        """
        repository = AggregateRepository(self._handler.context, aggregate)
        with use_provider(self._provider):
            loaded = repository.get_aggregate(aggregate_id, tenant=self._tenant)
            try:
                repository.append(loaded, events)
            except InvalidInputError as error:
                problems = [FieldProblem(f"given {one.field}", one.message) for one in error.problems]
                raise InvalidInputError(problems) from None
        return self

    def given_erased(self, aggregate: Aggregate[Any, Any], aggregate_id: str) -> Self:
        """An aggregate was erased: what it said before is gone, and the handler is told of that at last.

        Args:
            aggregate: Its kind.
            aggregate_id: Its id.
        """
        key = Key.checked(aggregate.stream, aggregate_id, self._tenant)
        closing = Commit(key=key, first=1, events=(), append_id=new_append_id(), at=clock.now(), closes=True)
        self._provider.erase(key, closing)
        return self

    def delivered(self, *, times: int = 1, shuffled: bool = False, seed: int = 0) -> Run:
        """Deliver everything that was given, from the beginning, and what comes of it.

        Args:
            times: How often each turn is shown. Default: once.
            shuffled: Whether aggregates come in any order, their turns are of any length, and the turns of
                different ones come between each other. Within an aggregate the order stays. Default: in the
                order in which it was given.
            seed: Which of the many orders: the same one gives the same. Default: 0.

        Returns:
            What was done: each showing of an event counts.

        Raises:
            Exception: What a callback raised, untouched, unless the handler goes on behind it.
            ConfigurationError: ``times`` is below 1; or what is appended in answer has no end.
        """
        if not isinstance(times, int) or times < 1:
            msg = f"times must be a number from 1 on, got {times!r}"
            raise ConfigurationError(msg)
        chance = random.Random(seed) if shuffled else None  # noqa: S311 - the same each time
        total, position = Run(), None
        with use_provider(self._provider):
            for _ in range(_MAX_ROUNDS):
                notices = self._provider.notices(self._handler.streams, position, _PAGE)
                if not notices:
                    return total
                position = notices[-1].position
                commits = [notice.commit for notice in notices if notice.commit is not None]
                turns = _in_order(commits) if chance is None else _shuffled(commits, chance, times)
                for turn in turns:
                    for _ in range(times if chance is None else 1):
                        total = sum((self._show(*one) for one in turn), total)
        msg = (
            f"{self._handler.name} has been shown {total.fetched} events, and its callbacks append ever more "
            "to the streams that it is over: it reacts to itself"
        )
        raise ConfigurationError(msg)

    def _show(self, commit: Commit, version: int) -> Run:
        worked = self._handler.show(commit, version)
        return Run(fetched=1, handled=worked is not None, failed=worked is False)


def _in_order(commits: Sequence[Commit]) -> Iterator[list[tuple[Commit, int]]]:
    """A turn for each commit, as they were appended."""
    for commit in commits:
        yield [(commit, version) for version in range(commit.first, commit.last + 1)]


def _shuffled(
    commits: Sequence[Commit], chance: random.Random, times: int
) -> Iterator[list[tuple[Commit, int]]]:
    """Turns of any length, each ``times`` times, with those of other aggregates anywhere between."""
    events: dict[Key, list[tuple[Commit, int]]] = {}
    for turn in _in_order(commits):
        for commit, version in turn:
            events.setdefault(commit.key, []).append((commit, version))
    left: dict[Key, list[list[tuple[Commit, int]]]] = {}
    for key, own in events.items():
        turns = left[key] = []
        begin = 0
        while begin < len(own):
            end = chance.randint(begin + 1, len(own))
            turns += [own[begin:end]] * times
            begin = end
    while left:
        key = chance.choice(list(left))
        yield left[key].pop(0)
        if not left[key]:
            del left[key]
