"""Every operation's calls and units, at 1, 10 and 90 KB: what `python -m bench.counts` prints."""

from __future__ import annotations

import pytest

from bench.counts import PIPELINE, REFERENCE, SIZES, counted, way


def expected(size: int) -> dict[str, tuple[int, int, float, int]]:
    """Calls, how many wait for another, read units and write units.

    A publish writes the command and its session in a transaction, and the entry of the index, and of what is
    new a note; an apply writes data and history, and the command anew, and takes the entry away.
    """
    written, read = -(-size // 1024), -(-size // 4096)
    publish, apply = 2 * written + 2 + 1, 6 * written + 1
    return {
        "publish, new": (2, 2, 2, publish + 2),
        "publish, explicit version": (2, 2, 2 * read + 1, publish),
        "publish, latest version": (3, 3, read + 8 if size > 4096 else 9, publish),
        "publish, partial": (2, 2, 2 * read + 1, publish),
        "publish, synchronous": (2, 2, 2 * read + 1, 6 * written),
        "publish, no change": (1, 1, 2 * read + 1, 0),
        "apply": (2, 2, 2 * read, apply),
        "apply, inline": (2, 2, read, apply),
        "apply, again": (1, 1, 2 * read, 0),
        "read one": (1, 1, read + 1, 0),
        "read one, pending": (2, 2, 2 * read + 1, 0),
        "turn of a handler": (3, 3, 2 * read + 1, 2),
        # An apply that leaves the last status, and the entry of the index, to the end; a turn; command and
        # cursor, and the command anew.
        PIPELINE: (8, 8, 2 * read + (2 * read + 1) + (read + 1), 6 * written + 2 + written + 1),
    }


@pytest.mark.parametrize("size", SIZES)
def test_each_operation_takes_what_it_is_said_to_take(size: int) -> None:
    found = {one.operation: (one.calls, one.depth, one.read, one.written) for one in counted(size)}
    assert found == expected(size)


def test_none_takes_more_than_half_of_the_reference_systems_calls_but_a_new_one() -> None:
    calls = {one.operation: one.calls for one in counted(1_000)}
    assert {name: calls[name] / theirs for name, theirs in REFERENCE.items() if calls[name] * 2 > theirs} == {
        "publish, new": 2 / 3
    }


def test_the_way_of_an_update_is_counted_from_its_publish_to_its_last_status() -> None:
    assert way(0) == {
        "handlers": 0,
        "publish": 2,
        "pipeline": 2,
        "pipeline writes": 1,
        "functions": 2,
        "write units": 12,
    }
    assert way(1) == {
        "handlers": 1,
        "publish": 2,
        "pipeline": 8,
        "pipeline writes": 4,
        "functions": 4,
        "write units": 15,
    }
