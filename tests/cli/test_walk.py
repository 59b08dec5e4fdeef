from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from constructs_lib.cli.errors import RefusedError
from constructs_lib.cli.exit_code import ExitCode
from constructs_lib.cli.modules import Module
from constructs_lib.cli.resume import Position
from constructs_lib.cli.walk import Walk, positions

PAGES = 5


def places(number: int) -> list[Position]:
    return [Position("reconcile", "order", segment, number) for segment in range(number)]


def answer(position: Position) -> dict[str, Any]:
    number = int(position.page or 0)
    return {"resumeToken": str(number + 1) if number + 1 < PAGES else None}


class Taker:
    """Counts the pages, and sees that it is never called by two threads at once."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[int, str | None]] = Counter()
        self._busy = threading.Lock()

    def __call__(self, position: Position, page: dict[str, Any]) -> Position | None:
        assert self._busy.acquire(blocking=False)
        self.seen[position.segment, position.page] += 1
        self._busy.release()
        return position.after(page)


def never() -> None:
    pytest.fail("nobody pressed Ctrl-C")


@pytest.mark.parametrize("threads", [1, 4, 64])
def test_each_page_is_taken_once(threads: int) -> None:
    taker = Taker()
    walk = Walk(places(7), answer, taker, threads=threads)
    walk.run(never)
    assert walk.left == []
    pages = [None, *map(str, range(1, PAGES))]
    assert taker.seen == {(segment, page): 1 for segment in range(7) for page in pages}
    assert walk.ending(attention=False) == ({"interrupted": False, "error": None}, ExitCode.FINE, [])
    assert walk.ending(attention=True)[1] is ExitCode.ATTENTION


def test_segments_are_asked_side_by_side() -> None:
    together = threading.Barrier(3)

    def ask(position: Position) -> dict[str, Any]:
        together.wait(timeout=10)
        return answer(position)

    walk = Walk(places(3), ask, Taker(), threads=3)
    walk.run(never)
    assert walk.left == []


def test_an_error_ends_it_and_leaves_where_to_go_on() -> None:
    def ask(position: Position) -> dict[str, Any]:
        if position.segment == 1 and position.page == "2":
            message = "page 2 cannot be read"
            raise RefusedError(message, "Boom")
        return answer(position)

    taker = Taker()
    walk = Walk(places(3), ask, taker, threads=1)
    walk.run(never)
    assert [str(position) for position in walk.left] == ["reconcile:order:1/3:Mg==", "reconcile:order:2/3"]
    error = {"type": "Boom", "message": "page 2 cannot be read"}
    assert walk.ending(attention=True) == (
        {"interrupted": False, "error": error},
        ExitCode.REFUSED,
        ["cqrs: error: page 2 cannot be read"],
    )
    again = Walk(walk.left, answer, taker, threads=1)
    again.run(never)
    assert set(taker.seen.values()) == {1}
    assert len(taker.seen) == 3 * PAGES


def test_ctrl_c_during_the_last_page_is_too_late() -> None:
    def take(_: Position, __: dict[str, Any]) -> None:
        walk.interrupted = True  # as Ctrl-C does

    walk = Walk(places(1), answer, take, threads=1)
    walk.run(lambda: None)
    assert walk.left == []
    assert walk.ending(attention=False) == ({"interrupted": False, "error": None}, ExitCode.FINE, [])


def test_a_defect_of_ours_is_raised() -> None:
    walk = Walk(places(2), lambda _: {}, lambda _, page: page["nothing"], threads=2)
    with pytest.raises(KeyError, match="nothing"):
        walk.run(never)


@pytest.mark.parametrize(
    ("rows", "asked", "expected"),
    [(None, None, 1), (0, None, 1), (9_999, None, 1), (25_000, None, 3), (10**9, None, 8), (5, 4, 4)],
)
def test_a_big_table_is_read_in_more_segments(rows: int | None, asked: int | None, expected: int) -> None:
    found = positions("parked", [Module("order", "workflow", (), rows)], asked)
    assert [(position.segment, position.total) for position in found] == [
        (n, expected) for n in range(expected)
    ]
