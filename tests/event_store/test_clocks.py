"""Clocks of writers differ: what was at a time is told by the order of the versions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.event_store.aggregates.aggregate import Persist, create_aggregate
from runtime.event_store.domain import create_domain
from runtime.event_store.events.event import Event
from runtime.event_store.providers.memory_provider import MemoryProvider
from runtime.testing.clock import Clock

if TYPE_CHECKING:
    from runtime.event_store.events.recorded import EventMeta

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Counted(Event, type="counted"):
    pass


class Site:
    """An aggregate, and writers whose clocks are ahead or behind."""

    def __init__(self, *, persist: Persist | None = None, **options: Any) -> None:
        self.aggregate = create_aggregate(
            stream="counters", events=[Counted], create=lambda: 0, fold=lambda *a: a[1] + 1, persist=persist
        )
        self.domain = create_domain(MemoryProvider(), self.aggregate, default_tenant="acme")
        self.repository = self.domain[self.aggregate]
        self.seen: list[int] = []
        self.handler = self.domain.create_handler("h", [self.aggregate], **options)
        self.handler.handle(self.aggregate, Counted, self._note)

    def _note(self, _aggregate_id: str, _event: Counted, meta: EventMeta) -> None:
        self.seen.append(meta.version)

    def append(self, at: datetime, events: int = 1) -> Any:
        """Append by a writer whose clock says that it is ``at``."""
        with at_time(at):
            current = self.repository.get_aggregate("c")
            return self.repository.append(current, [Counted()] * events)


class at_time:  # noqa: N801 - as a function
    """A clock that stands still at a time."""

    def __init__(self, at: datetime) -> None:
        self._clock = Clock(at)

    def __enter__(self) -> None:
        self._clock.start()

    def __exit__(self, *_: object) -> None:
        self._clock.stop()


def second(number: int) -> datetime:
    return NOON + timedelta(seconds=number)


@given(
    appends=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3)), min_size=1, max_size=8),
    every=st.sampled_from([None, 1, 3]),
)
def test_the_past_is_a_beginning_that_only_grows_with_time(
    appends: list[tuple[int, int]], every: int | None
) -> None:
    site = Site(persist=None if every is None else Persist("1", every=every))
    lasts: list[tuple[int, int]] = []  # the last version of each append, and when it was made
    for at, events in appends:
        lasts.append((site.append(second(at), events).version, at))
    before = 0
    for time in range(-1, 11):
        found = site.repository.get_aggregate("c", at_time=second(time))
        # Behind the last append that is not later: whole appends, and nothing that follows is as early.
        assert found.version == max([last for last, at in lasts if at <= time], default=0)
        assert found.state == found.version
        assert found.state == site.repository.get_aggregate("c", at_version=found.version).state
        assert found.version >= before
        before = found.version
    assert before == lasts[-1][0]
    if [at for _, at in lasts] == sorted(at for _, at in lasts):  # of one clock: to the append
        for time in range(10):
            exact = [last for last, at in lasts if at <= time]
            assert site.repository.get_aggregate("c", at_time=second(time)).version == (exact or [0])[-1]


@given(times=st.lists(st.integers(0, 9), min_size=1, max_size=8), since=st.integers(0, 9))
def test_one_that_begins_at_a_time_is_shown_an_end_and_waits_for_nothing_else(
    times: list[int], since: int
) -> None:
    site = Site(tail_stream=True)
    with at_time(second(since)):
        site.handler.run_once()  # it was started then
    loaded = [site.append(second(at)) for at in times]
    site.handler.set_position("")  # as if nobody had told it of any of them
    site.handler.catch_up(site.aggregate, "c")
    late = [version for version, at in enumerate(times, 1) if at >= since]
    early = [version for version, at in enumerate(times, 1) if at < since]
    assert site.seen == [version for version in late if version > max(early, default=0)]
    for one in loaded:
        assert site.handler.has_seen(site.aggregate, one)


@pytest.mark.parametrize("version", [1, 2])
def test_what_is_not_shown_for_its_time_is_not_waited_for(version: int) -> None:
    """The first writer's clock is ahead, the second one's behind: both are before the handler begins."""
    site = Site(tail_stream=True)
    with at_time(second(5)):
        site.handler.run_once()
    loaded = [site.append(second(9)), site.append(second(1))][version - 1]
    assert site.handler.has_seen(site.aggregate, loaded)
    third = site.append(second(6))
    assert not site.handler.has_seen(site.aggregate, third)
    site.handler.catch_up(site.aggregate, "c")
    assert site.seen == [3]
    assert site.handler.has_seen(site.aggregate, third)
