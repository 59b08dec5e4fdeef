"""Reading never hides a gap: what a query has missed is read again, and what is gone is told."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import CorruptStreamError, InvalidInputError
from runtime.event_store.providers.memory_provider import MemoryProvider
from runtime.store.port import Delete, Page, Put
from runtime.store.values import Place
from tests.event_store.store.lab import EVENTS, KEY, Lab, commit

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.event_store.provider import Provider

PLACES = [Place(EVENTS, KEY.pk, f"{first:010}") for first in (1, 3, 4, 6)]
READS: dict[str, Callable[[Provider], list[int]]] = {
    "forwards": lambda provider: sorted(c.first for c in provider.read(KEY)),
    "backwards": lambda provider: sorted(c.first for c in provider.read_back(KEY)),
    "backwards one by one": lambda provider: sorted(c.first for c in provider.read_back(KEY, likely=1)),
}
both_ways = pytest.mark.parametrize("read", READS.values(), ids=READS)


@pytest.fixture(params=[None, 1], ids=["large pages", "pages of one"])
def lab(request: pytest.FixtureRequest) -> Lab:
    lab = Lab(page_size=request.param)
    lab.append(2, 1, 2, 1)  # 1-2, 3, 4-5, 6
    lab.calls()
    return lab


@both_ways
@pytest.mark.parametrize("gone", range(3))
def test_a_commit_that_is_gone_is_told(lab: Lab, read: Callable[[Provider], Any], gone: int) -> None:
    lab.memory.write(Delete(place=PLACES[gone]))
    missing = ["versions 1 to 2", "version 3,", "versions 4 to 5"][gone]
    with pytest.raises(CorruptStreamError, match=rf"users#u1#acme has no {missing}.*restore"):
        read(lab.provider)


@both_ways
@pytest.mark.parametrize("late", range(3))
def test_a_commit_that_a_query_has_missed_is_read_again(
    lab: Lab, read: Callable[[Provider], list[int]], late: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = lab.memory.query
    missed: list[str] = []

    def miss(*arguments: Any, **options: Any) -> Page:
        """The first page that has the row has it not."""
        page = query(*arguments, **options)
        rows = [row for row in page.rows if missed or row["sk"] != PLACES[late].sk]
        missed.extend(row["sk"] for row in page.rows if row not in rows)
        return Page(rows, page.next)

    monkeypatch.setattr(lab.memory, "query", miss)
    assert read(lab.provider) == [1, 3, 4, 6]
    assert missed == [PLACES[late].sk]


@both_ways
def test_versions_that_two_commits_have_are_told(lab: Lab, read: Callable[[Provider], Any]) -> None:
    lab.memory.write(Put(table=EVENTS, row=lab.storage.row(commit(5, 3))))
    with pytest.raises(CorruptStreamError, match="in a commit, and some of them in another one"):
        read(lab.provider)


def test_a_stream_that_ends_early_is_none_that_has_a_gap(lab: Lab) -> None:
    lab.memory.write(Delete(place=PLACES[3]))
    assert READS["forwards"](lab.provider) == [1, 3, 4]
    assert [c.first for c in lab.provider.read(KEY, until=6)] == [1, 3, 4]


def test_what_each_read_costs() -> None:
    lab = Lab()
    lab.append(*[1] * 30)
    lab.calls()
    for read, calls in (
        (lambda: list(lab.provider.read(KEY)), 1),
        (lambda: list(lab.provider.read(KEY, after=29)), 1),
        # Nothing is behind it: it might be in the middle of the last commit.
        (lambda: list(lab.provider.read(KEY, after=30)), 2),
        (lambda: list(lab.provider.read(KEY, until=5)), 1),
        (lambda: next(iter(lab.provider.read_back(KEY, likely=1))), 1),
        (lambda: list(islice(lab.provider.read_back(KEY), 4)), 1),
        (lambda: list(islice(lab.provider.read_back(KEY), 20)), 2),
        (lambda: list(lab.provider.read_back(KEY)), 3),
        (lambda: list(lab.provider.read_back(KEY, until=4)), 1),
        (lambda: list(lab.provider.read(KEY, after=5, until=5)), 0),
    ):
        read()
        assert lab.calls() == ["query"] * calls


@pytest.mark.parametrize("page_size", [0, -1, 1.5, "1"])
def test_a_page_size_that_cannot_be_is_refused(page_size: Any) -> None:
    with pytest.raises(InvalidInputError, match="page_size"):
        MemoryProvider(page_size=page_size)


def test_what_was_appended_before_a_provider_in_memory_was_made_has_its_place_in_the_order() -> None:
    first = MemoryProvider()
    for version in (1, 2):
        first.append([commit(version)])
    second = MemoryProvider(first.read(KEY))
    second.append([commit(3, 2)])
    assert [n.version for n in second.notices(["users"], None, 9)] == [1, 2, 4]
    assert [n.position for n in second.notices(["users"], None, 9)] == ["1", "2", "4"]
    assert [n.version for n in second.notices(["users"], "2", 9)] == [4]
    assert [c.first for c in second.read(KEY)] == [1, 2, 3]
