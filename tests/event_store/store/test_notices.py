"""The pull index: nothing is left out, whatever comes late, and what was told is not told again and again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

# Before it is imported, so that its assertions say what they compare.
pytest.register_assert_rewrite("runtime.testing.provider_contract")

from runtime.errors import ConfigurationError  # noqa: E402
from runtime.event_store.address import Key  # noqa: E402
from runtime.store.port import Put  # noqa: E402
from runtime.testing.provider_contract import ProviderContract  # noqa: E402
from tests.event_store.store.lab import EVENTS, KEY, Lab, closing, commit  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.event_store.commits.commit import Notice
    from runtime.event_store.provider import Provider


class TestStoreProvider(ProviderContract):
    page_size: int | None = None

    @pytest.fixture(autouse=True)
    def _lab(self) -> None:
        self._made = Lab(feed=True, aggregates=True)

    def make_provider(self) -> Provider:
        return self._made.another(self.page_size)


class TestStoreProviderWithPagesOfOne(TestStoreProvider):
    page_size = 1


class Times:
    """What time it is."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)

    def __call__(self) -> float:
        return self.now.timestamp()

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    found = Times()
    monkeypatch.setattr("runtime.clock._source", found)
    return found


@pytest.fixture
def lab(times: Times) -> Lab:  # noqa: ARG001 - it is this time
    return Lab(feed=True)


def told(found: Iterable[Notice]) -> list[tuple[str, int]]:
    return [(notice.key.aggregate_id, notice.version) for notice in found]


class Listener:
    """Listens as a handler does."""

    def __init__(self, lab: Lab, *streams: str, limit: int = 100) -> None:
        self.provider = lab.another()
        self.streams = streams or ("users",)
        self.limit = limit
        self.after: str | None = None

    def __call__(self) -> list[tuple[str, int]]:
        found = self.provider.notices(self.streams, self.after, self.limit)
        if found:
            self.after = found[-1].position
        return told(found)


def users(number: int) -> list[Key]:
    return [Key("users", f"u{n}", "acme") for n in range(number)]


def test_what_was_told_is_not_told_again(lab: Lab, times: Times) -> None:
    listener = Listener(lab)
    assert listener() == []
    for key in users(3):
        lab.append(1, key=key)
        times.later(seconds=1)
    assert listener() == [("u0", 1), ("u1", 1), ("u2", 1)]
    assert listener() == []
    lab.append(1, key=users(1)[0], after=1)
    assert listener() == [("u0", 2)]
    assert listener() == []


def test_an_entry_that_appears_two_minutes_late_is_told(lab: Lab, times: Times) -> None:
    listener = Listener(lab)
    lab.append(1)
    assert listener() == [("u1", 1)]
    late = lab.storage.row(commit(1, key=users(1)[0]))
    times.later(seconds=119)
    lab.append(1, after=1)
    assert listener() == [("u1", 2)]
    lab.memory.write(Put(table=EVENTS, row=late))
    assert listener() == [("u0", 1)]
    assert listener() == []


def test_after_a_restart_two_minutes_are_told_again_and_nothing_is_left_out(lab: Lab, times: Times) -> None:
    listener = Listener(lab)
    for key in users(4):
        lab.append(1, key=key)
        times.later(minutes=1)
    assert len(listener()) == 4
    again = Listener(lab)
    again.after = listener.after
    assert again() == [("u1", 1), ("u2", 1), ("u3", 1)]
    assert again() == []


def test_who_stops_in_the_middle_goes_on_there(lab: Lab, times: Times) -> None:
    for key in users(6):
        lab.append(1, key=key)  # some at the same time
        times.later(minutes=0 if key.aggregate_id < "u3" else 5)
    listener = Listener(lab)
    found = lab.provider.notices(["users"], None, 100)
    for number, notice in enumerate(found):
        listener.after = notice.position
        rest = told(found)[number + 1 :]
        assert [one for one in listener() if one in rest] == rest


def test_who_stops_among_entries_of_one_time_goes_on_there(lab: Lab) -> None:
    for key in users(3):
        lab.append(1, key=key)
    first, *_ = lab.provider.notices(["users"], None, 100)
    assert told(lab.provider.notices(["users"], first.position, 100))[-2:] == [("u1", 1), ("u2", 1)]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_with_any_limit_each_is_told_once(lab: Lab, times: Times, limit: int) -> None:
    for number in range(5):
        for key in users(7):
            lab.append(1, key=key, after=number)
        times.later(seconds=45 * (number % 2))
    listener = Listener(lab, limit=limit)
    found = []
    while new := listener():
        assert len(new) <= limit
        found += new
    assert len(found) == len(set(found)) == 35


def test_a_clock_that_is_ahead_hides_nothing(lab: Lab, times: Times) -> None:
    listener = Listener(lab)
    times.later(hours=1)
    lab.append(1, key=users(1)[0])  # of a machine an hour ahead
    times.later(hours=-1)
    assert listener() == [("u0", 1)]
    for version in range(3):
        lab.append(1, after=version)
        times.later(seconds=1)
        assert listener() == [("u1", version + 1)]


def test_a_quiet_stream_beside_a_busy_one_does_not_read_it_again_and_again(lab: Lab, times: Times) -> None:
    quiet = Listener(lab, "quiet")
    lab.append(1, key=Key("quiet", "q", "acme"))
    assert quiet() == [("q", 1)]
    for key in users(50):
        lab.append(1, key=key)
    assert quiet() == []
    times.later(minutes=10)
    lab.append(1, key=users(1)[0], after=1)
    assert quiet() == []
    looked_at: list[int] = []
    query = lab.memory.query

    def counted(*arguments: object, **options: object) -> object:
        page = query(*arguments, **options)  # type: ignore[arg-type]
        looked_at.append(len(page.rows))
        return page

    lab.memory.query = counted  # type: ignore[method-assign, assignment]
    assert quiet() == []
    assert (len(looked_at), sum(looked_at)) == (4, 1)


def test_a_look_is_4_calls(lab: Lab) -> None:
    lab.append(1)
    listener = Listener(lab)
    for _ in range(2):
        lab.calls()
        listener()
        assert lab.calls() == ["query"] * 4


def test_an_entry_tells_its_types_and_what_closes_an_aggregate_is_for_everybody(lab: Lab) -> None:
    lab.append(2)
    lab.provider.erase(KEY, closing())
    first, last = lab.provider.notices(["users"], None, 9)
    assert (first.types, last.types) == (("happened",), None)
    assert first.commit is None


def test_without_the_index_nobody_can_listen() -> None:
    with pytest.raises(ConfigurationError, match="pull_index=True"):
        Lab().provider.notices(["users"], None, 9)
